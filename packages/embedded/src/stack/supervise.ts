import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Reaper } from './start-reaper.ts';

/** A process to be kept running. */
export interface ServiceSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
  /** Sent to stop it gracefully. */
  readonly stopSignal: NodeJS.Signals;
  /** Resolves once the service does its work; tried again until then. */
  readonly isReady: () => Promise<boolean>;
}

export interface SuperviseEvents {
  /** Told of every process that starts and ends; cleans up after us. */
  readonly reaper?: Reaper;
  /** A line that a service wrote. */
  line(service: string, text: string): void;
  /** A service ended and is started again after `delayMs`. */
  restarting(service: string, how: string, delayMs: number): void;
  /** A service ended too often at once; `lastWords` are its last lines. Nothing is restarted any more. */
  gaveUp(service: string, how: string, lastWords: readonly string[]): void;
}

/** A service under supervision. */
export interface Service {
  /** Resolves when it does its work; rejects when it was given up first. */
  readonly ready: Promise<void>;
  /** Ends it, by force after `graceMs`; resolves when the process is gone. */
  stop(graceMs: number): Promise<void>;
}

const quickDeathMs = 10_000;
const quickDeathsMost = 5;
const lastWordsMost = 15;

/**
 * Starts a service and starts it again whenever it ends, waiting longer after each quick death. The child is a process
 * group of its own, so that Ctrl-C in a terminal reaches only us and the order of stopping is ours.
 */
export function supervise(spec: ServiceSpec, events: SuperviseEvents): Service {
  const lastWords: string[] = [];
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
      if (stream) createInterface(stream).on('line', hear);
    }
    started.once('error', (error) => hear(error.message));
    started.once('close', (code, signal) => {
      if (started.pid !== undefined) events.reaper?.ended(started.pid);
      ended(performance.now() - startedAt, signal ?? `exit code ${code}`);
    });
    void awaitReady(started);
  }

  function hear(text: string): void {
    lastWords.push(text);
    if (lastWords.length > lastWordsMost) lastWords.shift();
    events.line(spec.name, text);
  }

  function ended(livedMs: number, how: string): void {
    child = null;
    if (stopping) return;
    quickDeaths = livedMs < quickDeathMs ? quickDeaths + 1 : 1;
    if (quickDeaths >= quickDeathsMost) {
      stopping = true;
      ready.reject(new Error(`${spec.name} cannot live (${how}).`));
      events.gaveUp(spec.name, how, lastWords);
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
