import { fileURLToPath } from 'node:url';
import { type Program, startProgram } from './program.ts';
import type { Rig } from './rig.ts';

/** The key that the load generator uses. */
export const benchKey = 'key-of-the-benchmark-as-long-as-32-random-bytes';

/** As in package.json. docs/decisions/small-young-generation.md says why. */
const nodeArgumentsOf = {
  api: ['--max-semi-space-size=16', '--scavenger-max-new-space-capacity-mb=2'],
  exporter: ['--max-semi-space-size=2'],
} as const;

/** As the program `auditbox` has. */
const compileCache = fileURLToPath(new URL('../../../../node_modules/.cache/auditbox', import.meta.url));

const appFile = (path: string) => new URL(`../../../../apps/${path}`, import.meta.url);

/** Starts the api. `settings` override the defaults. */
export async function startApi(
  { nodeArguments }: Rig,
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Program & { port: number }> {
  const program = await startProgram({
    file: appFile('api/src/main.ts'),
    env: {
      DATABASE_URL: databaseUrl,
      PORT: '0',
      AUDIT_MASTER_KEY: benchKey,
      NODE_COMPILE_CACHE: compileCache,
      ...settings,
    },
    ready: /"event":"api-listening"/,
    nodeArguments: [...nodeArgumentsOf.api, ...nodeArguments],
  });
  return { ...program, port: readPort(program.readyLine) };
}

/** Starts an exporter to the null store. `settings` override the defaults. */
export async function startExporter(
  { nodeArguments, store }: Rig,
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Program> {
  return startProgram({
    file: appFile('exporter/src/main.ts'),
    env: { DATABASE_URL: databaseUrl, METRICS_PORT: '0', ...storeEnvironment(store.endpoint), ...settings },
    ready: /"event":"exporter-running"/,
    nodeArguments: [...nodeArgumentsOf.exporter, ...nodeArguments],
  });
}

/** The environment variables that lead an exporter to the null store. */
export function storeEnvironment(endpoint: string): Record<string, string> {
  return {
    S3_ENDPOINT: endpoint,
    S3_BUCKET: 'bench',
    S3_REGION: 'us-east-1',
    S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: 'BENCH',
    AWS_SECRET_ACCESS_KEY: 'BENCHSECRET',
  };
}

function readPort(logLine: string): number {
  return (JSON.parse(logLine) as { port: number }).port;
}
