"""Uses every kind of route by a client that openapi-python-client made. Arguments: the URL of the api, and a key. Prints a line of JSON."""

import json
import sys

from auditbox_client import AuthenticatedClient
from auditbox_client.api.read import count_events, get_event, list_events, object_history
from auditbox_client.api.write import post_batch, post_event
from auditbox_client.models import CountEventsGroupBy, CountEventsInterval, NewAuditEvent

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])


def event(changed_by):
    return NewAuditEvent.from_dict(
        {
            "changed_by": changed_by,
            "action": "updated",
            "table_name": "generated",
            "object_id": "python",
            "before_value": {"budget": 10},
            "updated_values": {"budget": 25},
        }
    )


stored = post_event.sync_detailed(client=client, body=event("ana"))
batch = post_batch.sync_detailed(client=client, body=[event("ben"), event("ben")])
page = list_events.sync_detailed(client=client, object_id=["python"])
one = get_event.sync_detailed(id=stored.parsed.id, client=client)
history = object_history.sync_detailed(table_name="generated", object_id="python", client=client)
counts = count_events.sync_detailed(
    client=client, interval=CountEventsInterval.DAY, group_by=CountEventsGroupBy.ACTION, object_id=["python"]
)
refused = post_event.sync_detailed(client=client, body=event(""))

print(
    json.dumps(
        {
            "statuses": [int(answer.status_code) for answer in (stored, batch, page, one, history, counts, refused)],
            "events": len(page.parsed.audit_logs),
            "changed_by": one.parsed.changed_by,
            "updated_values": one.parsed.updated_values.to_dict()
            if hasattr(one.parsed.updated_values, "to_dict")
            else one.parsed.updated_values,
            "problem": refused.parsed.errors[0].path,
        }
    )
)
