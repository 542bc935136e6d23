-- Where each outbox row stands at each destination, for people and for GET /audit/:id. An object is named only once it is
-- there. A batch that was sealed before a destination was added has no row for it.
create view auditbox.outbox_status as
select
  o.id,
  o.audit_id,
  d.name as destination,
  o.occurred_at,
  o.recorded_at,
  case
    when b.id is null then 'pending'
    when r.outbox_id is not null and r.replayed_in is null then 'rejected'
    else v.state
  end as state,
  b.id as batch_id,
  case when v.state = 'done' then v.object_key end as object_key,
  case when v.state = 'done' then v.sha256 end as sha256,
  case when v.state = 'done' then v.done_at end as done_at,
  coalesce(r.reason, v.last_error) as last_error
from auditbox.outbox o
cross join auditbox.destination d
left join lateral (
  -- The newest: a replay of the row comes after the batch that left it out.
  select b.id from auditbox.batch b
  where b.outbox_ids @> o.id and (b.replay_for is null or b.replay_for = d.name)
  order by b.id desc
  limit 1
) b on true
left join auditbox.delivery v on v.batch_id = b.id and v.destination = d.name
left join auditbox.rejection r on r.destination = d.name and r.batch_id = b.id and r.outbox_id = o.id
where (b.id is null and d.is_enabled) or v.batch_id is not null;
--> statement-breakpoint
create index batch_replays on auditbox.batch using gist (outbox_ids) where replay_for is not null;
