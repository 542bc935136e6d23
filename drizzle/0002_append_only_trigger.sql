-- A record that can be edited proves nothing. Only the role auditbox_retention, which nobody logs in as, may delete rows
-- (`set role auditbox_retention`); being a superuser does not suffice, taking that role is a deliberate act.
create function audit_log_append_only() returns trigger language plpgsql as $$
begin
  if current_user = 'auditbox_retention' and tg_op = 'DELETE' then
    return null;
  end if;
  raise exception 'audit_log is append-only: % refused', tg_op
    using errcode = 'insufficient_privilege', table = 'audit_log',
          hint = 'Rows past retention are deleted by the role auditbox_retention.';
end $$;
--> statement-breakpoint
create trigger audit_log_append_only before update or delete or truncate on audit_log
for each statement execute function audit_log_append_only();
--> statement-breakpoint
-- Retention cannot take what has not reached the bucket. An outbox row that is gone was pruned, after its export.
create function audit_log_keep_unexported() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  if exists (
    select from public.outbox o left join public.export_batch b on b.id = o.batch_id
    where o.audit_id = old.id and b.state is distinct from 'done'
  ) then
    raise exception 'the audit event % is not exported yet', old.id
      using errcode = 'insufficient_privilege', table = 'audit_log';
  end if;
  return old;
end $$;
--> statement-breakpoint
create trigger audit_log_keep_unexported before delete on audit_log
for each row execute function audit_log_keep_unexported();
