-- Where the request that brought an event was traced, beside the event. It is in audit_log and not in the outbox: the
-- trigger that writes the outbox sees nothing but new rows of audit_log, and a seal writes every outbox row anew.
--
-- A nullable column is a change of the catalog alone, whatever the table's size. But it waits for whoever is reading, and
-- all others wait behind it: so not for long. `npm run migrate` tries again.
set local lock_timeout = '3s';
--> statement-breakpoint
alter table audit_log add column traceparent varchar(55) collate "C";
--> statement-breakpoint
set local lock_timeout to default;
