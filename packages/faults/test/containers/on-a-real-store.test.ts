import { describe, expect, inject, test } from 'vitest';
import { catalogue } from '../../src/faults/catalogue.ts';
import { runFaults } from '../../src/run-faults.ts';

/** Faults in which an answer of the store decides. The fault suite plays all others with its own store. */
const atTheStore = new Set([
  'exporter-killed-during-upload',
  'exporter-killed-after-upload',
  'exporter-killed-in-log',
  'mixed',
]);
const playable = catalogue.filter(({ name }) => atTheStore.has(name));

describe.skipIf(!inject('containers'))('on a real S3, in a bucket with object lock', () => {
  test('no fault that strikes while a real store is asked loses or doubles an event', { timeout: 1_800_000 }, async ({
    signal,
  }) => {
    const results = await runFaults(
      {
        faults: playable,
        rounds: 1,
        onlyRound: null,
        seed: 1,
        pace: 'quick',
        holdMs: 1_000,
        historyRows: 2_000,
        lanes: 4,
        cells: 1,
        store: { endpoint: inject('s3Endpoint'), canLie: false },
        nodeVariables: {},
      },
      () => {},
      signal,
    );
    const broken = results.flatMap(({ fault, rounds }) =>
      rounds.flatMap(({ problems }) => problems.map((problem) => `${fault.name}: ${problem}`)),
    );
    expect(broken).toEqual([]);
    expect(results).toHaveLength(atTheStore.size);
    expect(results.filter(({ notPlayed }) => notPlayed !== null)).toEqual([]);
    expect(results.flatMap(({ rounds }) => rounds).every(({ events }) => events > 0)).toBe(true);
  });
});
