import { randomUUID } from 'node:crypto';
import type { Destination, Row } from '@auditbox/destination-kit/destination.ts';
import type { ConfiguredDestination } from '../../destinations/configured/configured-destination.ts';
import { createFormatter } from '../../destinations/formats/format.ts';
import { readOutcome, readThrown } from '../../export/requests/read-outcome.ts';
import { type CommandResult, failure, success } from './result.ts';

type Made = readonly [ConfiguredDestination, Destination];

/** Asks receivers whether they work. */
export async function checkAll(made: readonly Made[], signal: AbortSignal): Promise<CommandResult> {
  const results = await Promise.all(
    made.map(async ([{ name, timeoutMs }, destination]) => {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const findings = await destination
        .check(bounded)
        .catch((error: unknown) => [{ says: readThrown(error).reason, stopsDelivery: true }]);
      return { name, works: findings.every(({ stopsDelivery }) => !stopsDelivery), findings };
    }),
  );
  const lines = results.flatMap(({ name, works, findings }) => [
    `${name}\t${works ? 'works' : 'does not work'}`,
    ...findings.map(({ says }) => `\t${says}`),
  ]);
  const ok = results.every(({ works }) => works);
  return { lines, json: { ok, destinations: results }, exitCode: ok ? 0 : 1 };
}

/** Sends one event that no table has. Its action is `test`. */
export async function sendTest(
  [{ name, selection, timeoutMs }, destination]: Made,
  signal: AbortSignal,
): Promise<CommandResult> {
  const row = testRow(new Date().toISOString().replace('Z', '000Z'));
  const line = createFormatter(selection.format, selection.omit)(row.line);
  const key = `${name}/test-${Date.now()}/0`;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const outcome = await destination
    .deliver({ key, batch: '0', rows: [{ ...row, line }] }, bounded)
    .then((returned) => readOutcome(returned, 1))
    .catch(readThrown);
  const json = { name, id: row.id, outcome };
  if (outcome.kind === 'taken') return success(`${name} has taken the test event ${row.id}.`, json);
  const reason = 'reason' in outcome ? `: ${outcome.reason}` : '.';
  return failure(`${name} has not taken the test event (${outcome.kind})${reason}`, json);
}

function testRow(now: string): Row {
  const id = randomUUID();
  const about = { action: 'test', tableName: 'auditbox', objectId: 'test', changedBy: 'auditbox' };
  const line = JSON.stringify({
    id,
    updated_at: now,
    changed_by: about.changedBy,
    changed_by_api_key: '',
    action: about.action,
    table_name: about.tableName,
    object_id: about.objectId,
    before_value: null,
    updated_values: { message: 'This event is a test. It is in no database.' },
    context: null,
    recorded_at: now,
    recorded_by: 'auditbox',
  });
  return { id, occurredAt: now, recordedAt: now, ...about, line };
}
