"""DuckDB reads the Delta tables of a records directory, as an auditor's own tools would.

Usage: RECORDS=.../records python delta_reader.py
Prints what it found as JSON.
"""

import json
import os

import duckdb
from duckdb_extensions import import_extension

records = os.environ["RECORDS"]
import_extension("delta")
connection = duckdb.connect()
connection.execute("load delta")


def ask(query, table):
    return connection.execute(query, [os.path.join(records, table)]).fetchall()


core = ask("select inference_id, status, door, octet_length(leaf) from delta_scan(?) order by incarnation, node_seq", "inferences")
days = ask("select distinct segment_day from delta_scan(?)", "inferences")
ids = {row[0] for row in ask("select inference_id from delta_scan(?)", "payloads")}
sealed = ask("select count(*) from delta_scan(?) where ct is not null", "payloads")[0][0]
assert all(row[3] == 32 for row in core), "a leaf is not a SHA-256"
print(json.dumps({
    "ids": [row[0] for row in core], "statuses": [row[1] for row in core], "days": [day for (day,) in days],
    "payload_ids": sorted(ids), "payloads": sealed,
}))
