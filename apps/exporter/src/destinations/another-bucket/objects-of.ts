import { hash } from 'node:crypto';
import type { DeliveryRequest, Row } from '@auditbox/destination-kit/destination.ts';

/** An object of a request. `sha256` is of its text. */
export interface CopiedObject {
  readonly key: string;
  readonly text: string;
  readonly isCompressed: boolean;
  readonly sha256: string;
  /** The rows of the request that are in it, by their index. */
  readonly first: number;
  readonly rows: number;
}

/**
 * The rows as NDJSON, an object for each hour of event time: a request may hold a whole day.
 * `<prefix>dt=2026-07-03/hour=11/114650_000000000042_00000000_0123456789ab.ndjson.gz`: time of day, batch, first row, and the
 * content's hash, so that other content never has this key.
 */
export function objectsByHour(prefix: string, { key, batch, rows }: DeliveryRequest): CopiedObject[] {
  // The key of a part has more behind its first row.
  const start = Number.parseInt(key.split('/').at(-1) ?? '', 10);
  const hours = Map.groupBy(rows.entries(), ([, row]) => row.occurredAt.slice(0, 13));
  return [...hours].map(([hour, entries]) => {
    const [first = 0, row] = entries[0] ?? [];
    const text = entries.map(([, { line }]) => `${line}\n`).join('');
    const sha256 = hash('sha256', text);
    const time = row?.occurredAt.slice(11, 19).replaceAll(':', '');
    const name = `${time}_${batch.padStart(12, '0')}_${String(start + first).padStart(8, '0')}_${sha256.slice(0, 12)}`;
    return {
      key: `${prefix}dt=${hour.slice(0, 10)}/hour=${hour.slice(11)}/${name}.ndjson.gz`,
      ...{ text, isCompressed: true, sha256, first, rows: entries.length },
    };
  });
}

/** Each row as an object, where LiteLLM's callback for S3 puts it, but by event time: `<prefix>2026-07-03/11-46-50_<id>.json`. */
export function objectOfEach(prefix: string, { rows }: DeliveryRequest): CopiedObject[] {
  return rows.map((row, first) => ({
    key: `${prefix}${nameByTime(row)}`,
    ...{ text: row.line, isCompressed: false, sha256: hash('sha256', row.line), first, rows: 1 },
  }));
}

function nameByTime({ occurredAt, id }: Row): string {
  return `${occurredAt.slice(0, 10)}/${occurredAt.slice(11, 19).replaceAll(':', '-')}_${id}.json`;
}
