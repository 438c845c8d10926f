"""The rules of `contract.toml` by Great Expectations or by Pandera, over pandas, each by its public API.

Prints a line of JSON: seconds to load the file and to validate it, the most memory that the process had, and how many
values break each rule.

usage: peers.py great_expectations|pandera FILE.csv|FILE.parquet
"""

import json
import logging
import os
import resource
import sys
import time
import warnings

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DISABLE_PANDERA_IMPORT_WARNING"] = "True"
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

import pandas as pd

REQUIRED = ["id", "account", "customer", "country", "currency", "status", "amount", "opened"]
UNIQUE = ["id", "account"]
RANGES = {
    "amount": (1, 100_000),
    "paid": (0, None),
    "rate": (0, 1),
    "term": (1, 480),
    "age": (18, 120),
    "score": (0, 1000),
}
ALLOWED = {
    "country": ["AU", "NZ", "GB", "US", "DE", "FR"],
    "currency": ["AUD", "NZD", "GBP", "USD", "EUR"],
    "product": ["car", "home", "personal", "card"],
    "status": ["open", "closed", "late", "written_off"],
    "channel": ["branch", "phone", "web"],
}
PATTERNS = {
    "account": r"^AC-[0-9]{10}$",
    "email": r"^[^@ ]+@[a-z.]+$",
    "postcode": r"^[0-9]{4}$",
    "iban": r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$",
}
# The first is not less than the second.
PAIRS = {
    "paid-not-more-than-lent": ("amount", "paid"),
    "closed-after-opened": ("closed", "opened"),
    "within-limit": ("credit_limit", "amount"),
}
COLUMNS = 20


def load(path):
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pandas(date_as_object=False)
    return pd.read_csv(path, dtype={"postcode": "str"}, parse_dates=["opened", "closed"])


def great_expectations(frame):
    import great_expectations as gx
    import great_expectations.expectations as gxe

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("loans")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    rules = []
    add = lambda name, expectation: rules.append((name, expectation))
    for column in REQUIRED:
        add(f"{column}.required", gxe.ExpectColumnValuesToNotBeNull(column=column))
    for column in UNIQUE:
        add(f"{column}.unique", gxe.ExpectColumnValuesToBeUnique(column=column))
    for column, (low, high) in RANGES.items():
        add(f"{column}.range", gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high))
    for column, values in ALLOWED.items():
        add(f"{column}.allowed", gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values))
    for column, pattern in PATTERNS.items():
        add(f"{column}.pattern", gxe.ExpectColumnValuesToMatchRegex(column=column, regex=pattern))
    for name, (a, b) in PAIRS.items():
        pair = gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=a, column_B=b, or_equal=True, ignore_row_if="either_value_is_missing"
        )
        add(name, pair)
    add("enough", gxe.ExpectTableRowCountToBeBetween(min_value=1, max_value=1_000_000_000))
    add("mean-rate", gxe.ExpectColumnMeanToBeBetween(column="rate", min_value=0.9, max_value=1))
    suite = gx.ExpectationSuite(name="loans")
    for name, expectation in rules:
        expectation.meta = {"rule": name}
        suite.add_expectation(expectation)
    found = batch.validate(suite, result_format="BASIC")
    broken = {}
    for one in found.results:
        name = one.expectation_config.meta["rule"]
        broken[name] = one.result.get("unexpected_count", 0 if one.success else 1)
    return broken


def pandera(frame):
    import pandera.pandas as pa

    checks = {column: [] for column in frame.columns}
    for column, (low, high) in RANGES.items():
        check = pa.Check.ge(low) if high is None else pa.Check.in_range(low, high)
        checks[column].append(("range", check))
    for column, values in ALLOWED.items():
        checks[column].append(("allowed", pa.Check.isin(values)))
    for column, pattern in PATTERNS.items():
        checks[column].append(("pattern", pa.Check.str_matches(pattern)))
    names = {}
    columns = {}
    for column, of in checks.items():
        for kind, check in of:
            names[(column, str(check.error or check.name))] = f"{column}.{kind}"
        names[(column, "not_nullable")] = f"{column}.required"
        names[(column, "field_uniqueness")] = f"{column}.unique"
        columns[column] = pa.Column(
            checks=[check for _, check in of],
            nullable=column not in REQUIRED,
            unique=column in UNIQUE,
        )
    # What is missing in one of two columns breaks nothing.
    wide = [
        pa.Check(lambda rows, a=a, b=b: ~(rows[a] < rows[b]), name=name, error=name) for name, (a, b) in PAIRS.items()
    ]
    wide.append(pa.Check(lambda rows: 1 <= len(rows) <= 1_000_000_000, name="enough", error="enough"))
    wide.append(pa.Check(lambda rows: bool(0.9 <= rows["rate"].mean() <= 1), name="mean-rate", error="mean-rate"))
    schema = pa.DataFrameSchema(columns, checks=wide, strict=True)
    broken = {f"{column}.required": 0 for column in REQUIRED} | {f"{column}.unique": 0 for column in UNIQUE}
    broken |= {name: 0 for name in names.values() if not name.endswith((".required", ".unique"))}
    broken |= {name: 0 for name in [*PAIRS, "enough", "mean-rate"]}
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        for (context, column, check), of in cases.groupby(["schema_context", "column", "check"], dropna=False):
            wide_rule = check in broken and (context == "DataFrameSchema" or check in PAIRS)
            rule = check if wide_rule else names[(column, check)]
            # A failure over several columns is listed once a column.
            broken[rule] = of["index"].nunique(dropna=False) if check in PAIRS else len(of)
    return broken


def main():
    peer, path = sys.argv[1], sys.argv[2]
    # Imports are not measured.
    __import__("great_expectations" if peer == "great_expectations" else "pandera.pandas")
    __import__("pyarrow.parquet")
    begun = time.perf_counter()
    frame = load(path)
    loaded = time.perf_counter()
    assert len(frame.columns) == COLUMNS
    broken = {"great_expectations": great_expectations, "pandera": pandera}[peer](frame)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "load": loaded - begun,
                "check": ended - loaded,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "broken": broken,
            }
        )
    )


main()
