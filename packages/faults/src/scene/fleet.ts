import { fileURLToPath } from 'node:url';
import { type App, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';

/** A process of a fleet. */
interface Member {
  readonly app: App;
  /** Where it listens, once it does. */
  readonly port: Promise<number>;
  /** Whether it was started to die or stop at a crash point. */
  readonly isArmed: boolean;
}

/** Processes of one app, kept at a number: whatever ends one, another starts, as a supervisor would do. */
export interface Fleet {
  readonly members: ReadonlySet<Member>;
  /** How many ended by SIGKILL, sent by us or at a crash point. */
  readonly kills: number;
  /** How many came to the crash point that they were armed for. */
  readonly struck: number;
  /** How many ended by themselves, by exit code or signal. */
  readonly crashes: ReadonlyMap<number | string, number>;
  /** The next `count` processes are started with these variables for the preload. */
  arm(variables: Readonly<Record<string, string>>, count: number): void;
  /** Resolves to one that was armed, once it is started. */
  armed(): Promise<Member>;
  /** Resolves when none that was armed lives or is still to be started. */
  disarmed(): Promise<void>;
  resize(count: number): void;
  /** SIGKILL to all that run; others start in their place. */
  killAll(): Promise<void>;
  close(): Promise<void>;
}

export interface FleetPlan {
  readonly main: 'api/src/main.ts' | 'exporter/src/main.ts';
  readonly env: Readonly<Record<string, string>>;
  /** The log line that names the port. */
  readonly listens: RegExp;
  readonly count: number;
}

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const preload = fileOf('../preload.ts');
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
    const args = ['--import', preload, fileOf(`../../../../apps/${main}`)];
    const app = spawnProgram(process.execPath, args, { env: { ...env, ...variables } });
    const port = app.line(listens).then((line) => line.port as number);
    port.catch(() => {});
    const member: Member = { app, port, isArmed: variables !== undefined };
    members.add(member);
    tellChange();
    void app.ended.then((how) => {
      if (app.log.some(({ msg }) => msg === 'At the crash point.')) struck += 1;
      if (how === 'SIGKILL') kills += 1;
      // One that was told to stop before it could listen for it.
      else if (how !== 0 && how !== 'SIGTERM') crashes.set(how, (crashes.get(how) ?? 0) + 1);
      members.delete(member);
      setTimeout(fill, restartDelayMs);
      tellChange();
    });
  }

  function tellChange(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  function fill(): void {
    // A fault that was given up may still be at work.
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
      // A stopped process hears nothing else.
      await end([...members], 'SIGKILL');
    },
  };
}
