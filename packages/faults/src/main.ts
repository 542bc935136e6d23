import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnStore } from '@auditbox/testing/servers/own-store.ts';
import { parseCommand } from './cli.ts';
import { type FaultResult, runFaults } from './run-faults.ts';
import { toTable } from './table.ts';

/*
 * `npm run test:faults` runs real processes on a real Postgres and a store behind a proxy, and causes faults: kills, stops,
 * broken connections, false responses. It prints a table. The exit code is 0 when no event was lost or doubled, else 1.
 */

const { faults, rounds, onlyRound, seed, pace, holdMs, historyRows, lanes, cells } = parseCommand(
  process.argv.slice(2),
);
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
process.once('SIGTERM', () => interrupted.abort());

const say = (text: string) => void process.stdout.write(`${text}\n`);
say(
  `seed ${seed}; ${faults.length} faults, ${rounds} rounds each, ${lanes} at the same time, ${cells === 1 ? 'one database' : `${cells} cells`}, ${pace} settings`,
);

const cache = await mkdtemp(join(tmpdir(), 'auditbox-cache-'));
const store = await startOwnStore();
const startedAt = performance.now();
let played = 0;
let kills = 0;
let events = 0;
const broken: string[] = [];
/** One error often causes many problems, so only the first ones are printed. */
const maxShown = 10;

const results = await runFaults(
  {
    faults,
    rounds,
    onlyRound,
    seed,
    pace,
    holdMs,
    historyRows,
    lanes,
    cells,
    store: { endpoint: store.endpoint, canLie: true },
    nodeVariables: { NODE_COMPILE_CACHE: cache },
  },
  report,
  interrupted.signal,
).finally(async () => {
  await store.close();
  await rm(cache, { recursive: true, force: true });
});
say(`\n${toTable(results)}`);
for (const { fault, notPlayed } of results) if (notPlayed) say(`NOT PLAYED: ${fault.name}: ${notPlayed}.`);
say(
  broken.length === 0
    ? `${played} rounds, ${kills} kills, ${events} events: nothing lost, nothing doubled.`
    : 'Promises were broken. See above.',
);
process.exit(broken.length === 0 && !interrupted.signal.aborted ? 0 : 1);

function report({ fault, rounds: part, kills: more, crashes, notPlayed }: FaultResult, firstRound: number): void {
  played += part.length;
  kills += more;
  for (const [index, round] of part.entries()) {
    events += round.events;
    if (round.problems.length === 0) continue;
    const history = fault.needsHistory ? ` --history-rows ${historyRows}` : '';
    const settings = `${history}${cells === 1 ? '' : ` --cells ${cells}`}${pace === 'default' ? ' --default-settings' : ''}`;
    const command = `npm run test:faults -- --seed ${seed} --only ${fault.name} --round ${firstRound + index} --hold ${holdMs / 1000}${settings}`;
    broken.push(command);
    const shown = round.problems.slice(0, maxShown).join('\n  ');
    say(
      `BROKEN in round ${firstRound + index}: ${round.problems.length} problems\n  ${shown}\n  repeat it: ${command}`,
    );
  }
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  const how = [...crashes].map(([code, times]) => `, ${times} ended with ${code}`).join('');
  say(
    `${minutes} min, ${played} rounds, ${kills} kills, ${events} events: ${fault.name}${notPlayed ? ' not played' : ''}${how}`,
  );
}
