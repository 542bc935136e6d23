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
  coalesce(r.replayed_in, r.batch_id, b.id) as batch_id,
  case when v.state = 'done' and (r.outbox_id is null or r.replayed_in is not null) then v.object_key end as object_key,
  case when v.state = 'done' and (r.outbox_id is null or r.replayed_in is not null) then v.sha256 end as sha256,
  case when v.state = 'done' and (r.outbox_id is null or r.replayed_in is not null) then v.done_at end as done_at,
  coalesce(case when r.replayed_in is null then r.reason end, v.last_error) as last_error
from auditbox.outbox o
cross join auditbox.destination d
-- Two look-ups, each by its index: with an `or`, or with an order and a limit, the planner would read the batches in order.
left join auditbox.batch b on b.outbox_ids @> o.id and b.replay_for is null
left join lateral (
  -- The newest: a batch of a replay comes after the batch that left the row out.
  select r.outbox_id, r.batch_id, r.replayed_in, r.reason
  from auditbox.rejection r
  where r.destination = d.name and r.outbox_id = o.id
  order by r.batch_id desc
  limit 1
) r on true
left join auditbox.delivery v on v.destination = d.name and v.batch_id = coalesce(r.replayed_in, r.batch_id, b.id)
where b.id is null or v.batch_id is not null;
