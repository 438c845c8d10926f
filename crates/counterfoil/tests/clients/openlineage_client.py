"""The stock OpenLineage client against the door for lineage: runs, data sets and jobs, packed and not, and a refusal.

Usage: OPENLINEAGE_URL=http://127.0.0.1:8600 OPENLINEAGE_API_KEY=... python openlineage_client.py
"""

import datetime
import os
import sys

import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.generated.column_lineage_dataset import ColumnLineageDatasetFacet, Fields, InputField
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.sql_job import SQLJobFacet
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

LAKE = "s3://lake"
FIRST, SECOND = "01a204ce-f484-7f71-af44-93561f308801", "01a204ce-f484-7f71-af44-93561f308802"


def client(compression=None):
    config = HttpConfig(
        url=os.environ["OPENLINEAGE_URL"],
        auth=ApiKeyTokenProvider({"apiKey": os.environ["OPENLINEAGE_API_KEY"]}),
        compression=compression,
        timeout=30,
    )
    return OpenLineageClient(transport=HttpTransport(config))


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def version(text):
    return {"version": DatasetVersionDatasetFacet(datasetVersion=text)}


columns = ColumnLineageDatasetFacet(
    fields={"age2": Fields(inputFields=[InputField(namespace=LAKE, name="people", field="age")])}
)
sql = SQLJobFacet(query="select age * 2 as age2 from people where name = 'a canary of sql'")
features = Job(namespace="ml", name="features", facets={"sql": sql})
plain, packed = client(), client(HttpCompression.GZIP)

for state, outputs in [
    (RunState.START, []),
    (RunState.COMPLETE, [OutputDataset(LAKE, "features", facets={"columnLineage": columns, **version("7")})]),
]:
    inputs = [InputDataset(LAKE, "people")] if state is RunState.START else []
    event = RunEvent(
        eventTime=now(), producer="test", run=Run(FIRST), job=features, eventType=state, inputs=inputs, outputs=outputs
    )
    packed.emit(event)

# Another run reads another version of it than was written.
report = Job(namespace="ml", name="report")
read, wrote = [InputDataset(LAKE, "features", facets=version("6"))], [OutputDataset(LAKE, "report")]
plain.emit(
    RunEvent(
        eventTime=now(), producer="test", run=Run(SECOND), job=report, eventType=RunState.COMPLETE, inputs=read,
        outputs=wrote,
    )
)
plain.emit(DatasetEvent(eventTime=now(), producer="test", dataset=StaticDataset(LAKE, "report")))
packed.emit(JobEvent(eventTime=now(), producer="test", job=Job("ml", "nightly"), inputs=[InputDataset(LAKE, "report")]))

try:
    wrong = [InputDataset("counterfoil", "never-declared")]
    plain.emit(RunEvent(eventTime=now(), producer="test", run=Run(FIRST), job=features, inputs=wrong))
    sys.exit("an event about a data set that is not there was taken")
except requests.exceptions.HTTPError as error:
    assert error.response.status_code == 404, error
    assert "never-declared" in error.response.json()["error"]["message"], error.response.text
print("reported")
