-- What an interrupted migrator continues from, and from which version on a process can work with the schema.
-- Locks: the list of migrations, which health checks read, for some milliseconds.
--
-- The name of the first migration that a version must know to work with the schema after this one.
alter table auditbox.migration add column oldest_reader text collate "C";
--> statement-breakpoint
-- The steps of migrations that do not run in one transaction.
create table auditbox.migration_step (
  tag text collate "C" not null,
  step integer not null,
  -- Where the next block begins.
  place text,
  rows bigint default 0 not null,
  -- Null while blocks are left.
  done_at timestamp(6) with time zone,
  constraint migration_step_pkey primary key (tag, step)
);
