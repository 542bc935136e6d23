import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Reaper } from './start-reaper.ts';

/** A process that is kept running. */
export interface ServiceSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
  /** The signal for a graceful stop. */
  readonly stopSignal: NodeJS.Signals;
  /** Whether the service works now. Called until it does. */
  readonly isReady: () => Promise<boolean>;
  /** Whether a line of its log says nothing here. */
  readonly isNoise?: (text: string) => boolean;
}

export interface SuperviseEvents {
  /** Learns about every process that starts and ends, and ends the survivors if this process is killed. */
  readonly reaper?: Reaper;
  line(service: string, text: string): void;
  restarting(service: string, how: string, delayMs: number): void;
  /** A service ended too often soon after its start. It is not restarted any more. */
  gaveUp(service: string, how: string, lastLines: readonly string[]): void;
}

/** A service under supervision. */
export interface Service {
  /** Resolves when the service works. Rejects when it keeps ending instead. */
  readonly ready: Promise<void>;
  /** Stops the service, by SIGKILL after `graceMs`. Resolves when the process is gone. */
  stop(graceMs: number): Promise<void>;
}

const quickDeathMs = 10_000;
const maxQuickDeaths = 5;
const maxLastLines = 15;

/**
 * Starts a service and starts it again whenever it ends, after a longer wait for each quick death. The child has its own
 * process group. Ctrl-C in a terminal then reaches only this process, which stops the services in order.
 */
export function supervise(spec: ServiceSpec, events: SuperviseEvents): Service {
  const lastLines: string[] = [];
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  let child: ChildProcess | null = null;
  let restart: NodeJS.Timeout | undefined;
  let stopping = false;
  let quickDeaths = 0;

  function start(): void {
    const startedAt = performance.now();
    const started = spawn(spec.file, [...spec.args], {
      ...spec.options,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    child = started;
    if (started.pid !== undefined) events.reaper?.started(started.pid, spec.stopSignal);
    for (const stream of [started.stdout, started.stderr]) {
      if (stream) createInterface(stream).on('line', onLine);
    }
    started.once('error', (error) => onLine(error.message));
    started.once('close', (code, signal) => {
      if (started.pid !== undefined) events.reaper?.ended(started.pid);
      ended(performance.now() - startedAt, signal ?? `exit code ${code}`);
    });
    void awaitReady(started);
  }

  function onLine(text: string): void {
    lastLines.push(text);
    if (lastLines.length > maxLastLines) lastLines.shift();
    if (!spec.isNoise?.(text)) events.line(spec.name, text);
  }

  function ended(livedMs: number, how: string): void {
    child = null;
    if (stopping) return;
    quickDeaths = livedMs < quickDeathMs ? quickDeaths + 1 : 1;
    if (quickDeaths >= maxQuickDeaths) {
      stopping = true;
      ready.reject(new Error(`${spec.name} keeps ending (${how}).`));
      events.gaveUp(spec.name, how, lastLines);
      return;
    }
    const delayMs = 250 * 2 ** quickDeaths;
    events.restarting(spec.name, how, delayMs);
    restart = setTimeout(start, delayMs);
  }

  async function awaitReady(started: ChildProcess): Promise<void> {
    while (child === started && !stopping) {
      if (await spec.isReady().catch(() => false)) return ready.resolve();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  start();
  return {
    ready: ready.promise,
    async stop(graceMs) {
      stopping = true;
      ready.reject(new Error(`${spec.name} was stopped.`));
      clearTimeout(restart);
      const running = child;
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      const gone = once(running, 'close');
      running.kill(spec.stopSignal);
      const force = setTimeout(() => running.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(force);
    },
  };
}
