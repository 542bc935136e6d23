-- Where each outbox row stands, for people and for GET /audit/:id. An object is named only once it is there.
create view outbox_status as
select
  o.id,
  o.audit_id,
  o.destination,
  o.occurred_at,
  o.recorded_at,
  case
    when o.quarantine_reason is not null then 'quarantined'
    when o.batch_id is null then 'pending'
    else b.state
  end as state,
  o.batch_id,
  case when b.state = 'done' then b.object_key end as object_key,
  case when b.state = 'done' then b.sha256 end as sha256,
  b.exported_at,
  coalesce(o.quarantine_reason, b.last_error) as last_error
from outbox o
left join export_batch b on b.id = o.batch_id;
