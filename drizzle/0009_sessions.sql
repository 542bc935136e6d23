-- What the api and the exporter may know of other sessions, instead of pg_read_all_stats: times, and nothing of what runs.
-- The owner needs pg_read_all_stats for it; without it, is_complete is false.
create function auditbox.oldest_transaction(out held_s double precision, out is_complete boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
  select row(
    greatest(0, coalesce(max(extract(epoch from clock_timestamp() - began_at)), 0))::float8,
    pg_has_role(current_user, 'pg_read_all_stats', 'usage')
  )
  from (
    select xact_start as began_at from pg_stat_activity
    where (backend_xmin is not null or backend_xid is not null)
      and datname = current_database() and pid <> pg_backend_pid()
      -- The horizon does not wait for vacuum.
      and backend_type <> 'autovacuum worker'
    union all
    select prepared from pg_prepared_xacts where database = current_database()
  ) holders
);
--> statement-breakpoint
-- Functions are everybody's to call unless it is said. `npm run migrate -- --roles` says who may.
revoke all on all functions in schema auditbox from public;
--> statement-breakpoint
-- The index of words calls it with the rights of the login that inserts.
grant execute on function auditbox.audit_words(json, json, json) to public;
