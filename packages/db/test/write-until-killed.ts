import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { writeAuditEvents } from '@auditbox/db/events/write-events.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import postgres from 'postgres';

/* Writes batches of 20 events, a line `written` for each. A separate process, because the driver may end it with the backend. */

for (;;) {
  const sql = postgres(process.env.DATABASE_URL ?? '', {
    max: 1,
    onnotice: () => {},
    fetch_types: false,
    connection: { application_name: 'victim' },
  });
  try {
    for (;;) {
      await writeAuditEvents(sql, someEvents(20).map(createAuditEvent));
      process.stdout.write('written\n');
    }
  } catch {
    await sql.end({ timeout: 0 });
  }
}
