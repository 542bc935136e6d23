import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchmarkResult, createLedger, median } from '../figures.ts';
import { names } from '../names.ts';
import { startExporter, storeEnvironment } from '../rig/auditbox.ts';
import { waitUntilExported } from '../rig/null-store.ts';
import { oldBacklog, prefilledColumns } from '../rig/prefill.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';
import { type CommandRun, runCommand } from '../rig/run-command.ts';
import { eventsSql } from '../workload/events-sql.ts';

/** Questions to the bucket by `npm run archive`: over the objects, and over the files of Parquet that `compact` made of them. */

const day = '2026-07-03';
const range = ['--from', day, '--to', day];
const program = fileURLToPath(new URL('../../../../packages/cli/src/main.ts', import.meta.url));
/** A question is asked this often with a full cache; the median counts. */
const reads = 5;

type Archive = (...args: string[]) => Promise<CommandRun>;

export async function archive(rig: Rig, { turns, rows }: { turns: number; rows: number }): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (let turn = 0; turn < turns; turn += 1) {
    const bench = await rig.database();
    const folder = await mkdtemp(join(tmpdir(), 'auditbox-bench-'));
    const run: Archive = (...args) =>
      runCommand({
        program,
        args: ['archive', ...args],
        env: { PATH: process.env.PATH, ARCHIVE_CACHE_DIR: folder, ...storeEnvironment(rig.store.endpoint) },
      });
    try {
      await fill(rig, bench, rows);
      const id = await someId(bench);
      const objectBytes = (await rig.store.progress()).bytes;
      await ask(run, id, ['--no-parquet'], add(names.inObjects(rows)));
      const made = await run('compact', '--day', day, '--json');
      const noteCompaction = add(names.compaction(rows));
      noteCompaction('events/s', rows / made.s);
      noteCompaction('peak MB', made.peakMb);
      noteCompaction('bytes of Parquet for a byte of the objects', (await parquetBytes(rig, made)) / objectBytes);
      await ask(run, id, [], add(names.inParquet(rows)));
    } finally {
      await rm(folder, { recursive: true });
      await bench.drop();
    }
  }
  function add(condition: string) {
    return (measure: string, value: number) => {
      ledger.add(names.auditbox, condition, measure, value);
      rig.say(`archive, ${condition}: ${measure} ${value.toPrecision(3)}`);
    };
  }
  return { name: 'archive', title: 'Questions to the bucket', figures: ledger.figures(), plotted: 'find an id, s' };
}

/** Stores and exports events whose ids are of version 4, so that the order of ids says nothing about time. */
async function fill(rig: Rig, bench: BenchDatabase, rows: number): Promise<void> {
  const others = prefilledColumns.replace('id, ', '');
  await bench.sql.unsafe(`
    insert into auditbox.audit_log (id, ${others})
    select gen_random_uuid(), ${others} from (${eventsSql('1', String(rows))}) events`);
  await rig.store.start({ delayMs: 0 });
  const exporter = await startExporter(rig, bench.url, oldBacklog);
  await waitUntilExported(rig.store, rows);
  await exporter.stop();
}

async function someId({ sql }: BenchDatabase): Promise<string> {
  const [row] = await sql<{ id: string }[]>`select id from auditbox.audit_log order by occurred_at limit 1 offset 1000`;
  return row?.id as string;
}

/** Each command is a separate process, so its time includes the start of Node and of DuckDB. */
async function ask(
  run: Archive,
  id: string,
  flags: readonly string[],
  note: (measure: string, value: number) => void,
): Promise<void> {
  const find = ['query', `select id from events where id = '${id}'`, ...range, '--json', ...flags];
  const first = await run(...find);
  note('find an id, nothing in the cache, s', first.s);
  const questions = {
    'find an id, s': { args: find, answer: `{"id":"${id}"}\n` },
    'count events by action, s': {
      args: ['query', 'select action, count(*) from events group by action', ...range, '--json', ...flags],
      answer: null,
    },
  };
  for (const [measure, { args, answer }] of Object.entries(questions)) {
    const times: number[] = [];
    for (let n = 0; n < reads; n += 1) {
      const { output, s } = await run(...args);
      if (answer !== null && output !== answer) throw new Error(`${args.join(' ')} answered ${output}`);
      times.push(s);
    }
    note(measure, median(times));
  }
}

/** The bytes of the files that `compact` named. */
async function parquetBytes({ store }: Rig, { output }: CommandRun): Promise<number> {
  const { files } = JSON.parse(output) as { files: string[] };
  let bytes = 0;
  for (const file of files) {
    const response = await fetch(`${store.endpoint}/bench/${file}`);
    if (!response.ok) throw new Error(`${file} is not in the store.`);
    bytes += (await response.arrayBuffer()).byteLength;
  }
  return bytes;
}
