import { describe, expect, inject, test } from 'vitest';
import { catalogue } from '../../src/faults/catalogue.ts';
import { runFaults } from '../../src/run-faults.ts';

const playable = catalogue.filter(({ needsLies }) => !needsLies);

describe.skipIf(!inject('containers'))('on a real S3, in a bucket with object lock', () => {
  test('no fault that works without the S3 proxy loses or doubles an event', { timeout: 600_000 }, async () => {
    const results = await runFaults(
      {
        faults: playable,
        rounds: 1,
        onlyRound: null,
        seed: 1,
        pace: 'quick',
        holdMs: 1_000,
        lanes: 4,
        store: { endpoint: inject('s3Endpoint'), canLie: false },
        nodeVariables: {},
      },
      () => {},
      new AbortController().signal,
    );
    const broken = results.flatMap(({ fault, rounds }) =>
      rounds.flatMap(({ problems }) => problems.map((problem) => `${fault.name}: ${problem}`)),
    );
    expect(broken).toEqual([]);
    const notPlayed = results.filter(({ notPlayed: why }) => why !== null).map(({ fault }) => fault.name);
    expect(notPlayed.filter((name) => name !== 'postgres-disk-full')).toEqual([]);
    expect(results.flatMap(({ rounds }) => rounds).every(({ events }) => events > 0)).toBe(true);
  });
});
