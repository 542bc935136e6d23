import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { sendDemo } from '../demo/send-demo.ts';
import { clusterUrl, initCluster } from '../postgres/cluster.ts';
import { createPostgresRunner, type PostgresRunner } from '../postgres/runner.ts';
import { buildPage } from './build-page.ts';
import { checkSettings } from './check-settings.ts';
import { writeEnvironmentFile } from './environment-file.ts';
import { lockFolder } from './lock.ts';
import { keepLogKey } from './log-key.ts';
import { makeHome } from './make-home.ts';
import { type ReservedPort, reservePort } from './reserve-port.ts';
import { resetFolder } from './reset.ts';
import { keepSecret } from './secrets.ts';
import {
  apiService,
  exporterService,
  listIgnored,
  type MasterKey,
  postgresService,
  type StackPlan,
  s3Service,
} from './services.ts';
import { startReaper } from './start-reaper.ts';
import { type Service, type ServiceSpec, supervise } from './supervise.ts';
import type { Started } from './welcome.ts';

export interface StackOptions {
  /** The folder of all data. */
  readonly home: string;
  /** Whether the other commands look there without being told. */
  readonly isDefaultHome: boolean;
  /** The settings of the environment that the stack decides by. Null was not set. */
  readonly given: GivenSettings;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether to store a week of example events. */
  readonly demo: boolean;
  /** Whether to delete the data of an earlier start. */
  readonly reset: boolean;
  /** What is shown once everything works. */
  readonly welcome: (plan: StackPlan, started: Started) => string;
  /** Shows a line of a service or of the stack itself. */
  readonly showLine: (service: string, text: string) => void;
  /** Called when a service ended too often and is not restarted any more. */
  readonly onGivenUp: () => void;
}

interface GivenSettings {
  readonly apiPort: number | null;
  readonly exporterPort: number | null;
  readonly masterKey: string | null;
}

/** The whole system, as child processes. */
export interface Stack {
  /** Resolves to the welcome text once everything works. Rejects when a part cannot start or the stack is stopped first. */
  start(): Promise<string>;
  /** Ends everything in the reverse order of starting, so that no process loses a server that it still needs. */
  stop(): Promise<void>;
}

/** Below the ports that a system gives to connections, which could take one before its server listens on it. */
export const preferredPorts = { api: 4_000, exporter: 9_464, postgres: 25_432, s3: 4_566 } as const;

const stopGraceMs = 15_000;

export function createStack(options: StackOptions): Stack {
  const { home, showLine } = options;
  const services: Service[] = [];
  const cleanups: (() => Promise<unknown>)[] = [];
  const stopping = new AbortController();
  const say = (text: string) => showLine('start', text);
  let starting: Promise<string> | null = null;
  let reaper: ReturnType<typeof startReaper>;
  let ports: Ports;
  let hasBegun = false;

  async function run(spec: ServiceSpec, port: ReservedPort): Promise<void> {
    await port.handOver();
    stopping.signal.throwIfAborted();
    const service = supervise(spec, {
      reaper,
      line: showLine,
      restarting: (name, how, delayMs) => say(`${name} ended (${how}). It is started again in ${delayMs} ms.`),
      gaveUp: (name, how, lastLines) => {
        say(`${name} keeps ending (${how}). Its last lines:`);
        for (const line of lastLines) showLine(name, line);
        options.onGivenUp();
      },
    });
    services.push(service);
    return service.ready;
  }

  async function start(): Promise<string> {
    const startedAt = performance.now();
    await makeHome(home);
    const lock = await lockFolder(join(home, 'pid'));
    cleanups.push(lock.release);
    reaper = startReaper();
    const runner = await createPostgresRunner(home);
    cleanups.push(runner.dispose);
    ports = await reservePorts(options.given, cleanups);
    if (options.reset) {
      await checkBeforeReset(options, ports);
      await resetFolder(home);
    }
    const plan = await makePlan(options, ports);
    checkSettings(plan);
    const ignored = listIgnored(options.environment);
    if (ignored.length > 0) say(`Ignored, because this start has its own database and store: ${ignored.join(', ')}.`);
    hasBegun = true;
    say('Starting Postgres and the object store.');
    const page = buildPage(stopping.signal);
    cleanups.push(await writeEnvironmentFile(home, plan));
    await startStores(runner, plan);
    await migrate(clusterUrl(plan.cluster), stopping.signal);
    const problem = await page;
    if (problem !== null) say(problem);
    say('Starting the api and the exporter.');
    await Promise.all([run(apiService(plan), ports.api), run(exporterService(plan), ports.exporter)]);
    if (options.demo) {
      const { created } = await sendDemo(`http://127.0.0.1:${plan.apiPort}`, plan.masterKey.value);
      say(`Stored ${created} example events of the last week. Each has "demo": true in its context.`);
    }
    return options.welcome(plan, {
      home,
      isDefaultHome: options.isDefaultHome,
      readyMs: performance.now() - startedAt,
    });
  }

  async function startStores(runner: PostgresRunner, plan: StackPlan): Promise<void> {
    await initCluster(runner, plan.cluster, stopping.signal);
    await Promise.all([run(postgresService(runner, plan), ports.postgres), run(s3Service(plan), ports.s3)]);
  }

  return {
    start() {
      starting = start();
      return starting;
    },
    async stop() {
      stopping.abort(new Error('Stopped before everything had started.'));
      if (hasBegun) say('Stopping.');
      // start() may still be running. It fails at the next service that it starts, so stop the services that it started.
      for (let service = services.pop(); service; service = services.pop()) await service.stop(stopGraceMs);
      await starting?.catch(() => {});
      for (let service = services.pop(); service; service = services.pop()) await service.stop(stopGraceMs);
      for (const cleanup of cleanups.reverse()) await cleanup();
      if (hasBegun) say('Everything has stopped.');
    },
  };
}

