-- Finds the batches of a month for retention, which must not read all batches there ever were.
-- Locks: nothing that a reader or writer waits for.
--
-- Step: concurrently
-- Locks: changes of the table auditbox.batch; no reader or writer waits. It waits until older transactions have ended.
create index concurrently batch_month
on auditbox.batch (date_trunc('month', first_occurred_at at time zone 'UTC'), id);
