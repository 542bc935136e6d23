-- Finds the batches of an hour or a day: for the statement that an hour is complete, and for reads of the archive.
-- Locks: nothing that a reader or writer waits for.
--
-- Step: concurrently
-- Locks: changes of the table auditbox.batch; no reader or writer waits. It waits until older transactions have ended.
create index concurrently batch_partition on auditbox.batch (partition collate "C", id);
