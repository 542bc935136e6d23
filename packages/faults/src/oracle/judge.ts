import { partitionFolder } from '@auditbox/core/partition.ts';
import type { Scene } from '../scene/scene.ts';
import type { Said } from '../scene/writer.ts';
import { openArchive } from './archive.ts';
import { askApi } from './ask-api.ts';
import { findDisagreements } from './ledger.ts';

/** What came of a round. */
interface Verdict {
  /** Acknowledged, and in no object. */
  readonly lost: number;
  /** In more than one object, or twice in one. */
  readonly doubled: number;
  /** Everything that is not as promised, lost and doubled included, in sentences. */
  readonly problems: readonly string[];
}

/** What was said about the events of a day. `quarantined` ones must be in no object. */
interface RoundRecord {
  readonly day: string;
  readonly said: ReadonlyMap<string, Said>;
  readonly quarantined: ReadonlySet<string>;
}

/** Judges a scene after each round. */
export interface Judge {
  judge(record: RoundRecord): Promise<Verdict>;
}

/**
 * Reads what anybody could read from outside: what callers were told, the objects of the bucket, `GET /audit`, and the
 * status view. It remembers all rounds of its scene, so that nothing of an earlier one may change later.
 */
export function createJudge(scene: Scene): Judge {
  const archive = openArchive(scene.bucket);
  const said = new Map<string, Said>();
  const quarantined = new Set<string>();
  const timesArchived = new Map<string, number>();
  /** Doubled ones that an earlier round was told of. */
  const told = new Set<string>();

  return {
    async judge(record) {
      for (const [id, what] of record.said) said.set(id, what);
      for (const id of record.quarantined) quarantined.add(id);
      const { fresh, problems: changes } = await archive.look();
      const problems = [...changes];
      for (const { key, events, sha256, metadata } of fresh) {
        if (metadata.sha256 !== sha256) problems.push(`${key} holds other lines than its metadata say`);
        if (metadata.rows !== String(events.length))
          problems.push(`${key} holds ${events.length} rows, not ${metadata.rows}`);
        for (const { id, updated_at: at } of events) {
          timesArchived.set(id, (timesArchived.get(id) ?? 0) + 1);
          if (!said.has(id)) problems.push(`${key} holds ${id}, which nobody sent`);
          if (!key.includes(partitionFolder(at.slice(0, 13)))) problems.push(`${id} of ${at} lies in ${key}`);
        }
      }
      const ids = [...record.said];
      const lost = ids.filter(
        ([id, what]) => what === 'acknowledged' && !timesArchived.has(id) && !quarantined.has(id),
      );
      const doubled = [...timesArchived].filter(([id, times]) => times > 1 && !told.has(id));
      for (const [id] of doubled) told.add(id);
      problems.push(
        ...lost.map(([id]) => `${id} is lost`),
        ...doubled.map(([id, times]) => `${id} is in ${times} places`),
      );
      for (const id of quarantined) if (timesArchived.has(id)) problems.push(`${id} is quarantined and exported`);
      problems.push(...(await findDisagreements(scene.db, { archive, fresh, timesArchived, quarantined })));
      problems.push(...(await askApi(scene, record.day, { fresh, timesArchived, said })));
      return { lost: lost.length, doubled: doubled.length, problems };
    },
  };
}
