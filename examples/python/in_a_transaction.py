"""Changes a row and records the event in the same transaction, with psycopg 3.

    DATABASE_URL=postgresql://... python3 in_a_transaction.py team-1 40 ana
"""

import json
import os
import sys

import psycopg


def record_event(connection, changed_by, action, table_name, object_id, before=None, after=None):
    """Returns the id of the event. It is stored if the transaction commits, and only then."""
    # Values are text with a cast, so that psycopg changes neither digits nor arrays.
    row = connection.execute(
        "select auditbox.record(%s, %s, %s, %s, updated_values => %s::text::json, before_value => %s::text::json)",
        (changed_by, action, table_name, object_id, to_json(after), to_json(before)),
    ).fetchone()
    return row[0]


def to_json(value):
    return None if value is None else json.dumps(value)


def change_budget(connection, team_id, budget, changed_by):
    with connection.transaction():
        (before,) = connection.execute("select max_budget from teams where id = %s for update", (team_id,)).fetchone()
        connection.execute("update teams set max_budget = %s where id = %s", (budget, team_id))
        return record_event(
            connection, changed_by, "updated", "teams", team_id, {"max_budget": before}, {"max_budget": budget}
        )


if __name__ == "__main__":
    team_id, budget, changed_by = sys.argv[1:]
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        print(change_budget(connection, team_id, int(budget), changed_by))
