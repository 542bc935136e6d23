import type { Sql } from 'postgres';

/** Reports what runs for long, every few seconds. */
export interface Progress {
  during<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** How far the work is, for the next report. */
  note(state: string): void;
}

const everyMs = 5_000;

interface ProgressOptions {
  readonly report: (line: string) => void;
  /** Opens a second connection, which is used while something runs for long: the first one is busy then. */
  readonly watch: () => Sql;
  readonly reportEveryMs?: number;
  readonly onProgress?: () => void;
}

export function createProgress(options: ProgressOptions): Progress {
  const { report, watch, reportEveryMs = everyMs, onProgress = () => {} } = options;
  let noted = '';
  return {
    async during(name, work) {
      const startedAt = performance.now();
      noted = '';
      let watcher: Sql | null = null;
      const tick = async () => {
        watcher ??= watch();
        const state = (await readIndexProgress(watcher).catch(() => null)) ?? noted;
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
        report(`${name}: runs for ${seconds} s${state === '' ? '' : `, ${state}`}`);
      };
      const timer = setInterval(() => void tick(), reportEveryMs);
      try {
        const result = await work();
        onProgress();
        return result;
      } finally {
        clearInterval(timer);
        await (watcher as Sql | null)?.end({ timeout: 1 });
      }
    },
    note(state) {
      noted = state;
      onProgress();
    },
  };
}

/**
 * How far the build of an index is, or null if none is built.
 *
 * Caller: the migrator, on its second connection.
 * Locks: none.
 * Crash: nothing is written.
 */
async function readIndexProgress(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ state: string }[]>`
    select phase || case when blocks_total > 0 then format(', %s %% of its blocks', 100 * blocks_done / blocks_total) else '' end
      || case when phase like 'waiting for%' then ': it waits for transactions that began before' else '' end as state
    from pg_stat_progress_create_index where datname = current_database() limit 1`;
  return row?.state ?? null;
}
