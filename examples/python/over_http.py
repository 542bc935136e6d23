"""Records an event through the HTTP api. It needs Python 3.9 and nothing else.

    AUDITBOX_URL=http://127.0.0.1:4000 AUDITBOX_KEY=ab_... python3 over_http.py ana updated teams team-1 '{"max_budget": 40}'
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid


class AuditboxError(Exception):
    """The api refused the event. `code` is stable, and the log of the api has `request_id`."""

    def __init__(self, problem):
        super().__init__(f"{problem['code']}: {problem['detail']} {problem['errors']} (request {problem['request_id']})")
        self.code = problem["code"]
        self.request_id = problem["request_id"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect makes a GET of a POST, and takes the key to wherever it leads. It is an error here."""

    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)


def record(event, url, key, seconds=30.0):
    """Returns the id when the event is on the disk of Auditbox. Sends again for `seconds` while the api is away."""
    # Made before the first try: an event whose answer was lost is stored once.
    event = {"id": str(uuid.uuid4()), **event}
    give_up_at = time.monotonic() + seconds
    longest_wait = 0.1
    while True:
        try:
            return send(event, url, key)["id"]
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            if status is not None and status < 500 and status != 429:
                raise read_problem(error) from error
            wait = random.uniform(0, longest_wait)
            if time.monotonic() + wait > give_up_at:
                raise
            time.sleep(wait)
            longest_wait = min(longest_wait * 2, 5.0)


def read_problem(error):
    try:
        return AuditboxError(json.load(error))
    except (ValueError, KeyError, TypeError):  # A proxy answered, with a page or a redirect.
        return error


def send(event, url, key):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url.rstrip("/") + "/audit", json.dumps(event).encode(), headers)
    with opener.open(request, timeout=30) as response:
        return json.load(response)


if __name__ == "__main__":
    changed_by, action, table_name, object_id, updated_values = sys.argv[1:]
    event = {
        "changed_by": changed_by,
        "action": action,
        "table_name": table_name,
        "object_id": object_id,
        "updated_values": json.loads(updated_values),
    }
    print(record(event, os.environ["AUDITBOX_URL"], os.environ["AUDITBOX_KEY"]))
