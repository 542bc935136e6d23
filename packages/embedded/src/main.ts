import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { migrateDatabase } from '@auditbox/db/migrate.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { clusterUrl, findRunningServer, initCluster } from './postgres/cluster.ts';
import { createPostgresRunner } from './postgres/runner.ts';
import { findFreePort } from './stack/free-port.ts';
import { keepSecret } from './stack/secrets.ts';
import { apiService, exporterService, postgresService, type StackPlan, s3Service } from './stack/services.ts';
import { createLinePrinter } from './stack/show-line.ts';
import { type Service, type ServiceSpec, supervise } from './stack/supervise.ts';
import { welcomeText } from './stack/welcome.ts';

/*
 * `npm start`: the whole system on this machine with nothing else installed. Postgres, the object store, the api and
 * the exporter are processes of their own; this one starts, watches and stops them.
 */

const root = resolve(import.meta.dirname, '../../..');
const home = join(root, '.auditbox');
const startedAt = performance.now();
const showLine = createLinePrinter((text) => void process.stdout.write(text), process.stdout.isTTY);
const say = (text: string) => showLine('start', text);
const services: Service[] = [];
let exiting = false;

process.on('SIGINT', () => void exit(0));
process.on('SIGTERM', () => void exit(0));
if (process.env.npm_lifecycle_event) stopWithParent(process.ppid);

const postgresFolder = join(home, 'postgres');
await mkdir(home, { recursive: true });
const leftOver = await findRunningServer(postgresFolder);
if (leftOver !== null) await stopLeftOver(leftOver);
const runner = await createPostgresRunner(home);

try {
  const keyFile = join(home, 'master-key');
  const key = await keepSecret(keyFile, 'ab_');
  const plan: StackPlan = {
    cluster: {
      folder: postgresFolder,
      port: await findFreePort(54_329),
      password: (await keepSecret(join(home, 'postgres-secret'), '')).value,
    },
    s3: { port: await findFreePort(4_566), folder: join(home, 's3'), bucket: 'auditbox' },
    apiPort: await findFreePort(Number(process.env.PORT) || 4_000),
    exporterPort: await findFreePort(9_464),
    masterKey: key.value,
    environment: process.env,
  };
  say('Starting Postgres and the object store.');
  await initCluster(runner, plan.cluster);
  await Promise.all([start(postgresService(runner, plan)), start(s3Service(plan))]);
  await migrate(clusterUrl(plan.cluster));
  say('Starting the api and the exporter.');
  await Promise.all([start(apiService(plan)), start(exporterService(plan))]);
  const welcome = welcomeText({
    apiUrl: `http://127.0.0.1:${plan.apiPort}`,
    exporterUrl: `http://127.0.0.1:${plan.exporterPort}`,
    databaseUrl: clusterUrl(plan.cluster),
    keyFile,
    newKey: key.isNew ? key.value : null,
    objectsFolder: join(plan.s3.folder, 'buckets', plan.s3.bucket, 'objects'),
    readyMs: performance.now() - startedAt,
  });
  process.stdout.write(welcome);
} catch (error) {
  if (!exiting) say(error instanceof Error ? error.message : String(error));
  await exit(1);
}

function start(spec: ServiceSpec): Promise<void> {
  const service = supervise(spec, {
    line: showLine,
    restarting: (name, how, delayMs) => say(`${name} ended (${how}); starting it again in ${delayMs} ms.`),
    gaveUp: (name, how, lastWords) => {
      say(`${name} cannot live (${how}). Its last words:`);
      for (const words of lastWords) showLine(name, words);
      void exit(1);
    },
  });
  services.push(service);
  return service.ready;
}

/** npm that is killed takes nobody with it; then we have another parent, and nobody is left to stop us. */
function stopWithParent(parent: number): void {
  setInterval(() => void (process.ppid === parent || exit(1)), 500).unref();
}

/** Postgres accepts connections a moment before it serves them. */
async function migrate(url: string): Promise<void> {
  for (let triesLeft = 50; ; triesLeft -= 1) {
    try {
      return await migrateDatabase(url);
    } catch (error) {
      if (triesLeft === 0 || exiting) throw error;
      await sleep(200, AbortSignal.timeout(1_000));
    }
  }
}

/** Stops everything in the reverse order of starting: nobody loses what he depends on before he is done. */
async function exit(code: number): Promise<void> {
  if (exiting) return;
  exiting = true;
  say('Stopping.');
  for (const service of services.splice(0).reverse()) await service.stop(15_000);
  await runner.dispose();
  say('Everything has stopped.');
  process.exit(code);
}

async function stopLeftOver(pid: number): Promise<void> {
  say(`A Postgres of an earlier start still runs on these files (process ${pid}); stopping it.`);
  process.kill(pid, 'SIGINT');
  for (let triesLeft = 100; triesLeft > 0 && (await findRunningServer(postgresFolder)) !== null; triesLeft -= 1) {
    await sleep(100, AbortSignal.timeout(1_000));
  }
}
