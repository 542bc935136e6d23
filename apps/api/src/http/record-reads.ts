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

/** What is polled is one event an hour: otherwise the poller of a feed would find its own reads for ever. */
const polledEveryMs = 3_600_000;
/** Only this route has feeds. Others may ignore its parameters, and a read of them would be hidden by one. */
const feedRoute = 'GET /audit';
const maxPolled = 10_000;

/**
 * With AUDIT_READS: makes an audit event of each read and export of a route. The event is on disk before the answer begins, so
 * nothing is read without it.
 */
export function recordReads(
  access: 'audit:read' | 'export:read',
  { coalescer, redactor }: Pick<ApiParts, 'coalescer' | 'redactor'>,
): RequestHandler {
  const polled = new Map<string, number>();

  /** What is asked by a page of a feed, or about the export; null for other reads. A hash, because a query may be as long as a URL. */
  function findPolled(caller: Caller, route: string, search: URLSearchParams): string | null {
    const isFeed = route === feedRoute && search.has('recorded_after');
    if (!isFeed && access === 'audit:read') return null;
    const filters = [...search].filter(([name]) => name !== 'cursor').sort();
    // A person may have tokens of several tenants, and each tenant has its events.
    return hash('sha256', JSON.stringify([caller.id, caller.tenant, filters]), 'base64');
  }

  function isRecorded(question: string): boolean {
    return performance.now() - (polled.get(question) ?? Number.NEGATIVE_INFINITY) < polledEveryMs;
  }

  /** After the event is stored: a read whose event failed is not recorded. */
  function noteRecorded(question: string): void {
    if (polled.size >= maxPolled) polled.clear();
    polled.set(question, performance.now());
  }

  return async (request, response, next) => {
    const caller = getCaller(response);
    const route = `${request.method} ${routeTemplate(request)}`;
    const search = new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
    const question = findPolled(caller, route, search);
    if (question === null || !isRecorded(question)) {
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
      if (question !== null) noteRecorded(question);
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
