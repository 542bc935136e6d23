import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cpuMsOf } from './cpu-time.ts';

/** A process that is measured or measures. */
export interface Program {
  /** When it said that it is ready, in milliseconds since 1970. */
  readonly readyAt: number;
  /** The line with which it said so. */
  readonly readyLine: string;
  /** Bytes of memory at its highest (Linux's VmHWM); null where the system does not tell. */
  peakMemory(): Promise<number | null>;
  /** Processor time that it took since it was ready; null where the system does not tell. */
  cpuMs(): Promise<number | null>;
  /** SIGTERM, then its end. Throws if it ended by itself before, or badly. */
  stop(): Promise<void>;
}

export interface ProgramPlan {
  readonly file: URL;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What the line looks like that says it is ready. */
  readonly ready: RegExp;
  /** For Node itself. */
  readonly nodeArguments?: readonly string[];
}

const living = new Set<ChildProcess>();

/** Ends at once what still runs, so that a measurement that failed leaves nothing behind. */
export function killPrograms(): void {
  for (const child of living) child.kill('SIGKILL');
}

/** Resolves once the program says that it is ready. */
export async function startProgram({ file, env, ready, nodeArguments = [] }: ProgramPlan): Promise<Program> {
  const child = spawn(process.execPath, [...nodeArguments, fileURLToPath(file)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  living.add(child);
  const lines: string[] = [];
  const { promise: said, resolve } = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      if (lines.push(line) > 50) lines.shift();
      if (ready.test(line)) resolve(line);
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    living.delete(child);
    throw new Error(`${fileURLToPath(file)} ended (${code ?? signal}):\n${lines.join('\n')}`);
  });
  ended.catch(() => {});
  const readyLine = await Promise.race([said, ended]);
  const pid = child.pid as number;
  const cpuAtStart = await cpuMsOf(pid);
  return {
    readyAt: performance.timeOrigin + performance.now(),
    readyLine,
    peakMemory: () => peakMemoryOf(pid),
    async cpuMs() {
      const cpu = await cpuMsOf(pid);
      return cpu === null || cpuAtStart === null ? null : cpu - cpuAtStart;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) await ended;
      child.kill('SIGTERM');
      await ended.catch(() => {});
    },
  };
}

async function peakMemoryOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
