-- A record that can be edited proves nothing. Only the role auditbox_retention, which nobody logs in as, may remove
-- rows (`set role auditbox_retention`); being a superuser does not suffice, taking that role is a deliberate act.
create function audit_log_append_only() returns trigger language plpgsql as $$
begin
  if current_user = 'auditbox_retention' and tg_op <> 'UPDATE' then
    return null;
  end if;
  raise exception 'audit_log is append-only: % refused', tg_op
    using errcode = 'insufficient_privilege', table = 'audit_log',
          hint = 'Rows past retention are removed by the role auditbox_retention.';
end $$;
--> statement-breakpoint
create trigger audit_log_append_only before update or delete or truncate on audit_log
for each statement execute function audit_log_append_only();
