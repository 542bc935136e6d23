"""Sends LiteLLM's audit events to Auditbox, and loses none of them while Auditbox is away.

Each event is a file in a spool folder, on disk before the hook returns. A thread posts the files in batches and removes those
that Auditbox has. The id of an event makes this safe to repeat: after a crash an event may be sent twice and is stored once.

Put this file next to LiteLLM's configuration, and name the object at its end:

    litellm_settings:
      store_audit_logs: true
      audit_log_callbacks: ["auditbox_litellm.auditbox"]

AUDITBOX_URL    where the api is, such as http://auditbox:4000
AUDITBOX_KEY    a key with the scope `write` that may name other API keys
AUDITBOX_SPOOL  the spool folder; default ./auditbox-spool. Several processes may share it.

It needs Python 3.9 and nothing else.
"""

import asyncio
import json
import logging
import os
import random
import re
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

try:
    from litellm.integrations.custom_logger import CustomLogger
except ImportError:  # Without LiteLLM, as in a test.
    CustomLogger = object

log = logging.getLogger("auditbox")

BATCH_EVENTS = 200
BATCH_BYTES = 4_000_000
MAX_SPOOLED = 100_000
TIMEOUT_S = 30
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
FIELDS = (
    "id",
    "updated_at",
    "changed_by",
    "changed_by_api_key",
    "action",
    "table_name",
    "object_id",
    "before_value",
    "updated_values",
)
VALUES = ("before_value", "updated_values")


class AuditboxLogger(CustomLogger):
    """One of LiteLLM's `audit_log_callbacks`."""

    def __init__(self, url=None, key=None, spool=None):
        if CustomLogger is not object:
            super().__init__()
        self.url = (url or os.environ["AUDITBOX_URL"]).rstrip("/") + "/audit/batch?partial=true"
        self.key = key or os.environ["AUDITBOX_KEY"]
        self.spool = Path(spool or os.environ.get("AUDITBOX_SPOOL", "auditbox-spool"))
        self.refused = self.spool / "refused"
        self.refused.mkdir(parents=True, exist_ok=True)
        self.batch_events = BATCH_EVENTS
        self.something_came = threading.Event()
        threading.Thread(target=self._send_for_ever, name="auditbox", daemon=True).start()

    async def async_log_audit_log_event(self, audit_log):
        """LiteLLM's hook. The event is on disk when it returns."""
        await asyncio.to_thread(self.keep, dict(audit_log))

    def keep(self, audit_log):
        """Writes an event to the spool folder. Raises OSError when it cannot be written."""
        event = to_event(audit_log)
        if len(self._waiting()) >= MAX_SPOOLED:
            log.error("The spool folder %s is full. The event %s is lost.", self.spool, event["id"])
            return
        # Names sort by the time of writing, so that events are sent in order.
        name = f"{time.time_ns():020d}-{event['id'].replace('/', '_')}.json"
        part = self.spool / f"{name}.part"
        with open(part, "w", encoding="utf-8") as file:
            file.write(to_line(event))
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.spool / name)
        sync_folder(self.spool)
        self.something_came.set()

    def _waiting(self):
        return sorted(name for name in os.listdir(self.spool) if name.endswith(".json"))

    def _send_for_ever(self):
        wait = FIRST_WAIT_S
        while True:
            try:
                sent = self._send_batch()
                wait = FIRST_WAIT_S
                if not sent:
                    # Another process may have left files in the same folder.
                    self.something_came.wait(5)
                    self.something_came.clear()
            except Exception as error:  # Nothing may end this thread.
                asked = getattr(error, "headers", None) and error.headers.get("Retry-After")
                pause = max(random.uniform(0, wait), float(asked) if asked and asked.isdigit() else 0)
                log.warning("Auditbox has not taken the events yet (%s). Next try in %.1f s.", explain(error), pause)
                time.sleep(pause)
                wait = min(wait * 2, LONGEST_WAIT_S)

    def _send_batch(self):
        """Sends the oldest events. Returns how many there were."""
        names, lines, size = [], [], 0
        for name in self._waiting()[: self.batch_events]:
            try:
                line = (self.spool / name).read_text(encoding="utf-8")
            except FileNotFoundError:  # Another process has sent it.
                continue
            if names and size + len(line) > BATCH_BYTES:
                break
            names.append(name)
            lines.append(line)
            size += len(line) + 1
        if not names:
            return 0
        try:
            receipt = self._post("\n".join(lines) + "\n")
        except urllib.error.HTTPError as error:
            # 413: too much at once. 422: every event is refused, or the batch as a whole.
            if error.code not in (413, 422):
                raise
            if len(names) > 1:
                self.batch_events = 1
                return len(names)
            receipt = {"ids": [None], "errors": read_errors(error)}
        self.batch_events = BATCH_EVENTS
        reasons = {index_of(reason): reason for reason in receipt.get("errors", [])}
        for index, (name, stored_id) in enumerate(zip(names, receipt["ids"])):
            if stored_id is None:
                self._set_aside(name, reasons.get(index, {}))
            else:
                (self.spool / name).unlink(missing_ok=True)
        return len(names)

    def _post(self, body):
        request = urllib.request.Request(
            self.url,
            data=body.encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/x-ndjson"},
        )
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return json.load(response)

    def _set_aside(self, name, reason):
        """Keeps an event that Auditbox will never take, for a person."""
        log.error("Auditbox refuses %s: %s %s", name, reason.get("path", ""), reason.get("message", ""))
        try:
            (self.spool / name).rename(self.refused / name)
        except FileNotFoundError:
            pass


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect makes a GET of a POST, and takes the key to wherever it leads. It is an error here."""

    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)


def to_event(audit_log):
    """LiteLLM's payload as an event of Auditbox. LiteLLM writes an empty text where it has no value."""
    event = {name: audit_log[name] for name in FIELDS if audit_log.get(name) not in (None, "")}
    event.setdefault("id", str(uuid.uuid4()))
    event.setdefault("changed_by", "unknown")
    return event


def to_line(event):
    """An event as one line of JSON. LiteLLM's values are JSON text; here they become JSON, digit by digit."""
    members = (
        f"{json.dumps(name)}: {value if name in VALUES and is_json(value) else json.dumps(value)}"
        for name, value in event.items()
    )
    return "{" + ", ".join(members) + "}"


def is_json(text):
    """Whether a text is a JSON object or array on one line. Python also writes NaN, which is not JSON."""
    if not isinstance(text, str) or "\n" in text or "\r" in text:
        return False
    try:
        text.encode()
        return isinstance(json.loads(text, parse_constant=refuse_constant), (dict, list))
    except (ValueError, RecursionError):
        return False


def refuse_constant(name):
    raise ValueError(name)


def index_of(reason):
    """The event that a mistake is about: its path begins with `[17]`."""
    found = re.match(r"\[(\d+)\]", reason.get("path", ""))
    return int(found.group(1)) if found else 0


def read_errors(error):
    """The mistakes that an error response names. A proxy in front of Auditbox answers 413 with a page."""
    try:
        return json.load(error).get("errors", [])
    except (ValueError, AttributeError):
        return []


def sync_folder(path):
    """A new name is on disk with its folder."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def explain(error):
    return f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else str(error)


if os.environ.get("AUDITBOX_URL"):
    auditbox = AuditboxLogger()
