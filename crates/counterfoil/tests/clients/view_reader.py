"""pandas and pyarrow read a purpose-bound view of a data set, as a training job would.

Usage: URL=http://.../view/development TOKEN=cfk_... LINK=http://.../view-links/cfv_... python view_reader.py
Prints what they read as JSON: rows, columns, the smallest group of (age, postcode), and how many tokens differ.
"""

import io
import json
import os
import urllib.request

import pandas
import pyarrow
import pyarrow.parquet


def read(accept):
    headers = {"authorization": "Bearer " + os.environ["TOKEN"], "accept": accept}
    request = urllib.request.Request(os.environ["URL"], headers=headers)
    with urllib.request.urlopen(request) as answer:
        return io.BytesIO(answer.read()), answer.headers["x-counterfoil-k"]


def told(frame):
    groups = frame.groupby(["age", "postcode"], dropna=False).size()
    return {
        "rows": len(frame),
        "columns": list(frame.columns),
        "smallest": int(groups.min()),
        "tokens": int(frame["email"].nunique()),
        "in_clear": int(frame["email"].astype(str).str.contains("@").sum()),
    }


parquet, k = read("application/vnd.apache.parquet")
arrow, _ = read("application/vnd.apache.arrow.stream")
lines, _ = read("application/x-ndjson")
forms = {
    "csv": pandas.read_csv(os.environ["LINK"]),
    "parquet": pyarrow.parquet.read_table(parquet).to_pandas(),
    "arrow": pyarrow.ipc.open_stream(arrow).read_all().to_pandas(),
    "jsonl": pandas.read_json(lines, lines=True),
}
print(json.dumps({"k": int(k), **{form: told(frame) for form, frame in forms.items()}}))
