"""The stock SCIM client and its compliance checker against the directory's door.

Usage: SCIM_URL=http://127.0.0.1:8600/scim/v2 SCIM_KEY=... python scim_client.py
"""

import os
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

http = httpx2.Client(
    base_url=os.environ["SCIM_URL"], headers={"authorization": f"Bearer {os.environ['SCIM_KEY']}"}, timeout=60
)
scim = SyncSCIMClient(http)
scim.discover()
results = check_server(scim)
failed = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)]
for result in failed:
    print(f"{result.status.name} {result.title}: {result.reason}", file=sys.stderr)
counted = {status.name: sum(result.status == status for result in results) for status in Status}
print({name: count for name, count in counted.items() if count})
sys.exit(bool(failed))
