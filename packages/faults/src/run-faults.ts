import { type OwnPostgres, type OwnPostgresOptions, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { serverClockEnvironment } from '@auditbox/testing/servers/server-clock.ts';
import { mountSmallDisk } from '@auditbox/testing/servers/small-disk.ts';
import { createTemplate } from '@auditbox/testing/servers/template-database.ts';
import { migrateWithRoles } from '@auditbox/testing/servers/test-roles.ts';
import type { Fault } from './faults/fault.ts';
import { createJudge } from './oracle/judge.ts';
import { playRound, type RoundResult } from './play-round.ts';
import type { Pace } from './scene/pace.ts';
import { openScene, type Scene, type Store } from './scene/scene.ts';

export interface RunPlan {
  readonly faults: readonly Fault[];
  /** Rounds per fault. A fault with a share plays that part of them, at least one. */
  readonly rounds: number;
  /** Play only this round of each fault. Null for all rounds. */
  readonly onlyRound: number | null;
  readonly seed: number;
  readonly pace: Pace;
  readonly holdMs: number;
  /** Number of events in the history that a new destination gets. */
  readonly historyRows: number;
  /** Number of scenes at the same time, each with its own Postgres. */
  readonly lanes: number;
  /** Number of databases behind the apis. 1 is one database, without cells. */
  readonly cells: number;
  readonly store: Store;
  readonly nodeVariables: Readonly<Record<string, string>>;
}

/** All rounds of a fault together. */
export interface FaultResult {
  readonly fault: Fault;
  readonly rounds: readonly RoundResult[];
  /** Number of killed processes. */
  readonly kills: number;
  /** Number of processes that ended on their own and were restarted, by exit code or signal. */
  readonly crashes: ReadonlyMap<number | string, number>;
  /** Why the fault could not be played. Null when it was played. */
  readonly notPlayed: string | null;
}

/** Called after each part. */
export type Progress = (part: FaultResult, firstRound: number) => void;

/** Rounds in one scene. Later rounds also check that nothing of earlier rounds changes. */
const roundsPerScene = 20;

/** A low limit, because some faults use all connections. */
const postgresSettings = ['max_connections=50'];

interface Part {
  readonly fault: Fault;
  readonly from: number;
  readonly to: number;
}

/**
 * Plays all faults and returns the results, one for each part. When `signal` aborts, it ends early and returns the results so
 * far.
 */
export async function runFaults(plan: RunPlan, progress: Progress, signal: AbortSignal): Promise<FaultResult[]> {
  const { onlyRound } = plan;
  const parts =
    onlyRound === null
      ? plan.faults.flatMap((fault) => splitIntoParts(fault, plan.rounds)).sort((a, b) => a.from - b.from)
      : plan.faults.map((fault) => ({ fault, from: onlyRound, to: onlyRound + 1 }));
  const results: FaultResult[] = [];
  const work = async () => {
    const servers: OwnPostgres[] = [];
    try {
      for (let cell = 0; cell < plan.cells; cell += 1) servers.push(await startServer());
      for (let part = parts.shift(); part !== undefined && !signal.aborted; part = parts.shift()) {
        const result = await playPart(plan, part, servers, signal).catch((error: unknown) => broken(part, error));
        progress(result, part.from);
        results.push(result);
      }
    } finally {
      await Promise.all(servers.map((server) => server.close()));
    }
  };
  // Wait for all lanes before an error is thrown, so that nothing is left running.
  const ends = await Promise.allSettled(Array.from({ length: Math.min(plan.lanes, parts.length) }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return results;
}

function splitIntoParts(fault: Fault, requested: number): Part[] {
  const rounds = Math.max(1, Math.round(requested * (fault.share ?? 1)));
  const parts: Part[] = [];
  for (let from = 0; from < rounds; from += roundsPerScene) {
    parts.push({ fault, from, to: Math.min(rounds, from + roundsPerScene) });
  }
  return parts;
}

async function startServer({ settings = [], ...options }: OwnPostgresOptions = {}): Promise<OwnPostgres> {
  const postgres = await startOwnPostgres({ ...options, settings: [...postgresSettings, ...settings] });
  await createTemplate(postgres.url, migrateWithRoles);
  return postgres;
}

async function playPart(
  plan: RunPlan,
  part: Part,
  servers: readonly OwnPostgres[],
  signal: AbortSignal,
): Promise<FaultResult> {
  const others = servers.slice(1);
  if (part.fault.needsServerClock) return playOnServerWithClock(others, plan, part, signal);
  if (!part.fault.needsSmallDisk) return playOn(servers, plan, part, signal);
  const disk = await mountSmallDisk();
  if (!disk) return notPlayed(part.fault, 'mounting a small disk needs root on Linux');
  try {
    const small = await startServer({
      parent: disk.folder,
      settings: ['max_wal_size=64MB', 'min_wal_size=32MB'],
    });
    return await playOn([small, ...others], plan, part, signal).finally(() => small.close());
  } finally {
    await disk.remove();
  }
}

async function playOnServerWithClock(
  others: readonly OwnPostgres[],
  plan: RunPlan,
  part: Part,
  signal: AbortSignal,
): Promise<FaultResult> {
  if (serverClockEnvironment('') === null)
    return notPlayed(part.fault, 'setting the clock of Postgres needs libfaketime, the package of Debian');
  const postgres = await startServer({ environment: (folder) => serverClockEnvironment(folder) ?? {} });
  return playOn([postgres, ...others], plan, part, signal).finally(() => postgres.close());
}

async function playOn(
  servers: readonly OwnPostgres[],
  plan: RunPlan,
  part: Part,
  signal: AbortSignal,
): Promise<FaultResult> {
  const { pace, store, seed, holdMs, historyRows, nodeVariables } = plan;
  const { fault } = part;
  if (fault.needsLies && !store.canLie) return notPlayed(fault, 'it needs the S3 proxy');
  const { settings = {}, destination = null } = fault;
  const scene = await openScene({ servers, store, pace, nodeVariables, settings, destination });
  try {
    await waitUntilReady(scene);
    const judge = createJudge(scene, fault);
    const rounds: RoundResult[] = [];
    for (let round = part.from; round < part.to && !signal.aborted; round += 1) {
      const result = await playRound(scene, judge, { fault, seed, round, holdMs, historyRows });
      rounds.push(result);
      if (!result.isOver) break;
    }
    const fleets = [scene.apis, ...scene.cells.map(({ exporters }) => exporters)];
    return {
      fault,
      rounds,
      kills: fleets.reduce((sum, { kills }) => sum + kills, 0),
      crashes: addUp(...fleets.map(({ crashes }) => crashes)),
      notPlayed: null,
    };
  } finally {
    await scene.close();
  }
}

async function waitUntilReady({ apis, cells }: Scene): Promise<void> {
  const members = [apis, ...cells.map(({ exporters }) => exporters)].flatMap((fleet) => [...fleet.members]);
  await Promise.all(members.map(({ port }) => port));
}

/** A part that failed counts as a broken round, so that the table still shows the other parts. */
function broken({ fault }: Part, error: unknown): FaultResult {
  const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const nothing = { events: 0, lost: 0, doubled: 0, nextDoneMs: null, allDoneMs: 0, silenceMs: 0, isOver: false };
  return { fault, rounds: [{ ...nothing, problems: [problem] }], kills: 0, crashes: new Map(), notPlayed: null };
}

function notPlayed(fault: Fault, why: string): FaultResult {
  return { fault, rounds: [], kills: 0, crashes: new Map(), notPlayed: why };
}

/** The sums of several counts. */
export function addUp(...counts: readonly ReadonlyMap<number | string, number>[]): Map<number | string, number> {
  const sum = new Map<number | string, number>();
  for (const count of counts) for (const [name, times] of count) sum.set(name, (sum.get(name) ?? 0) + times);
  return sum;
}
