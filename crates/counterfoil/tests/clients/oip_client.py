"""The stock Triton client against the Open Inference Protocol doors, with the example's own rows and answers.

Usage: HOST=127.0.0.1:8600 API_KEY=... EXPECTED=expected.json python oip_client.py
"""

import json
import os

import numpy
import tritonclient.http as triton

NUMPY = {"BYTES": numpy.object_, "INT64": numpy.int64, "FP32": numpy.float32, "FP64": numpy.float64}
headers = {"authorization": f"Bearer {os.environ['API_KEY']}"}
client = triton.InferenceServerClient(os.environ["HOST"])
with open(os.environ["EXPECTED"], encoding="utf-8") as file:
    expected = json.load(file)

assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("credit-risk", headers=headers)
metadata = client.get_model_metadata("credit-risk", headers=headers)
assert {tensor["name"] for tensor in metadata["inputs"]} == {tensor["name"] for tensor in expected["inputs"]}, metadata

inputs = []
for tensor in expected["inputs"]:
    values = numpy.array(tensor["data"], dtype=NUMPY[tensor["datatype"]]).reshape(-1, 1)
    given = triton.InferInput(tensor["name"], list(values.shape), tensor["datatype"])
    given.set_data_from_numpy(values, binary_data=False)
    inputs.append(given)
outputs = [triton.InferRequestedOutput(tensor["name"], binary_data=False) for tensor in metadata["outputs"]]
answer = client.infer("credit-risk", inputs, outputs=outputs, headers=headers)
labels = answer.as_numpy(metadata["outputs"][0]["name"])
got = [value.decode() if isinstance(value, bytes) else str(value) for value in labels.flatten()]
assert got == [str(label) for label in expected["label"]], got

try:
    client.infer("no-such-model", inputs, headers=headers)
    raise SystemExit("an unknown model was not refused")
except triton.InferenceServerException as error:
    assert "no-such-model" in str(error), error
print("ok", len(got), "rows")
