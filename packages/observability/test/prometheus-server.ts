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

/** An alert that fires, with its texts as people get them. */
export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  readonly url: string;
  /** The series of a query between two times, in seconds since 1970. Throws what Prometheus says is wrong with it. */
  queryRange(
    query: string,
    range: { readonly start: number; readonly end: number; readonly step: number },
  ): Promise<Series[]>;
  /** The alerts that fire now and have this name. */
  listFiring(name: string): Promise<FiringAlert[]>;
  close(): Promise<void>;
}

interface PrometheusOptions {
  /** The content of a file of rules, which are evaluated each second. */
  readonly rules?: object;
  readonly runbookUrl?: string;
  /** The folder of the files that it serves at /user. */
  readonly assets?: string;
}

/** A Prometheus that asks these targets each second, under the names of jobs that the dashboard uses. */
export async function startPrometheus(
  targets: Readonly<Record<string, string | readonly string[]>>,
  { rules = { groups: [] }, runbookUrl = 'https://docs.example/RUNBOOK.html', assets = '' }: PrometheusOptions = {},
): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const jobs = Object.entries(targets).map(([job_name, target]) => ({
    job_name,
    static_configs: [{ targets: [target].flat() }],
  }));
  await writeFile(join(folder, 'rules.yml'), JSON.stringify(rules));
  await writeFile(
    join(folder, 'config.yml'),
    JSON.stringify({
      global: {
        scrape_interval: '1s',
        evaluation_interval: '1s',
        external_labels: { auditbox_runbook: runbookUrl },
      },
      rule_files: ['rules.yml'],
      scrape_configs: jobs,
    }),
  );
  const url = `http://127.0.0.1:${await findPort()}`;
  const options = [
    `--config.file=${join(folder, 'config.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${new URL(url).host}`,
    `--web.user-assets=${assets}`,
  ];
  const child = spawn(program, options, { stdio: 'ignore' });
  const ended = once(child, 'close');
  await eventually(async () => {
    if ((await fetch(`${url}/-/ready`)).status !== 200) throw new Error('Prometheus is not ready.');
  });
  return {
    url,
    async listFiring(name) {
      const answer = await fetch(`${url}/api/v1/alerts`);
      const { data } = (await answer.json()) as {
        data: { alerts: (Omit<FiringAlert, 'value'> & { state: string; value: string })[] };
      };
      return data.alerts
        .filter(({ labels, state }) => labels.alertname === name && state === 'firing')
        .map(({ labels, annotations, value }) => ({ labels, annotations, value: Number(value) }));
    },
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
