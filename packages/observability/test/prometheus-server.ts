import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';

const program = process.env.TEST_PROMETHEUS ?? 'prometheus';

export const hasPrometheus = spawnSync(program, ['--version']).status === 0;

/** A series of an answer, at the times that were asked for. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

export interface Prometheus {
  /** The series of a query between two times, in seconds since 1970. Throws what Prometheus says is wrong with it. */
  queryRange(
    query: string,
    range: { readonly start: number; readonly end: number; readonly step: number },
  ): Promise<Series[]>;
  close(): Promise<void>;
}

/** A Prometheus that asks these targets each second, under the names of jobs that the dashboard uses. */
export async function startPrometheus(targets: Readonly<Record<string, string>>): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const jobs = Object.entries(targets).map(([job_name, target]) => ({
    job_name,
    static_configs: [{ targets: [target] }],
  }));
  await writeFile(
    join(folder, 'config.yml'),
    JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: jobs }),
  );
  const url = `http://127.0.0.1:${await findPort()}`;
  const options = [
    `--config.file=${join(folder, 'config.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${new URL(url).host}`,
  ];
  const child = spawn(program, options, { stdio: 'ignore' });
  const ended = once(child, 'close');
  await eventually(async () => {
    if ((await fetch(`${url}/-/ready`)).status !== 200) throw new Error('Prometheus is not ready.');
  });
  return {
    async queryRange(query, { start, end, step }) {
      const body = new URLSearchParams({ query, start: String(start), end: String(end), step: String(step) });
      const answer = await fetch(`${url}/api/v1/query_range`, { method: 'POST', body });
      const { status, error, data } = (await answer.json()) as {
        status: string;
        error: string;
        data: { result: Series[] };
      };
      if (status !== 'success') throw new Error(`${query}: ${error}`);
      return data.result;
    },
    async close() {
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
