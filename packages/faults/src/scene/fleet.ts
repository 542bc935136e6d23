import { fileURLToPath } from 'node:url';
import { type App, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';

/** A process of a fleet. */
interface Member {
  readonly app: App;
  /** Resolves to its port once it listens. */
  readonly port: Promise<number>;
  /** Whether a crash point is set for it. */
  readonly isArmed: boolean;
}

/** A fixed number of processes of one app. When one ends, another starts, as with a supervisor. */
export interface Fleet {
  readonly members: ReadonlySet<Member>;
  /** Number of processes that ended by SIGKILL, from this suite or at a crash point. */
  readonly kills: number;
  /** Number of processes that reached their crash point. */
  readonly struck: number;
  /** Number of processes that ended on their own, by exit code or signal. */
  readonly crashes: ReadonlyMap<number | string, number>;
  /** Starts the next `count` processes with these variables for the preload. */
  arm(variables: Readonly<Record<string, string>>, count: number): void;
  /** Resolves to an armed process once it has started. */
  armed(): Promise<Member>;
  /** Resolves when no armed process runs or is waiting to start. */
  disarmed(): Promise<void>;
  resize(count: number): void;
  /** Sends SIGKILL to all running processes. Others start in their place. */
  killAll(): Promise<void>;
  close(): Promise<void>;
}

export interface FleetPlan {
  readonly main: 'api/src/main.ts' | 'exporter/src/main.ts';
  readonly env: Readonly<Record<string, string>>;
  /** Resolves to the log line that names the port. */
  readonly listens: (app: App) => ReturnType<App['line']>;
  readonly count: number;
}

const resolveFile = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const preload = resolveFile('../preload.ts');
const restartDelayMs = 20;

export function startFleet({ main, env, listens, count }: FleetPlan): Fleet {
  const members = new Set<Member>();
  const crashes = new Map<number | string, number>();
  const armed: Readonly<Record<string, string>>[] = [];
  let closed = false;
  let wanted = count;
  let kills = 0;
  let struck = 0;
  let changed = Promise.withResolvers<void>();

  function start(): void {
    const variables = armed.shift();
    const args = ['--import', preload, resolveFile(`../../../../apps/${main}`)];
    const app = spawnProgram(process.execPath, args, { env: { ...env, ...variables } });
    const port = listens(app).then((line) => line.port as number);
    port.catch(() => {});
    const member: Member = { app, port, isArmed: variables !== undefined };
    members.add(member);
    signalChange();
    void app.ended.then((how) => {
      if (app.log.some(({ msg }) => msg === 'At the crash point.')) struck += 1;
      if (how === 'SIGKILL') kills += 1;
      // SIGTERM is not a crash: the process was stopped before it had a handler for it.
      else if (how !== 0 && how !== 'SIGTERM') crashes.set(how, (crashes.get(how) ?? 0) + 1);
      members.delete(member);
      setTimeout(fill, restartDelayMs);
      signalChange();
    });
  }

  function signalChange(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  function fill(): void {
    // A fault that timed out may still be active.
    if (closed) return;
    while (members.size < wanted) start();
  }

  const end = async (leaving: readonly Member[], signal: NodeJS.Signals) => {
    for (const { app } of leaving) app.signal(signal);
    await Promise.all(leaving.map(({ app }) => app.ended));
  };

  fill();
  return {
    members,
    crashes,
    get kills() {
      return kills;
    },
    get struck() {
      return struck;
    },
    arm(variables, times) {
      for (let left = times; left > 0; left -= 1) armed.push(variables);
    },
    async armed() {
      for (;;) {
        const member = [...members].find(({ isArmed }) => isArmed);
        if (member) return member;
        await changed.promise;
      }
    },
    async disarmed() {
      while (armed.length > 0 || [...members].some(({ isArmed }) => isArmed)) await changed.promise;
    },
    resize(next) {
      wanted = next;
      for (const { app } of [...members].slice(wanted)) app.signal('SIGTERM');
      fill();
    },
    killAll: () => end([...members], 'SIGKILL'),
    async close() {
      closed = true;
      // A process stopped with SIGSTOP reacts only to SIGKILL.
      await end([...members], 'SIGKILL');
    },
  };
}
