import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Cluster, clusterUrl, serverCommand } from '../postgres/cluster.ts';
import type { PostgresRunner } from '../postgres/runner.ts';
import type { StackLog } from './log-key.ts';
import type { ServiceSpec } from './supervise.ts';

/** What the services of the stack must know about each other. */
export interface StackPlan {
  readonly cluster: Cluster;
  readonly s3: { readonly port: number; readonly folder: string; readonly bucket: string };
  readonly apiPort: number;
  readonly exporterPort: number;
  readonly masterKey: MasterKey;
  readonly log: StackLog;
  /** The environment of `npm start`. Settings that the stack does not decide are passed on to the services. */
  readonly environment: NodeJS.ProcessEnv;
}

/** The first key of the api. `given` came from AUDIT_MASTER_KEY; otherwise it is kept in a file. */
export interface MasterKey {
  readonly value: string;
  readonly source: 'given' | 'new' | 'kept';
}

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export function postgresService(runner: PostgresRunner, { cluster }: StackPlan): ServiceSpec {
  return {
    name: 'postgres',
    // Otherwise a table that a service makes without a schema would be in ours, because the user has its name.
    ...serverCommand(runner, cluster, ['search_path=public']),
    // A child process of Postgres cannot start in a folder that its user may not enter.
    options: { ...runner.spawnOptions, cwd: '/' },
    stopSignal: 'SIGINT',
    isReady: () => accepts(cluster.port),
  };
}

export function s3Service({ s3 }: StackPlan): ServiceSpec {
  return {
    name: 's3',
    file: process.execPath,
    args: [fileOf('../s3/main.ts'), String(s3.port), s3.folder, s3.bucket],
    options: {},
    stopSignal: 'SIGTERM',
    isReady: () => accepts(s3.port),
  };
}

export function apiService(plan: StackPlan): ServiceSpec {
  const env = { ...baseEnvironment(plan), PORT: String(plan.apiPort), AUDIT_MASTER_KEY: plan.masterKey.value };
  const service = nodeService('api', '../../../../apps/api/src/main.ts', env, plan.apiPort);
  // The start made the key and shows where it is. Nobody can unset it.
  const isNoise = (line: string) => line.includes('"event":"master-key-on"');
  return plan.masterKey.source === 'given' ? service : { ...service, isNoise };
}

export function exporterService(plan: StackPlan): ServiceSpec {
  const env = {
    ...baseEnvironment(plan),
    ...stackVariables(plan),
    METRICS_PORT: String(plan.exporterPort),
    EXPORT_LOG_INTERVAL_MS: plan.environment.EXPORT_LOG_INTERVAL_MS ?? '10000',
  };
  return nodeService('exporter', '../../../../apps/exporter/src/main.ts', env, plan.exporterPort);
}

/** The settings by which any process of Auditbox works with the database and the store of the stack. */
export function stackVariables({ cluster, s3, log, environment }: StackPlan): Readonly<Record<string, string>> {
  return {
    DATABASE_URL: clusterUrl(cluster),
    S3_BUCKET: s3.bucket,
    ...(environment.S3_PREFIX && { S3_PREFIX: environment.S3_PREFIX }),
    S3_ENDPOINT: `http://127.0.0.1:${s3.port}`,
    S3_REGION: 'us-east-1',
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: 'embedded',
    AWS_SECRET_ACCESS_KEY: 'embedded',
    EXPORT_LOG_ORIGIN: log.origin,
    EXPORT_LOG_KEY_FILE: log.keyFile,
  };
}

/** They describe other servers than the embedded ones, or are decided by the stack. */
const foreign = /^(AWS_|S3_(?!PREFIX$)|DATABASE_|TLS_|HOST$|EXPORT_LOG_(ORIGIN|KEY_FILE|VERIFIER_KEY)$)/;
const replaced = /^(PORT|METRICS_PORT|AUDIT_MASTER_KEY)$/;

/** The settings of the shell that the stack ignores. */
export function listIgnored(environment: NodeJS.ProcessEnv): readonly string[] {
  return Object.keys(environment)
    .filter((name) => foreign.test(name) && environment[name] !== '')
    .sort();
}

function baseEnvironment({ environment, cluster }: StackPlan): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !foreign.test(name) && !replaced.test(name));
  return { ...Object.fromEntries(kept), HOST: '127.0.0.1', DATABASE_URL: clusterUrl(cluster) };
}

function nodeService(name: string, path: string, env: NodeJS.ProcessEnv, port: number): ServiceSpec {
  const isReady = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  return { name, file: process.execPath, args: [fileOf(path)], options: { env }, stopSignal: 'SIGTERM', isReady };
}

/** Whether a server accepts connections on a port of 127.0.0.1. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    const answer = (accepted: boolean) => () => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', answer(true)).once('error', answer(false));
  });
}
