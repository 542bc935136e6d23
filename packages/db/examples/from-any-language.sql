-- A service in any language: a plain INSERT in its own transaction. A trigger writes the outbox row; the right to
-- insert into auditbox.audit_log is all it takes. id, occurred_at and changed_by_api_key may be left out.
begin;

update teams set max_budget = 40 where id = 'team-1';

insert into auditbox.audit_log (changed_by, action, table_name, object_id, before_value, updated_values)
values ('cron', 'updated', 'teams', 'team-1', '{"max_budget": 25}', '{"max_budget": 40}');

commit;
