import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** An app, as a separate process. */
export interface App {
  readonly pid: number;
  readonly log: readonly LogLine[];
  readonly output: () => string;
  /** Resolves to the first log line, past or future, whose message matches. Rejects when the process ends first. */
  line(message: RegExp): Promise<LogLine>;
  /** The same for a log line with this `event`; `isMeant` narrows it. */
  event(name: string, isMeant?: (line: LogLine) => boolean): Promise<LogLine>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process has ended, to its exit code or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

export type AppName =
  | 'api/src/main.ts'
  | 'api/src/keys/main.ts'
  | 'exporter/src/main.ts'
  | 'exporter/src/destinations-main.ts'
  | 'exporter/src/status-main.ts';

/** Saves a third of the time that an app takes to start, which the tests do a thousand times. */
const compileCache = process.env.NODE_COMPILE_CACHE ?? join(tmpdir(), 'auditbox-compile-cache');

const apps = new Set<App>();

/** Starts an app with only the given environment. `nodeOptions` are for Node, `args` for the app. */
export function spawnApp(
  name: AppName | URL,
  env: Record<string, string>,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): App {
  const file = typeof name === 'string' ? new URL(`../../../../apps/${name}`, import.meta.url) : name;
  return spawnProgram(process.execPath, [...nodeOptions, fileURLToPath(file), ...args], { env });
}

/** Starts a program with the given environment, PATH and a cache of compiled modules. */
export function spawnProgram(
  program: string,
  args: readonly string[],
  { env, ...options }: { env: Record<string, string>; cwd?: string; uid?: number; gid?: number },
): App {
  const { PATH = '' } = process.env;
  const child = spawn(program, args, {
    ...options,
    env: { PATH, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: LogLine[] = [];
  let output = '';
  let listeners: (() => void)[] = [];
  const notify = () => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (text) => {
      output += `${text}\n`;
      const line = parseLine(text);
      if (line) log.push(line);
      notify();
    });
  }
  async function first(isMeant: (line: LogLine) => boolean, wanted: string): Promise<LogLine> {
    let over = false;
    void ended.then(() => {
      over = true;
      notify();
    });
    for (;;) {
      const found = log.find(isMeant);
      if (found) return found;
      if (over) throw new Error(`The process ended without ${wanted}:\n${output}`);
      await new Promise<void>((resolve) => {
        listeners = [...listeners, resolve];
      });
    }
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  const app: App = {
    pid: child.pid as number,
    log,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    ended,
    line: (message) => first(({ msg }) => message.test(msg), `a line like ${message}`),
    event: (name, isMeant = () => true) => first((line) => line.event === name && isMeant(line), `the event ${name}`),
  };
  apps.add(app);
  void ended.then(() => apps.delete(app));
  return app;
}

/** Null if the text is not a log line, or only a part of one because the process was killed while it wrote. */
function parseLine(text: string): LogLine | null {
  try {
    return text.startsWith('{') ? (JSON.parse(text) as LogLine) : null;
  } catch {
    return null;
  }
}

/** Ends every app that a test left running. Call it in afterEach. */
export async function endApps(): Promise<void> {
  for (const app of apps) app.signal('SIGKILL');
  await Promise.all([...apps].map(({ ended }) => ended));
}
