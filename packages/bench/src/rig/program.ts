import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readCpuMs } from './cpu-time.ts';

/** A process of the benchmark. */
export interface Program {
  /** Time of its ready line, in milliseconds since 1970. */
  readonly readyAt: number;
  /** The output line that matched `ready`. */
  readonly readyLine: string;
  /** Peak memory in bytes (Linux's VmHWM). Null on other systems. */
  peakMemory(): Promise<number | null>;
  /** Processor time since the ready line. Null on systems other than Linux. */
  cpuMs(): Promise<number | null>;
  /** Sends SIGTERM and waits for the end. Throws if the process had already ended. */
  stop(): Promise<void>;
}

export interface ProgramPlan {
  readonly file: URL;
  /** The complete environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Matches the output line that reports readiness. */
  readonly ready: RegExp;
  /** Options of Node. */
  readonly nodeArguments?: readonly string[];
}

const living = new Set<ChildProcess>();

/** Kills all running programs, so that a failed measurement leaves no process behind. */
export function killPrograms(): void {
  for (const child of living) child.kill('SIGKILL');
}

/** Starts a program and waits for its ready line. */
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
  const cpuAtStart = await readCpuMs(pid);
  return {
    readyAt: performance.timeOrigin + performance.now(),
    readyLine,
    peakMemory: () => readPeakMemory(pid),
    async cpuMs() {
      const cpu = await readCpuMs(pid);
      return cpu === null || cpuAtStart === null ? null : cpu - cpuAtStart;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) await ended;
      child.kill('SIGTERM');
      await ended.catch(() => {});
    },
  };
}

async function readPeakMemory(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
