import { hash } from 'node:crypto';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import type { Redactor } from '@auditbox/core/redact/redact-event.ts';
import { finish } from '@auditbox/core/steps.ts';
import type { RequestHandler } from 'express';
import type { ApiParts } from '../parts.ts';
import { addressOf } from './address-of.ts';
import { type Caller, getCaller } from './caller.ts';
import { ownRecordedBy, requestTable } from './denials.ts';
import { routeTemplate } from './route-template.ts';

/** The pages of a feed are one event an hour: otherwise a poller would find its own reads for ever. */
const feedEventEveryMs = 3_600_000;
/** Only this route has feeds. Others may ignore its parameters, and a read of them would be hidden by one. */
const feedRoute = 'GET /audit';
const maxFeeds = 10_000;

/**
 * With AUDIT_READS: makes an audit event of each read and export. The event is on disk before the answer begins, so nothing
 * is read without it.
 */
export function recordReads({ coalescer, redactor }: Pick<ApiParts, 'coalescer' | 'redactor'>): RequestHandler {
  const feeds = new Map<string, number>();

  /** Whether this is a further page of a feed whose reading was recorded within the hour. */
  function isRecorded(caller: Caller, route: string, search: URLSearchParams): boolean {
    if (route !== feedRoute || !search.has('recorded_after')) return false;
    const filters = [...search].filter(([name]) => name !== 'cursor').sort();
    // A hash, because a query may be as long as a URL.
    const feed = hash('sha256', JSON.stringify([caller.id, filters]), 'base64');
    const now = performance.now();
    const last = feeds.get(feed);
    if (last !== undefined && now - last < feedEventEveryMs) return true;
    if (feeds.size >= maxFeeds) feeds.clear();
    feeds.set(feed, now);
    return false;
  }

  return async (request, response, next) => {
    const caller = getCaller(response);
    const route = `${request.method} ${routeTemplate(request)}`;
    const search = new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
    if (!isRecorded(caller, route, search)) {
      const event = createAuditEvent({
        changed_by: caller.name,
        changed_by_api_key: caller.id,
        action: 'read',
        table_name: requestTable,
        object_id: route,
        context: { path: request.path, query: printQuery(search, redactor), address: addressOf(request) },
        ...(caller.tenant.kind === 'one' && { tenant: caller.tenant.tenant }),
      });
      const { event: safe, redacted } =
        redactor === null ? { event, redacted: null } : finish(redactor.redactEvent(event));
      await coalescer.write({ ...safe, origin: { recordedBy: ownRecordedBy, contentHash: null, redacted } });
    }
    next();
  };
}

/** The query without secrets. They are looked for before the query is encoded, because an encoded one looks different. */
function printQuery(search: URLSearchParams, redactor: Redactor | null): string {
  if (redactor === null) return search.toString();
  const pairs = Array.from(search, ([name, value]): [string, string] => [
    redactor.redactText(name),
    redactor.redactText(value, name),
  ]);
  return new URLSearchParams(pairs).toString();
}
