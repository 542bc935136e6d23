import { describe, expect, inject, test } from 'vitest';
import { catalogue } from '../../src/faults/catalogue.ts';
import { runFaults } from '../../src/run-faults.ts';

/** Faults of apis and Postgres do not depend on the store; `npm run test:faults` plays them all. */
const playable = catalogue.filter(({ needsLies, name }) => !needsLies && !/^(api|postgres)-/.test(name));

describe.skipIf(!inject('containers'))('on a real S3, in a bucket with object lock', () => {
  test('no fault of exporters that works without the S3 proxy loses or doubles an event', { timeout: 900_000 }, async ({
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
        lanes: 4,
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
    expect(results.filter(({ notPlayed }) => notPlayed !== null)).toEqual([]);
    expect(results.flatMap(({ rounds }) => rounds).every(({ events }) => events > 0)).toBe(true);
  });
});