type Ports = Readonly<Record<'postgres' | 's3' | 'api' | 'exporter', ReservedPort>>;

/** Those that are reserved are released by `cleanups`, also when a later one is taken. */
async function reservePorts(
  { apiPort, exporterPort }: GivenSettings,
  cleanups: (() => Promise<unknown>)[],
): Promise<Ports> {
  const reserve = async (preferred: number, demandedBy: string | null = null) => {
    const port = await reservePort(preferred, demandedBy);
    cleanups.push(port.release);
    return port;
  };
  return {
    api: await reserve(apiPort ?? preferredPorts.api, apiPort === null ? null : 'PORT'),
    exporter: await reserve(exporterPort ?? preferredPorts.exporter, exporterPort === null ? null : 'METRICS_PORT'),
    postgres: await reserve(preferredPorts.postgres),
    s3: await reserve(preferredPorts.s3),
  };
}

async function keepMasterKey(home: string, given: string | null): Promise<MasterKey> {
  if (given !== null) return { value: given, source: 'given' };
  const { value, isNew } = await keepSecret(join(home, 'master-key'), 'ab_', 43);
  return { value, source: isNew ? 'new' : 'kept' };
}

async function makePlan({ home, environment, given }: StackOptions, ports: Ports): Promise<StackPlan> {
  const password = (await keepSecret(join(home, 'postgres-secret'), '')).value;
  return {
    cluster: { folder: join(home, 'postgres'), port: ports.postgres.port, password },
    s3: { port: ports.s3.port, folder: join(home, 's3'), bucket: 'auditbox' },
    apiPort: ports.api.port,
    exporterPort: ports.exporter.port,
    masterKey: await keepMasterKey(home, given.masterKey),
    log: await keepLogKey(home),
    environment,
  };
}

/**
 * Throws while a setting is wrong, so that a start that fails deletes nothing. The keys of the plan are made for this check, because
 * a reset also replaces keys that are damaged.
 */
async function checkBeforeReset(options: StackOptions, ports: Ports): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'auditbox-check-'));
  try {
    checkSettings(await makePlan({ ...options, home }, ports));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Tries again, because Postgres accepts connections a moment before it serves them. */
async function migrate(url: string, signal: AbortSignal): Promise<void> {
  for (let triesLeft = 50; ; triesLeft -= 1) {
    try {
      return await migrateDatabase(url);
    } catch (error) {
      signal.throwIfAborted();
      const databaseError = toDatabaseError(error);
      if (triesLeft === 0 || !databaseError?.retry) throw databaseError ? new Error(databaseError.sentence) : error;
      await sleep(200, signal);
    }
  }
}
