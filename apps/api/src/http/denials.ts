import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import type { EventStore } from '../write/event-store.ts';

/** A request that auth did not let pass. */
export interface Denial {
  readonly reason: 'no key' | 'unknown key' | 'wrong token' | 'no scope' | 'address' | 'bounds';
  /** `GET /audit`, with the template of the route. */
  readonly route: string;
  readonly address: string;
  /** The id and name of the key, if it is known. */
  readonly key: { readonly id: string; readonly name: string } | null;
  readonly tenant: string;
}

/** Makes audit events of denied requests: one a minute for the same caller, route and reason. */
export interface Denials {
  note(denial: Denial): void;
  /** Stores what was noted. Never throws. */
  flush(): Promise<void>;
  stop(): void;
}

const everyMs = 60_000;
/** Denials of more callers within a minute are counted together. */
const maxKinds = 100;

/** Who writes the events that the api makes itself. */
export const ownRecordedBy = 'api';

/**
 * The table name of events about requests. The schema may have another name: this is the name of the product, as in the function
 * `own_table`.
 */
export const requestTable = 'auditbox.request';

interface Counted {
  readonly denial: Denial;
  readonly firstAt: string;
  count: number;
}

export function createDenials({ storeAll }: Pick<EventStore, 'storeAll'>, onError: (error: unknown) => void): Denials {
  let counted = new Map<string, Counted>();

  async function flush(): Promise<void> {
    if (counted.size === 0) return;
    const events = Array.from(counted.values(), toEvent);
    counted = new Map();
    await storeAll(events).catch(onError);
  }

  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();
  return {
    note(given) {
      const isFull = counted.size >= maxKinds;
      const wanted = nameOf(given);
      const denial =
        isFull && !counted.has(wanted) ? { ...given, address: 'others', route: 'any', key: null, tenant: '' } : given;
      const kind = nameOf(denial);
      const before = counted.get(kind);
      if (before) before.count += 1;
      else counted.set(kind, { denial, firstAt: new Date().toISOString(), count: 1 });
    },
    flush,
    stop: () => clearInterval(timer),
  };
}

function nameOf({ reason, route, address, key, tenant }: Denial): string {
  return JSON.stringify([reason, route, key === null ? address : key.id, tenant]);
}

function toEvent({ denial, firstAt, count }: Counted) {
  const { reason, route, address, key, tenant } = denial;
  const event = createAuditEvent({
    changed_by: key?.name ?? 'anonymous',
    changed_by_api_key: key?.id ?? '',
    action: 'denied',
    table_name: requestTable,
    object_id: route,
    context: { reason, count, first_at: firstAt, address },
    tenant,
  });
  return { ...event, origin: { recordedBy: ownRecordedBy, contentHash: null, redacted: null } };
}
