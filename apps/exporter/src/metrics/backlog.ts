import type { Database } from '@auditbox/db/database/connect.ts';
import { findPendingRows, findUnfinishedDeliveries, sumUnexported } from '@auditbox/db/observe/backlog.ts';
import type { Question } from '@auditbox/process/metrics/database-gauges.ts';
import { Gauge } from 'prom-client';

/** How far behind the export is. */
export function measureBacklog(db: Database): Question {
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge<Label>({ name, help, labelNames, registers: [] });
  const scope = 'Of the whole database, the same from every exporter.';
  const jumped = 'A row that was recorded ahead of the clock counts by how far it is ahead.';
  const pendingRows = gauge(
    'auditbox_outbox_pending_rows',
    `Outbox rows in no batch yet. Counted up to 10000; above that, an estimate from ids. ${scope}`,
  );
  const oldestPending = gauge(
    'auditbox_outbox_oldest_pending_age_seconds',
    `How long the oldest row that is in no batch yet has waited since the database recorded its event; 0 without such a row. ${jumped} ${scope}`,
  );
  const oldestUnexported = gauge(
    'auditbox_outbox_oldest_unexported_age_seconds',
    `How long the oldest row that is pending, or in a sealed or sending delivery, has waited since the database recorded its event; 0 without such a row. ${jumped} ${scope}`,
  );
  const unexportedRows = gauge(
    'auditbox_destination_unexported_rows',
    `Recorded rows that are not at the destination: pending, sealed, sending, failed or rejected. At least 1 while a history is added. Never 0 while anything is missing there. ${scope}`,
    ['destination'],
  );
  const unexportedAge = gauge(
    'auditbox_destination_oldest_unexported_age_seconds',
    `How long the oldest row that is not at the destination has waited since the database recorded its event, failed and rejected rows included; 0 when everything is there. ${jumped} ${scope}`,
    ['destination'],
  );
  const clockWentBack = gauge(
    'auditbox_database_clock_went_back',
    `1 while a pending row was recorded more than a minute ahead of the database's clock, else 0. ${scope}`,
  );
  const deliveries = gauge(
    'auditbox_deliveries',
    `Deliveries that are not done, by destination and state, up to 100000. ${scope}`,
    ['destination', 'state'],
  );
  const deliveryRows = gauge(
    'auditbox_delivery_rows',
    `Rows of the deliveries that are not done, by destination and state. ${scope}`,
    ['destination', 'state'],
  );
  const oldestDelivery = gauge(
    'auditbox_delivery_oldest_age_seconds',
    `How long the oldest row in a sealed or sending delivery has waited, by destination. ${jumped} ${scope}`,
    ['destination'],
  );
  const rejectedRows = gauge(
    'auditbox_rejected_rows',
    `Rejected rows that wait for a person, by destination, up to 100000. ${scope}`,
    ['destination'],
  );
  const paused = gauge('auditbox_destination_paused', `1 while the destination is paused, else 0. ${scope}`, [
    'destination',
  ]);

  return {
    gauges: [
      pendingRows,
      oldestPending,
      oldestUnexported,
      unexportedRows,
      unexportedAge,
      clockWentBack,
      deliveries,
      deliveryRows,
      oldestDelivery,
      rejectedRows,
      paused,
    ],
    async ask() {
      const pending = await findPendingRows(db);
      const unfinished = await findUnfinishedDeliveries(db);
      pendingRows.set(pending.rows);
      oldestPending.set(pending.oldestAgeS);
      clockWentBack.set(pending.clockWentBack ? 1 : 0);
      oldestUnexported.set(Math.max(pending.oldestAgeS, ...unfinished.map(({ oldestAgeS }) => oldestAgeS)));
      // A destination may have been removed.
      for (const perDestination of [
        ...[deliveries, deliveryRows, oldestDelivery, rejectedRows, paused],
        ...[unexportedRows, unexportedAge],
      ])
        perDestination.reset();
      for (const one of unfinished) {
        const { destination, isPaused, oldestAgeS, rejectedRows: rejected, ...counts } = one;
        const missing = sumUnexported(pending, one);
        unexportedRows.set({ destination }, missing.rows);
        unexportedAge.set({ destination }, missing.oldestAgeS);
        oldestDelivery.set({ destination }, oldestAgeS);
        rejectedRows.set({ destination }, rejected);
        paused.set({ destination }, isPaused ? 1 : 0);
        for (const state of ['sealed', 'sending', 'failed'] as const) {
          deliveries.set({ destination, state }, counts.deliveries[state]);
          deliveryRows.set({ destination, state }, counts.rows[state]);
        }
      }
    },
  };
}
