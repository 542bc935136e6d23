import type { Checked, NewAuditEvent, Problem } from '@auditbox/core/event/audit-event.ts';
import { eventLine } from '@auditbox/db/events/event-line.ts';
import { identify, type TracedEvent } from '@auditbox/db/events/event-record.ts';
import { z } from 'zod';
import { auditEvent } from '../read/event-answer.ts';
import { hideSecretsOf } from '../redact/redact.ts';
import { prepareEvent, type WriteRequest } from './prepare-event.ts';

export const dryRun = z
  .enum(['true', 'false'], 'must be true or false')
  .optional()
  .describe('`true`: check the request and answer what would be stored, without secrets. Nothing is stored.');

/** The answer to a batch that stores nothing. */
export const dryBatch = z
  .strictObject({
    events: z.array(auditEvent.nullable()).describe('In the order of the request. Null for an event that is refused.'),
    errors: z.array(z.strictObject({ path: z.string(), message: z.string() })),
  })
  .meta({ id: 'DryBatch' });

/** An event as it would be stored, in its form on the wire. Its recorded time is that of this process. */
export function showEvent(event: TracedEvent): string {
  return eventLine(identify(event), { recordedAt: `${Date.now()}000` });
}

/** The answer to a batch of which nothing is stored. Works in small steps. */
export function* showBatch(given: readonly Checked<NewAuditEvent>[], write: WriteRequest): Generator<void, string> {
  const events: string[] = [];
  const errors: Problem[] = [];
  for (const [index, read] of given.entries()) {
    yield;
    const prepared = read.ok ? yield* prepareEvent(read.value, write, index) : null;
    events.push(prepared?.kind === 'ready' ? showEvent(prepared.event) : 'null');
    if (!read.ok) errors.push(...read.problems.slice(0, 1).map(hideSecretsOf));
    else if (prepared !== null && prepared.kind !== 'ready') {
      const [first] = prepared.problems;
      errors.push(hideSecretsOf({ path: `[${index}].${first?.path ?? ''}`, message: first?.message ?? 'is refused' }));
    }
  }
  return `{"events":[${events.join()}],"errors":${JSON.stringify(errors)}}`;
}
