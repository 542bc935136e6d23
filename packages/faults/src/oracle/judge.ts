import type { WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Fault } from '../faults/fault.ts';
import type { Scene } from '../scene/scene.ts';
import type { Sent } from '../scene/writer.ts';
import { type ArchivedEvent, openArchive } from './archive.ts';
import { checkReads } from './check-reads.ts';
import { findDisagreements } from './ledger.ts';

/** Result of a round. */
interface Verdict {
  /** Number of acknowledged events that are in no object. */
  readonly lost: number;
  /** Number of events in more than one object, or twice in one object. */
  readonly doubled: number;
  /** One sentence per broken promise, including lost and doubled events. */
  readonly problems: readonly string[];
}

/**
 * The events sent for a day with the results for the writer. `rejected` events must be in no object. Of `inserted` events only the
 * number of their copies is judged.
 */
interface RoundRecord {
  readonly day: string;
  readonly sent: ReadonlyMap<string, Sent>;
  readonly rejected: ReadonlySet<string>;
  readonly inserted: ReadonlySet<string>;
}

/** Judges a scene after each round. */
export interface Judge {
  judge(record: RoundRecord): Promise<Verdict>;
}

/**
 * Checks everything that is visible from outside: the responses to callers, the objects of the bucket, `GET /audit` and
 * the status view. It remembers all rounds of its scene, so it notices when something of an earlier round changes.
 */
export function createJudge(scene: Scene, fault: Fault): Judge {
  const overwrites = fault.overwrites === true;
  const archive = openArchive(scene.bucket, { isVersioned: scene.proxy === null });
  const sent = new Map<string, Sent>();
  const rejected = new Set<string>();
  const inserted = new Set<string>();
  const timesArchived = new Map<string, number>();
  /** Doubled events that an earlier round already reported. */
  const reported = new Set<string>();

  return {
    async judge(record) {
      for (const [id, event] of record.sent) sent.set(id, event);
      for (const id of record.rejected) rejected.add(id);
      for (const id of record.inserted) inserted.add(id);
      const { fresh, problems: changes } = await archive.refresh();
      const problems = [...changes];
      for (const { key, events, sha256, metadata } of fresh) {
        if (metadata.sha256 !== sha256) problems.push(`${key} does not match the hash in its metadata`);
        if (metadata.rows !== String(events.length))
          problems.push(`${key} holds ${events.length} rows, not ${metadata.rows}`);
        for (const event of events) {
          timesArchived.set(event.id, (timesArchived.get(event.id) ?? 0) + 1);
          if (!inserted.has(event.id)) problems.push(...compareToSent(event, key, sent.get(event.id)?.event));
        }
      }
      if (!overwrites) {
        for (const [path, times] of scene.proxy?.writes ?? []) {
          if (times > 1 && path.includes('.ndjson.')) problems.push(`${path} was written ${times} times`);
        }
      }
      const ids = [...record.sent];
      const lost = ids.filter(
        ([id, { outcome }]) => outcome === 'acknowledged' && !timesArchived.has(id) && !rejected.has(id),
      );
      const doubled = [...timesArchived].filter(([id, times]) => times > 1 && !reported.has(id));
      for (const [id] of doubled) reported.add(id);
      problems.push(
        ...lost.map(([id]) => `${id} is lost`),
        ...doubled.map(([id, times]) => `${id} is archived ${times} times`),
      );
      for (const id of rejected) if (timesArchived.has(id)) problems.push(`${id} is rejected and exported`);
      problems.push(
        ...(await findDisagreements(
          scene.cells.map(({ db }) => db),
          { archive, fresh, timesArchived, rejected },
        )),
      );
      problems.push(...(await checkReads(scene, record.day, { fresh, timesArchived, sent })));
      return { lost: lost.length, doubled: doubled.length, problems };
    },
  };
}

/** The archived line must equal the sent event and be filed under its hour. */
function compareToSent(archived: ArchivedEvent, key: string, sent: WireEvent | undefined): string[] {
  const { id, updated_at: at } = archived;
  if (!sent) return [`${key} holds ${id}, which was never sent`];
  const { updated_at: sentAt = '' } = sent;
  const problems: string[] = [];
  if (!key.includes(`dt=${sentAt.slice(0, 10)}/hour=${sentAt.slice(11, 13)}/`))
    problems.push(`${id} of ${sentAt} is filed under ${key}`);
  if (at !== sentAt) problems.push(`${id} was sent with the time ${sentAt} and archived with ${at}`);
  if (JSON.stringify(archived.updated_values) !== JSON.stringify(sent.updated_values))
    problems.push(`${id} was archived with other values`);
  return problems;
}
