import type { Aftermath, Fault } from './faults/fault.ts';
import type { Judge } from './oracle/judge.ts';
import { createRandom } from './random.ts';
import { comeToRest } from './scene/come-to-rest.ts';
import { patienceMs as patienceOf } from './scene/pace.ts';
import type { Scene } from './scene/scene.ts';
import { startWriter } from './scene/writer.ts';

/** What came of one round. */
export interface RoundResult {
  /** Acknowledged events. */
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  readonly problems: readonly string[];
  /** From the end of the fault, a kill for one, to the next batch that was done. Null if none was left to do. */
  readonly nextDoneMs: number | null;
  /** From the end of the fault until everything acknowledged was in the bucket. */
  readonly allDoneMs: number;
  /** The longest time in which no event was acknowledged. */
  readonly silenceMs: number;
  /** False when the fault may still be going on: nothing more can be played in this scene. */
  readonly isOver: boolean;
}

export interface RoundPlan {
  readonly fault: Fault;
  readonly seed: number;
  /** Counted from 0. With seed and fault it decides all that is drawn. */
  readonly round: number;
  readonly holdMs: number;
}

const dayMs = 86_400_000;

/** Writes, lets a fault happen meanwhile, waits until all is at rest, and judges. */
export async function playRound(scene: Scene, judge: Judge, plan: RoundPlan): Promise<RoundResult> {
  const { fault, seed, round, holdMs } = plan;
  const randomFor = (what: string) => createRandom(seed, `${fault.name} ${round} ${what}`);
  const day = new Date(Date.UTC(2020, 0, 1) + round * dayMs).toISOString().slice(0, 10);
  const writer = startWriter(scene.apis, { day, valueBytes: fault.valueBytes }, [
    randomFor('first caller'),
    randomFor('second caller'),
  ]);
  const patienceMs = patienceOf[scene.pace] + holdMs;
  const problems: string[] = [];
  let isOver = true;
  let recoveryFrom: number | null = null;
  let aftermath: Aftermath = { sent: [], quarantined: new Set() };
  try {
    const recoveryBegins = () => {
      recoveryFrom = Date.now();
    };
    const testify = (told: Aftermath) => {
      aftermath = told;
    };
    const random = randomFor('fault');
    await withPatience(fault.strike({ scene, writer, day, random, holdMs, recoveryBegins, testify }), patienceMs);
    recoveryFrom ??= Date.now();
    // Life goes on after the fault.
    await withPatience(writer.acknowledged(1), patienceMs);
  } catch (error) {
    isOver = false;
    problems.push(inWords(error));
  }
  await writer.stop();
  await comeToRest(scene).catch((error: unknown) => problems.push(inWords(error)));
  problems.push(...writer.wrongAnswers);
  const sent = new Map(writer.sent);
  for (const event of aftermath.sent) sent.set(event.id, { event, said: 'acknowledged' });
  const verdict = await judge.judge({ day, sent, quarantined: aftermath.quarantined }).catch((error: unknown) => ({
    lost: 0,
    doubled: 0,
    problems: [`It could not be judged: ${inWords(error)}`],
  }));
  return {
    events: [...sent.values()].filter(({ said }) => said === 'acknowledged').length,
    lost: verdict.lost,
    doubled: verdict.doubled,
    problems: [...problems, ...verdict.problems],
    silenceMs: writer.longestSilenceMs,
    isOver,
    ...(await recovery(scene, recoveryFrom ?? Date.now())),
  };
}

function inWords(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function withPatience<T>(work: Promise<T>, patienceMs: number): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`The fault was not over after ${patienceMs} ms.`)), patienceMs);
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}

async function recovery({ db }: Scene, from: number): Promise<{ nextDoneMs: number | null; allDoneMs: number }> {
  const [row] = await db.sql<{ next: number | null; last: number | null }[]>`
    select (extract(epoch from min(exported_at)) * 1000)::float8 as next,
      (extract(epoch from max(exported_at)) * 1000)::float8 as last
    from export_batch where exported_at >= to_timestamp(${from / 1000}::float8)`;
  const { next = null, last = null } = row ?? {};
  return { nextDoneMs: next === null ? null : next - from, allDoneMs: last === null ? 0 : last - from };
}
