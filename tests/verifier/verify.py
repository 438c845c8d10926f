#!/usr/bin/env python3
"""A second verifier for evidence packages, proofs and certificates of erasure, written from docs/format.md alone.

    verify.py FILE [--key VKEY] [--json]

It shares no code with the program that it checks: the Python standard library, and `cryptography` for Ed25519. What it
does not do, it says: it cannot read Parquet (it compares the file's digest only), it reads no witness policy and judges no
age, so independence and freshness stay unknown. Verdicts, codes of findings and exit codes are those of docs/format.md.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import struct
import sys
import zipfile
from collections import Counter

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

# --- Events: members of each body, and the stream it belongs to ------------------------------------------------------

EVENTS = {
    "org.created": ("org", "name origin log_vkey retention_days"),
    "policies.installed": ("policies", "sha256 text"),
    "node.joined": ("node/{node}", "node incarnation program"),
    "node.stopped": ("node/{node}", "node incarnation"),
    "node.recovered": ("node/{node}", "node incarnation unsealed interrupted truncated_bytes"),
    "certificate.installed": (
        "certificate/{sha256}",
        "node sha256 serial issuer_sha256 names_sha256 not_before not_after",
    ),
    "ledger.heartbeat": ("ledger", "checkpoint signed_at"),
    "ledger.rollback.accepted": ("ledger", "remembered from_size to_size reference"),
    "ledger.resumed": ("ledger", "cosigning unnamed"),
    "state.digest": ("ledger", "size sha256 fold?"),
    "endpoints.probed": ("node/{node}", "node incarnation endpoints"),
    "archive.locked": ("archive/{bucket}", "bucket mode through objects"),
    "archive.probed": ("archive/{bucket}", "bucket object outcome"),
    "objects.probed": ("objects/{bucket}", "bucket outcome versioning?"),
    "encryption.custodian.reported": ("encryption/root", "kind key_id reachable since"),
    "command.refused": ("refusals", "command resource code policies"),
    "actor.registered": ("actor/{actor}", "actor kind roles"),
    "actor.left": ("actor/{actor}", "actor"),
    "actor.returned": ("actor/{actor}", "actor"),
    "actor.removed": ("actor/{actor}", "actor"),
    "identity.linked": ("actor/{actor}", "actor source subject"),
    "identity.unlinked": ("actor/{actor}", "actor subject"),
    "profile.set": ("actor/{actor}", "actor sealed_sha256"),
    "grant.requested": ("grant/{grant}", "grant actor role scope ends_at reference"),
    "grant.approved": ("grant/{grant}", "grant"),
    "grant.ended": ("grant/{grant}", "grant reason"),
    "grant.preapproved": ("grant/{grant}", "grant group approved_by"),
    "grant.withheld": ("group/{group}", "group actor role scope rule"),
    "group.created": ("group/{group}", "group names sealed_sha256"),
    "group.described": ("group/{group}", "group names sealed_sha256"),
    "group.deleted": ("group/{group}", "group"),
    "group.member.added": ("group/{group}", "group actor source"),
    "group.member.removed": ("group/{group}", "group actor source"),
    "group.mapped": ("group/{group}", "group roles days"),
    "group.map.approved": ("group/{group}", "group"),
    "review.started": ("review/{review}", "review scope reviewer alternate? credentials? due_at at_size population population_root"),
    "review.assigned": ("review/{review}", "review reviewer alternate?"),
    "review.decided": ("review/{review}", "review item verdict reason reference?"),
    "review.completed": ("review/{review}", "review kept removed gone list_sha256"),
    "approval.requested": (
        "approval/{approval}",
        "approval command resource digest base quorum role deploys trained_by beneficiary? evidence expires_at reference",
    ),
    "approval.voted": ("approval/{approval}", "approval vote on_behalf_of?"),
    "approval.withdrawn": ("approval/{approval}", "approval"),
    "approval.commented": ("approval/{approval}", "approval comment sealed_sha256"),
    "approval.consumed": ("approval/{approval}", "approval"),
    "vote.delegated": ("delegation/{delegation}", "delegation to role ends_at"),
    "delegation.ended": ("delegation/{delegation}", "delegation"),
    "approvals.configured": ("approvals", "rules"),
    "duty.stood.in": ("duty/{duty}", "duty command resource"),
    "document.published": ("document/{document}", "document kind version sha256 review_due ack_required"),
    "document.acknowledged": ("acknowledgement/{document}", "document version"),
    "training.recorded": ("training/{actor}", "actor course completed_at expires_at evidence_sha256?"),
    "role.defined": ("role/{role}", "role actions"),
    "role.retired": ("role/{role}", "role"),
    "emergency.declared": ("emergency/{emergency}", "emergency role scope ends_at reference"),
    "emergency.used": ("emergency/{emergency}", "emergency command resource"),
    "emergency.ended": ("emergency/{emergency}", "emergency"),
    "emergency.reviewed": ("emergency/{emergency}", "emergency finding reference"),
    "passkey.registered": (
        "actor/{actor}",
        "passkey actor credential algorithm public_key sign_count synced name_sha256",
    ),
    "passkey.used": ("actor/{actor}", "passkey actor sign_count"),
    "passkey.removed": ("actor/{actor}", "passkey actor"),
    "recovery.issued": ("actor/{actor}", "actor codes"),
    "recovery.used": ("actor/{actor}", "actor code_sha256"),
    "signin.link.created": ("actor/{actor}", "actor link_sha256 expires_at"),
    "session.opened": ("actor/{actor}", "actor link_sha256 session_sha256 expires_at"),
    "session.started": (
        "actor/{actor}",
        "session actor proof link_sha256? provider_session_sha256? passkey? session_sha256 authenticated_at mfa expires_at",
    ),
    "session.ended": ("actor/{actor}", "session actor reason"),
    "session.closed": ("actor/{actor}", "actor session_sha256"),
    "signin.refused": ("people", "door reason count first_at last_at"),
    "notification.settled": ("notifications", "notification kind about channel to? delivery attempts reason?"),
    "key.created": ("key/{key}", "key scope prefix secret_sha256 expires_at session?"),
    "key.rotated": ("key/{key}", "key by ends_at"),
    "key.leaked": ("key/{key}", "key"),
    "key.revoked": ("key/{key}", "key"),
    "workload.declared": ("workload/{workload}", "workload rule"),
    "workload.retired": ("workload/{workload}", "workload"),
    "key.exchanged": ("key/{key}", "key workload proof_sha256 spent_until?"),
    "keys.used": ("node/{node}", "node incarnation hour keys"),
    "keys.limited": ("keys", "max_days"),
    "account.owned": ("actor/{actor}", "actor owner reason"),
    "token.scope.declared": ("tokens/{scope}", "scope spec"),
    "token.scope.retired": ("tokens/{scope}", "scope"),
    "provider.declared": ("provider/{provider}", "provider spec"),
    "provider.retired": ("provider/{provider}", "provider"),
    "model.registered": ("model/{model}", "model version artifact_sha256 facts enclosed? trained_on? run?"),
    "service.declared": ("service/{service}", "service spec"),
    "service.registered": ("registration/{service}", "service owner risk_tier"),
    "service.retired": ("service/{service}", "service"),
    "deployment.started": ("service/{service}", "deployment service route target artifact_sha256?"),
    "deployment.ended": ("service/{service}", "deployment service"),
    "dataset.declared": ("dataset/{dataset}", "dataset spec"),
    "dataset.retired": ("dataset/{dataset}", "dataset"),
    "dataset.version.stored": ("dataset/{dataset}", "dataset version stored subjects?"),
    "dataset.version.described": ("dataset/{dataset}", "dataset version content"),
    "dataset.version.rewritten": ("dataset/{dataset}", "dataset version rows_removed old stored"),
    "dataset.version.ended": ("dataset/{dataset}", "dataset version object reference"),
    "contract.published": ("contract/{contract}", "contract version dataset text"),
    "contract.retired": ("contract/{contract}", "contract reference"),
    "dataset.version.checked": ("dataset/{dataset}", "dataset version check object contract stage run? rows verdict results"),
    "dataset.version.quarantined": ("dataset/{dataset}", "dataset version check rules kept rows?"),
    "dataset.version.released": ("dataset/{dataset}", "dataset version check reference"),
    "dataset.checks.reported": (
        "dataset/{dataset}",
        "dataset version? object? report tool tool_version? run? ran_at? verdict results",
    ),
    "object.destroyed": ("object/{object}", "object class key copies_confirmed?"),
    # Residency.
    "regions.declared": ("regions", "regions"),
    "store.located": ("regions", "store region?"),
    "residency.ruled": ("residency/{class}", "class rule?"),
    "transfer.authorised": ("transfer/{transfer}", "transfer class of? from to legal_basis reference expires_at"),
    "transfer.revoked": ("transfer/{transfer}", "transfer reference"),
    "transfer.refused": ("transfer/{attempt}", "attempt object class by from? to? rule? transfer?"),
    "transfer.made": ("transfer/{attempt}", "attempt object class by from? to? rule? transfer?"),
    "lineage.reported": (
        "lineage/reported",
        "kind happened_at run? parent? status? job? inputs outputs columns columns_left_out sealed?",
    ),
    "lineage.aliased": ("lineage/aliases", "namespace name dataset?"),
    # detectors of the organisation's own
    "detector.declared": ("detector/{detector}", "detector spec"),
    "detector.retired": ("detector/{detector}", "detector"),
    # fields of data sets, what is found in them, and what goes out for a purpose
    "dataset.fields.declared": ("dataset/{dataset}", "dataset fields"),
    "dataset.version.scanned": (
        "dataset/{dataset}",
        "dataset version object rows_sampled bytes_sampled whole columns columns_left_out detectors?",
    ),
    "dataset.view.declared": ("dataset/{dataset}", "dataset purpose spec"),
    "dataset.view.retired": ("dataset/{dataset}", "dataset purpose"),
    "finding.opened": (
        "finding/{finding}",
        "finding dataset version field? kind why class cells score_permille owner due",
    ),
    "finding.resolved": ("finding/{finding}", "finding dataset resolution reference? until?"),
    "segment.sealed": ("node/{node}", "node incarnation number first n root prev? t0 t1 hours core payload"),
    "segment.progress": ("node/{node}", "node incarnation number n root"),
    "accesses.sealed": ("node/{node}", "node incarnation number first n root prev? t0 t1 hours core"),
    "accesses.progress": ("node/{node}", "node incarnation number n root"),
    "gateway.counted": ("node/{node}", "node incarnation hour requests logged"),
    "gateway.count.lost": ("node/{node}", "node incarnation hour records"),
    "encryption.configured": ("encryption/root", "class_days ratchet_hours"),
    "encryption.rotation.requested": ("encryption/{key}", "key"),
    "encryption.key.rotated": ("encryption/{class}", "class version made_at buckets rewrapped custodian"),
    "encryption.root.ratcheted": ("encryption/root", "key_id custodian rewrapped forgets"),
    "retention.scheduled": ("retention/{rule}", "rule kind class days basis"),
    "retention.unscheduled": ("retention/{rule}", "rule"),
    "retention.kept": ("payloads/{class}", "kind class day"),
    "retention.disposing": ("disposal/{disposal}", "disposal item rule days due clear_of"),
    "retention.disposed": ("disposal/{disposal}", "disposal item method due copies copies_confirmed"),
    "retention.confirmed": ("disposal/{disposal}", "disposal reference"),
    "segments.disposed": ("disposal/{disposal}", "disposal kind segments"),
    "retention.clock.confirmed": ("retention/clock", "from to reference"),
    "payload.compacted": ("node/{node}", "node incarnation number old new? rows_removed left? because?"),
    "hold.placed": ("hold/{hold}", "hold on reference review_due"),
    "hold.released": ("hold/{hold}", "hold reference"),
    "request.received": (
        "request/{request}",
        "request kind subjects actor? channel received_at due_at sealed_sha256",
    ),
    "request.identity.checked": ("request/{request}", "request method result reference"),
    "request.searched": ("request/{request}", "request counts concerns keys models left_out?"),
    "request.assessed": ("request/{request}", "request model version assessment action reference"),
    "request.started": ("request/{request}", "request"),
    "request.step": ("request/{request}", "request step counts keys?"),
    "request.closed": ("request/{request}", "request outcome reason_code? reference notified_at?"),
    "controls.scoped": ("controls", "controls"),
    "control.ran": (
        "control/{control}",
        "run requested_by control due_at logic_sha256 params at_size at_root population population_root violations"
        " violations_root outcome reason? engine",
    ),
    "evidence.exported": ("evidence", "package requested_by manifest_sha256 from to at_size segments payloads"),
}

# --- Records: number, name, kind, required -----------------------------------------------------------------------------

FIELDS = [
    (1, "inference_id", "text", True), (2, "ts_start", "int", True), (3, "ts_end", "int", True),
    (4, "door", "text", True), (5, "service", "text", False), (6, "key", "text", False), (7, "route", "text", False),
    (8, "model", "text", False), (9, "version", "text", False), (10, "deployment", "text", False),
    (11, "provider", "text", False), (12, "region", "text", False), (13, "purpose", "text", False),
    (14, "classification", "text", True), (15, "subject_tag", "bytes", False), (16, "status", "text", True),
    (17, "http_status", "int", False), (18, "error_code", "text", False), (19, "stream", "int", True),
    (20, "tokens_in", "int", False), (21, "tokens_out", "int", False), (22, "request_bytes", "int", True),
    (23, "response_bytes", "int", True), (24, "upstream_us", "int", False), (25, "first_byte_us", "int", False),
    (26, "policies", "text", False), (27, "config_size", "int", True), (28, "pii_in", "int", False),
    (29, "pii_in_action", "text", False), (30, "pii_out", "int", False), (31, "pii_out_action", "text", False),
    (40, "day", "text", True),
    (41, "r", "bytes", True), (42, "ct_sha256", "bytes", True), (43, "c_root", "bytes", True),
    (60, "node", "text", True), (61, "incarnation", "int", True), (62, "node_seq", "int", True),
]

ACCESS_FIELDS = [
    (1, "access_id", "text", True), (2, "ts_start", "int", True), (3, "ts_end", "int", True), (4, "door", "text", True),
    (5, "route", "text", False), (6, "actor", "text", False), (7, "key", "text", False), (8, "session", "text", False),
    (9, "action", "text", True), (10, "object_kind", "text", True), (11, "object_id", "text", False),
    (12, "purpose", "text", False), (13, "decision", "text", True), (14, "code", "text", False),
    (15, "http_status", "int", False), (16, "policies", "text", False), (17, "policies_sha256", "text", False),
    (18, "grant_id", "text", False), (19, "occurrences", "int", True), (20, "tables", "text", False),
    (21, "at_size", "int", False), (22, "source", "text", False), (23, "seen_as", "text", False),
    (41, "r", "bytes", False), (43, "c_root", "bytes", False),
    (60, "node", "text", True), (61, "incarnation", "int", True), (62, "node_seq", "int", True),
]

# Kinds of record: number in proofs, fields, directory in packages, and the events that seal them and tell their progress.
KINDS = {
    "segment": ("1", FIELDS, "segments", "segment.sealed", "segment.progress"),
    "accesses": ("2", ACCESS_FIELDS, "accesses", "accesses.sealed", "accesses.progress"),
}


class Broken(Exception):
    """Bytes that are not what they should be."""


class Report:
    """Findings, and what follows from them."""

    CLAIMS = ["integrity", "completeness", "freshness", "independence", "erasure"]

    def __init__(self):
        self.findings = []
        self.checked = set()

    def add(self, claim, weight, code, where, message):
        self.findings.append({"claim": claim, "weight": weight, "code": code, "where": where, "message": message})

    def fail(self, code, where, message, claim="integrity"):
        self.add(claim, "fail", code, where, message)

    def unknown(self, claim, code, where, message):
        self.add(claim, "unknown", code, where, message)

    def note(self, claim, code, where, message):
        self.add(claim, "note", code, where, message)

    def failed(self, claim):
        return any(f["claim"] == claim and f["weight"] == "fail" for f in self.findings)

    def verdict(self, claim):
        weights = {f["weight"] for f in self.findings if f["claim"] == claim}
        if "fail" in weights:
            return "fail"
        return "unknown" if "unknown" in weights or claim not in self.checked else "pass"

    def exit(self):
        if any(f["code"] == "log.rollback" for f in self.findings):
            return 3
        integrity = self.verdict("integrity")
        if integrity == "fail":
            return 1
        return 2 if integrity == "unknown" or self.failed("completeness") or self.failed("erasure") else 0


# The steps of an erasure, in the order in which they are done.
ERASURE_STEPS = [
    "holds_checked", "datasets_rewritten", "keys_destroyed", "tokens_gone", "payload_rows_removed", "profile_gone",
    "caches_emptied", "root_ratcheted", "completed",
]


# --- Hashes, notes, compact JSON ---------------------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf(data):
    return sha256(b"\0" + data)


def node(left, right):
    return sha256(b"\1" + left + right)


class Tree:
    """A Merkle tree that grows: the roots of its complete subtrees, largest first."""

    def __init__(self):
        self.size, self.parts = 0, []

    def push(self, hash_):
        size = self.size
        while size & 1:
            hash_ = node(self.parts.pop(), hash_)
            size >>= 1
        self.parts.append(hash_)
        self.size += 1

    def root(self):
        if not self.parts:
            return sha256(b"")
        hash_ = self.parts[-1]
        for left in reversed(self.parts[:-1]):
            hash_ = node(left, hash_)
        return hash_


def root(leaves):
    tree = Tree()
    for hash_ in leaves:
        tree.push(hash_)
    return tree.root()


def root_from_inclusion(hash_, index, size, path):
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        raise Broken(f"there is no leaf {index} in a tree of {size}")
    at, last = index, size - 1
    for sibling in path:
        if last == 0:
            raise Broken("the proof is too long")
        if at & 1 or at == last:
            hash_ = node(sibling, hash_)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hash_ = node(hash_, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Broken("the proof is too short")
    return hash_


def unb64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Broken("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Broken("not the only spelling of its base64")
    return data


def decimal(text):
    if not re.fullmatch("0|[1-9][0-9]*", text):
        raise Broken(f"`{text[:40]}` is not a number")
    return int(text)


def compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_json(data):
    """JSON without repeated keys, fractions and constants that JSON does not have."""

    def members(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise Broken("a member comes twice")
        return dict(pairs)

    def refuse(text):
        raise Broken(f"`{text[:40]}` is not an integer")

    try:
        return json.loads(data.decode(), object_pairs_hook=members, parse_float=refuse, parse_constant=refuse)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Broken(f"not JSON: {error}") from error


class Key:
    """A verifier key of type 0x01."""

    def __init__(self, text):
        try:
            self.name, self.id, encoded = text.split("+", 2)
        except ValueError as error:
            raise Broken("not a verifier key") from error
        data = unb64(encoded)
        if data[:1] != b"\1" or len(data) != 33 or sha256(self.name.encode() + b"\n" + data)[:4].hex() != self.id:
            raise Broken("not an Ed25519 verifier key with the right id")
        self.public, self.text = Ed25519PublicKey.from_public_bytes(data[1:]), text


def read_note(text):
    body, blank, lines = text.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Broken("not a signed note")
    signatures = []
    for line in lines[:-1].split("\n"):
        match = re.fullmatch(r"— ([^ +]+) (\S+)", line)
        if not match:
            raise Broken("not a signature line")
        signatures.append((match[1], unb64(match[2])))
    return body + "\n", signatures


def read_checkpoint(text):
    lines = read_note(text)[0][:-1].split("\n")
    if len(lines) < 3:
        raise Broken("a checkpoint has three lines")
    hash_ = unb64(lines[2])
    if len(hash_) != 32:
        raise Broken("the root is not a hash")
    return lines[0], decimal(lines[1]), hash_


def open_note(text, key):
    """The text of a note that the key signed."""
    body, signatures = read_note(text)
    mine = [data[4:] for name, data in signatures if name == key.name and data[:4].hex() == key.id]
    if not mine:
        raise Broken(f"it is not signed by {key.name}")
    for signature in mine:
        try:
            key.public.verify(signature, body.encode())
        except InvalidSignature as error:
            raise Broken("its signature is not valid") from error
    return body


def open_checkpoint(text, key):
    """Origin, size and root of a checkpoint that the key signed."""
    open_note(text, key)
    origin, size, hash_ = read_checkpoint(text)
    if origin != key.name:
        raise Broken("it is of another log than the key")
    return origin, size, hash_


# --- Entries and records -----------------------------------------------------------------------------------------------


def read_entry(data):
    entry = read_json(data)
    if not isinstance(entry, dict) or set(entry) != {"v", "id", "ts", "actor", "stream", "sv", "t", "body"}:
        raise Broken("not an envelope")
    if entry["v"] != 1 or entry["t"] not in EVENTS or not isinstance(entry["body"], dict):
        raise Broken("an envelope version or event type that is not known")
    listed = EVENTS[entry["t"]][1].split()
    required = {name for name in listed if not name.endswith("?")}
    if not required <= set(entry["body"]) <= {name.rstrip("?") for name in listed}:
        raise Broken(f"not the members of a {entry['t']}")
    return entry


def read_record(data, known):
    record, at, fields = {}, 0, {number: (name, kind) for number, name, kind, _ in known}
    last = 0
    while at < len(data):
        if len(data) - at < 6:
            raise Broken("it ends inside a field")
        number, length = struct.unpack_from("<HI", data, at)
        value = data[at + 6:at + 6 + length]
        if len(value) != length or number <= last or number not in fields:
            raise Broken(f"field {number} is cut short, out of order or unknown")
        name, kind = fields[number]
        try:
            if kind == "int":
                (value,) = struct.unpack("<q", value)
            elif kind == "text":
                value = value.decode()
        except (struct.error, UnicodeDecodeError) as error:
            raise Broken(f"field {name} does not hold what it should") from error
        record[name], last, at = value, number, at + 6 + length
    missing = [name for _, name, _, required in known if required and name not in record]
    if missing:
        raise Broken(f"field {missing[0]} is missing")
    return record


def frames(data):
    pieces, at = [], 0
    while len(data) - at >= 4:
        (length,) = struct.unpack_from("<I", data, at)
        if at + 4 + length > len(data):
            break
        pieces.append(data[at + 4:at + 4 + length])
        at += 4 + length
    return pieces, at == len(data)


# --- State -------------------------------------------------------------------------------------------------------------


def reach(run):
    """How late the state and the window of a control run are; a result stands until one that reaches as far."""
    return run["at_size"], run["params"]["end"]


def passed_dimensions(results):
    """Dimensions of which something passed and nothing that blocks did not, in the order of the format."""
    order = ["completeness", "accuracy", "consistency", "uniqueness", "validity", "timeliness"]

    def holds(dimension):
        of = [one for one in results if one["dimension"] == dimension]
        passed = [one["verdict"] == "passed" for one in of]
        return any(passed) and all(ok or not one["blocking"] for ok, one in zip(passed, of))

    return [dimension for dimension in order if holds(dimension)]


class State:
    """The fold of entries, for `state.digest`."""

    FOLD = 1  # its revision: digests of others are not compared

    def __init__(self):
        maps = "actors left accounts identities profiles groups grants passkeys recovery links sessions keys key_by_secret" \
               " workloads spent_tokens datasets doomed_objects lineage_aliases contracts checks providers models services deployments" \
               " nodes controls runs" \
               " streams recent"
        maps += " approvals delegations emergencies registrants custom_roles notified permitted retired documents training"
        maps += " registrations"
        maps += " token_scopes archives"
        maps += " artifacts"
        maps += " requests retention_rules kept disposals holds"
        maps += " fields scans views findings"
        maps += " deletions"
        self.all = {name: {} for name in maps.split()}
        self.all.update(size=0, org=None, policies=None, keys_limited=None, approval_rules=None, custodian=None)
        self.all.update(objects_in=None, compacted=None, recent_by_age=[], removed=[], reviews={})
        self.all["residency"] = {"regions": {}, "stores": {}, "rules": {}, "transfers": {}}
        self.all["detectors"] = {"revision": 0, "known": {}}
        self.all["encryption"] = {"configured": None, "classes": {}, "ratcheted": None, "requested": {}}

    def digest(self):
        return sha256(compact(self.all)).hex()

    def holds(self, grant, now):
        return grant["approved"] is not None and grant["ended_at"] is None and now < grant["requested"]["ends_at"]

    def line_of(self, key):
        """A key and those that took its place, one after the other."""
        line, keys = [], self.all["keys"]
        while key in keys and len(line) < len(keys):
            line.append(keys[key])
            key = (keys[key]["replaced"] or [None])[0]
        return line

    def live(self, key, now):
        ends_at = min([key["created"]["expires_at"], *(key["replaced"] or [])[1:]])
        return key["revoked_at"] is None and now < ends_at

    def credentials_in(self, scope, now):
        """The keys and passkeys that open something in a scope."""
        held = {}
        for name, key in self.all["keys"].items():
            opens = key["created"]["scope"]
            inference = opens.get("inference", {})
            services = [opens["service"]] if "service" in opens else inference.get("services", [])
            environments = {self.all["services"][one].get("environment", "prod") for one in services if one in self.all["services"]}
            environments.update(inference.get("environments", []))
            within = {"org", *("service/" + one for one in services), *("environment/" + one for one in environments)}
            if not self.live(key, now) or scope not in within:
                continue
            opened = "actor/" + opens["actor"] if "actor" in opens else " ".join("service/" + one for one in services or [""])
            actor = opens.get("actor") or inference.get("account") or key["created_by"]
            held[name] = {"kind": "key", "actor": actor, "scope": opened, "decided": None}
        for name, passkey in self.all["passkeys"].items():
            actor = passkey["registered"]["actor"]
            if scope == "org":
                held[name] = {"kind": "passkey", "actor": actor, "scope": "actor/" + actor, "decided": None}
        return held

    def held_in(self, scope, credentials, now):
        """The roles held in a scope, by grant, and the credentials that open something there."""
        held = {}
        for actor in self.all["actors"].values():
            if actor["kind"] != "system" and actor["actor"] not in self.all["left"] and scope == "org":
                for role in actor["roles"]:
                    held[f"{actor['actor']}/{role}"] = {"actor": actor["actor"], "role": role, "scope": "org", "decided": None}
        for name, grant in self.all["grants"].items():
            wish = grant["requested"]
            here = scope in ("org", wish["scope"]) and wish["actor"] not in self.all["left"]
            if here and self.holds(grant, now):
                held[name] = {"actor": wish["actor"], "role": wish["role"], "scope": wish["scope"], "decided": None}
        return {**held, **(self.credentials_in(scope, now) if credentials else {})}

    def still_held(self, name, item, now):
        """Whether what a review looks at is still there."""
        if "kind" in item:
            passkey = item["kind"] == "passkey"
            return name in self.all["passkeys"] if passkey else any(self.live(key, now) for key in self.line_of(name))
        if name in self.all["grants"]:
            return self.holds(self.all["grants"][name], now)
        first = item["role"] in self.all["actors"].get(item["actor"], {"roles": []})["roles"]
        return first and item["actor"] not in self.all["left"]

    def review_list(self, name, now):
        """The list of a review, as it is at a time."""
        review, items = self.all["reviews"][name], []
        for thing, item in sorted(review["items"].items(), key=lambda pair: pair[0].encode()):
            line = {"item": thing, **{key: value for key, value in item.items() if key != "decided"}}
            decided = item["decided"]
            if decided:
                line["outcome"] = {"keep": "kept", "remove": "removed"}[decided["verdict"]]
                line.update((key, decided[key]) for key in ("reason", "reference", "by", "at") if decided[key] is not None)
            else:
                line["outcome"] = "open" if self.still_held(thing, item, now) else "gone"
            items.append(line)
        started = review["started"]
        return {"v": 1, "review": name, "scope": started["scope"], "at_size": started["at_size"],
                "population_root": started["population_root"], "started_at": review["started_at"],
                "due_at": started["due_at"], "completed_at": now, "items": items}

    def apply(self, entry):
        state, body, type_ = self.all, entry["body"], entry["t"]
        person = state["accounts"].get(entry["actor"], {}).get("owner", entry["actor"])
        state["streams"][entry["stream"]] = entry["sv"]
        state["recent"][entry["id"]] = state["size"]
        state["recent_by_age"].append([entry["ts"], entry["id"]])
        state["size"] += 1
        old = state["recent_by_age"]
        while old and (entry["ts"] - old[0][0] > DAY_MS or len(old) > 100_000):
            state["recent"].pop(old.pop(0)[1], None)
        until = {"actor": body.get("actor"), "expires_at": body.get("expires_at")}
        if type_ == "org.created":
            state["org"] = body
        elif type_ == "policies.installed":
            state["policies"] = body
        elif type_ == "node.joined":
            fresh = {"incarnation": body["incarnation"], "last_segment": None, "sealed_records": 0, "last_accesses": None,
                     "sealed_accesses": 0}
            state["nodes"][body["node"]] = fresh
        elif type_ == "actor.registered":
            state["actors"][body["actor"]] = body
        elif type_ == "actor.left":
            state["left"][body["actor"]] = entry["ts"]
            state["recovery"].pop(body["actor"], None)
            for kind in ("links", "sessions"):
                state[kind] = {sha: who for sha, who in state[kind].items() if who["actor"] != body["actor"]}
            kept = {name: known for name, known in state["registrations"].items() if known["owner"] != body["actor"]}
            state["registrations"] = kept
        elif type_ == "identity.linked":
            state["identities"][body["subject"]] = {"actor": body["actor"], "source": body["source"]}
        elif type_ == "identity.unlinked":
            state["identities"].pop(body["subject"], None)
        elif type_ == "profile.set":
            state["profiles"][body["actor"]] = body["sealed_sha256"]
        elif type_ == "grant.requested":
            grant = {"requested": body, "requested_by": entry["actor"], "asker": person, "approved": None, "ended_at": None}
            state["grants"][body["grant"]] = grant
        elif type_ == "grant.approved":
            if body["grant"] in state["grants"]:
                state["grants"][body["grant"]]["approved"] = [entry["actor"], entry["ts"]]
        elif type_ == "actor.returned":
            state["left"].pop(body["actor"], None)
            state["removed"] = [actor for actor in state["removed"] if actor != body["actor"]]
            if body["actor"] in state["actors"]:
                state["actors"][body["actor"]] = {**state["actors"][body["actor"]], "roles": []}
        elif type_ == "actor.removed":
            state["removed"] = sorted({*state["removed"], body["actor"]})
        elif type_ == "grant.preapproved":
            if body["grant"] in state["grants"]:
                state["grants"][body["grant"]]["approved"] = [body["approved_by"], entry["ts"]]
        elif type_ in ("group.created", "group.described"):
            group = state["groups"].setdefault(body["group"], {"members": {}, "mapping": None})
            group.update(names=body["names"], sealed_sha256=body["sealed_sha256"])
        elif type_ == "group.deleted":
            state["groups"].pop(body["group"], None)
        elif type_ in ("group.member.added", "group.member.removed"):
            if body["group"] in state["groups"]:
                members = state["groups"][body["group"]]["members"]
                said = set(members.pop(body["actor"], []))
                said = said | {body["source"]} if type_.endswith("added") else said - {body["source"]}
                if said:
                    members[body["actor"]] = sorted(said)
        elif type_ == "group.mapped":
            if body["group"] in state["groups"]:
                mapping = {"roles": body["roles"], "days": body["days"], "mapped_by": entry["actor"], "mapper": person,
                           "approved": None, "approver": None}
                state["groups"][body["group"]]["mapping"] = mapping if body["roles"] else None
        elif type_ == "group.map.approved":
            mapping = state["groups"].get(body["group"], {}).get("mapping")
            if mapping:
                mapping["approved"], mapping["approver"] = [entry["actor"], entry["ts"]], person
        elif type_ == "grant.ended":
            if body["grant"] in state["grants"]:
                state["grants"][body["grant"]]["ended_at"] = entry["ts"]
        elif type_ == "review.started":
            state["reviews"][body["review"]] = {
                "started": body, "started_by": entry["actor"], "started_at": entry["ts"], "reviewer": body["reviewer"],
                "alternate": body.get("alternate"), "completed_at": None,
                "items": self.held_in(body["scope"], body.get("credentials", False), entry["ts"]),
            }
        elif type_ == "review.assigned":
            if body["review"] in state["reviews"]:
                review = state["reviews"][body["review"]]
                review["reviewer"], review["alternate"] = body["reviewer"], body.get("alternate")
        elif type_ == "review.decided":
            item = state["reviews"].get(body["review"], {"items": {}})["items"].get(body["item"])
            if item is not None:
                item["decided"] = {"verdict": body["verdict"], "reason": body["reason"], "reference": body.get("reference"),
                                   "by": entry["actor"], "at": entry["ts"]}
        elif type_ == "review.completed":
            if body["review"] in state["reviews"]:
                state["reviews"][body["review"]]["completed_at"] = entry["ts"]
        elif type_ == "approval.requested":
            state["approvals"][body["approval"]] = {
                "requested": body, "requested_by": entry["actor"], "asker": person, "requested_at": entry["ts"],
                "votes": [], "comments": [], "withdrawn_at": None, "consumed": None,
            }
        elif type_.startswith("approval."):
            self.apply_approval(entry, state["approvals"].get(body["approval"]))
        elif type_ == "vote.delegated":
            delegation = {"from": entry["actor"], "delegated": body, "ended_at": None}
            state["delegations"][body["delegation"]] = delegation
        elif type_ == "delegation.ended":
            if body["delegation"] in state["delegations"]:
                state["delegations"][body["delegation"]]["ended_at"] = entry["ts"]
        elif type_ == "approvals.configured":
            state["approval_rules"] = body
        elif type_ == "archive.locked":
            state["archives"][body["bucket"]] = body["through"]
        elif type_ == "encryption.custodian.reported":
            state["custodian"] = body
        elif type_ == "objects.probed":
            state["objects_in"] = body
        elif type_ == "role.defined":
            state["custom_roles"][body["role"]] = body
            state["permitted"][body["role"]] = sorted({*state["permitted"].get(body["role"], []), *body["actions"]})
        elif type_ == "role.retired":
            state["custom_roles"].pop(body["role"], None)
        elif type_ == "document.published":
            document = {"published": body, "at": entry["ts"], "acknowledged": {}}
            state["documents"][body["document"]] = document
        elif type_ == "document.acknowledged":
            document = state["documents"].get(body["document"])
            if document and document["published"]["version"] == body["version"]:
                document["acknowledged"][entry["actor"]] = entry["ts"]
        elif type_ == "training.recorded":
            state["training"].setdefault(body["actor"], {})[body["course"]] = body
        elif type_ == "emergency.declared":
            state["emergencies"][body["emergency"]] = {
                "declared": body, "actor": entry["actor"], "at": entry["ts"], "ended_at": None, "uses": [],
                "reviewed": None,
            }
        elif type_.startswith("emergency."):
            emergency = state["emergencies"].get(body["emergency"])
            if emergency and type_ == "emergency.used":
                emergency["uses"].append(body)
            elif emergency and type_ == "emergency.ended":
                emergency["ended_at"] = entry["ts"]
            elif emergency:
                emergency["reviewed"] = [entry["actor"], body["finding"]]
        elif type_ == "notification.settled":
            day = entry["ts"] // 86_400_000
            known = {known: told for known, told in state["notified"].items() if int(known) + 128 >= day}
            known[str(day)] = sorted({*known.get(str(day), []), body["notification"]})
            state["notified"] = known
        elif type_ == "passkey.registered":
            known = {"registered": body, "registered_at": entry["ts"], "sign_count": body["sign_count"]}
            state["passkeys"][body["passkey"]] = {**known, "used_at": None}
        elif type_ == "passkey.used":
            if body["passkey"] in state["passkeys"]:
                state["passkeys"][body["passkey"]].update(sign_count=body["sign_count"], used_at=entry["ts"])
        elif type_ == "passkey.removed":
            state["passkeys"].pop(body["passkey"], None)
        elif type_ == "recovery.issued":
            used_at = state["recovery"].get(body["actor"], {}).get("used_at")
            codes = sorted(set(body["codes"]))
            issued = {"issued_at": entry["ts"], "unused": codes, "used_at": used_at}
            state["recovery"][body["actor"]] = issued
        elif type_ == "recovery.used":
            if body["actor"] in state["recovery"]:
                known = state["recovery"][body["actor"]]
                known["unused"] = [code for code in known["unused"] if code != body["code_sha256"]]
                known["used_at"] = entry["ts"]
        elif type_ == "signin.link.created":
            state["links"][body["link_sha256"]] = until
        elif type_ == "session.opened":
            state["links"].pop(body["link_sha256"], None)
            sha = body["session_sha256"]
            first = {"session": "s_" + sha[:16], "proof": "link", "authenticated_at": entry["ts"], "mfa": False}
            state["sessions"][sha] = {**until, **first, "provider_session_sha256": None, "started_at": entry["ts"]}
        elif type_ == "session.started":
            for kind in ("links", "sessions"):
                live = {sha: of for sha, of in state[kind].items() if of["expires_at"] > entry["ts"]}
                state[kind] = live
            state["links"].pop(body.get("link_sha256"), None)
            begun = {name: body[name] for name in "session actor proof authenticated_at mfa expires_at".split()}
            begun["provider_session_sha256"] = body.get("provider_session_sha256")
            begun.update({"passkey": body["passkey"]} if "passkey" in body else {})
            state["sessions"][body["session_sha256"]] = {**begun, "started_at": entry["ts"]}
        elif type_ == "session.ended":
            kept = {sha: of for sha, of in state["sessions"].items() if of["session"] != body["session"]}
            state["sessions"] = kept
        elif type_ == "session.closed":
            state["sessions"].pop(body["session_sha256"], None)
        elif type_ == "key.created":
            state["key_by_secret"][body["secret_sha256"]] = body["key"]
            fresh = {"replaced": None, "used_at": None, "workload": None, "leaked_at": None, "revoked_at": None}
            state["keys"][body["key"]] = {"created": body, "created_at": entry["ts"], "created_by": entry["actor"], **fresh}
            came = [of for of in state["sessions"].values() if of["session"] == body.get("session")]
            state["keys"][body["key"]].update({"session": came[0]} if came else {})
        elif type_ == "key.rotated":
            if body["key"] in state["keys"]:
                state["keys"][body["key"]]["replaced"] = [body["by"], body["ends_at"]]
                came = state["keys"][body["key"]].get("session")
                state["keys"].get(body["by"], {}).update({"session": came} if came else {})
        elif type_ == "key.leaked":
            if body["key"] in state["keys"]:
                state["keys"][body["key"]]["leaked_at"] = entry["ts"]
        elif type_ == "token.scope.declared":
            state["token_scopes"][body["scope"]] = {"spec": body["spec"], "retired": False}
        elif type_ == "token.scope.retired":
            if body["scope"] in state["token_scopes"]:
                state["token_scopes"][body["scope"]]["retired"] = True
        elif type_ == "workload.declared":
            state["workloads"][body["workload"]] = body["rule"]
        elif type_ == "workload.retired":
            state["workloads"].pop(body["workload"], None)
        elif type_ == "key.exchanged":
            if body["key"] in state["keys"]:
                state["keys"][body["key"]]["workload"] = body["workload"]
            spent = {sha: until for sha, until in state["spent_tokens"].items() if until > entry["ts"]}
            if "spent_until" in body:
                spent[body["proof_sha256"]] = body["spent_until"]
            state["spent_tokens"] = spent
        elif type_ == "keys.used":
            for key in body["keys"]:
                if key in state["keys"]:
                    state["keys"][key]["used_at"] = body["hour"]
        elif type_ == "keys.limited":
            state["keys_limited"] = body
        elif type_ == "encryption.configured":
            state["encryption"]["configured"] = body
        elif type_ == "encryption.rotation.requested":
            state["encryption"]["requested"][body["key"]] = entry["ts"]
        elif type_ == "encryption.key.rotated":
            encryption, name = state["encryption"], body["class"]
            encryption["classes"][name] = {"version": body["version"], "made_at": body["made_at"]}
            if name != "root" and body["made_at"] >= encryption["requested"].get(name, body["made_at"] + 1):
                del encryption["requested"][name]
        elif type_ == "encryption.root.ratcheted":
            state["encryption"]["ratcheted"] = [body, entry["ts"]]
            state["encryption"]["requested"].pop("root", None)
        elif type_ == "account.owned":
            owned = {"owner": body["owner"], "reason": body["reason"], "since": entry["ts"]}
            state["accounts"][body["actor"]] = owned
        elif type_ == "key.revoked":
            if body["key"] in state["keys"]:
                state["keys"][body["key"]]["revoked_at"] = entry["ts"]
        elif type_ in ("provider.declared", "service.declared"):
            kind = type_.split(".")[0]
            state[kind + "s"][body[kind]] = body["spec"]
            if kind == "service":
                state["retired"].pop(body[kind], None)
            known = state["registrations"].get(body.get("service"))
            if known and known["risk_tier"] != body["spec"]["risk_tier"]:
                del state["registrations"][body["service"]]
        elif type_ == "service.registered":
            state["registrations"][body["service"]] = body
        elif type_ in ("provider.retired", "service.retired"):
            kind = type_.split(".")[0]
            gone = state[kind + "s"].pop(body[kind], None)
            if gone and kind == "service":
                state["retired"][body[kind]] = gone["risk_tier"]
            state["registrations"].pop(body.get("service"), None)
        elif type_ == "model.registered":
            state["models"].setdefault(body["model"], {})[body["version"]] = body
            state["registrants"].setdefault(body["model"], {})[body["version"]] = person
            if body.get("enclosed"):
                artifact = {"sha256": body["artifact_sha256"], "class": body["enclosed"]["class"], "at": entry["ts"]}
                state["artifacts"][body["enclosed"]["object"]] = artifact
        elif type_ == "lineage.aliased":
            names = state["lineage_aliases"].setdefault(body["namespace"], {})
            names.pop(body["name"], None)
            if body.get("dataset"):
                names[body["name"]] = body["dataset"]
            state["lineage_aliases"] = {namespace: names for namespace, names in state["lineage_aliases"].items() if names}
        elif type_ in ("dataset.fields.declared", "dataset.version.scanned") or type_.startswith(("dataset.view.", "finding.")):
            self.apply_fields(entry)
        elif type_ in ("regions.declared", "store.located", "residency.ruled") or type_.startswith("transfer."):
            self.apply_residency(entry, person)
        elif type_ == "detector.declared":
            own = {"spec": body["spec"], "by": entry["actor"], "at": entry["ts"], "retired_at": None}
            state["detectors"]["known"][body["detector"]] = own
            state["detectors"]["revision"] += 1
        elif type_ == "detector.retired":
            if body["detector"] in state["detectors"]["known"]:
                state["detectors"]["known"][body["detector"]]["retired_at"] = entry["ts"]
            state["detectors"]["revision"] += 1
        elif type_.startswith("contract."):
            self.apply_checks(entry)
        elif type_.startswith("dataset.") or type_ == "object.destroyed":
            self.apply_data(entry)
            self.apply_checks(entry)
        elif type_ == "deployment.started":
            started = {"started": body, "at": entry["ts"]}
            state["deployments"].setdefault(body["service"], {})[body["route"]] = started
        elif type_ == "deployment.ended":
            routes = state["deployments"].get(body["service"], {})
            for route in [r for r, d in routes.items() if d["started"]["deployment"] == body["deployment"]]:
                del routes[route]
        elif type_ == "segment.sealed":
            if body["node"] in state["nodes"]:
                known = state["nodes"][body["node"]]
                known["sealed_records"] = body["first"] + body["n"]
                known["last_segment"] = {"number": body["number"], "root": body["root"]}
        elif type_ == "accesses.sealed":
            if body["node"] in state["nodes"]:
                known = state["nodes"][body["node"]]
                known["sealed_accesses"] = body["first"] + body["n"]
                known["last_accesses"] = {"number": body["number"], "root": body["root"]}
        elif type_ == "retention.scheduled":
            state["retention_rules"][body["rule"]] = {"scheduled": body, "by": person, "at": entry["ts"]}
        elif type_ == "retention.unscheduled":
            state["retention_rules"].pop(body["rule"], None)
        elif type_ == "retention.kept":
            state["kept"][body["class"]] = sorted({*state["kept"].get(body["class"], []), body["day"]})
        elif type_ == "retention.disposing":
            ruled_by = state["retention_rules"].get(body["rule"], {}).get("by", "")
            begun = {"disposing": body, "ruled_by": ruled_by, "at": entry["ts"], "disposed": None, "confirmed": None}
            state["disposals"][body["disposal"]] = begun
        elif type_ == "retention.disposed":
            if body["disposal"] in state["disposals"]:
                state["disposals"][body["disposal"]]["disposed"] = [body, entry["ts"]]
            item = body["item"]
            if item["class"] in state["kept"]:
                state["kept"][item["class"]] = [day for day in state["kept"][item["class"]] if day != item.get("day")]
            state["artifacts"].pop(item.get("object"), None)
        elif type_ == "retention.confirmed":
            for known in ("disposals", "deletions"):
                if body["disposal"] in state[known]:
                    state[known][body["disposal"]]["confirmed"] = [person, entry["ts"]]
                    break
        elif type_ == "payload.compacted":
            state["compacted"] = body
        elif type_ == "hold.placed":
            state["holds"][body["hold"]] = {"placed": body, "by": person, "at": entry["ts"], "released": None}
        elif type_ == "hold.released":
            if body["hold"] in state["holds"]:
                state["holds"][body["hold"]]["released"] = [person, entry["ts"]]
        elif type_ == "request.received":
            fresh = {"identity": None, "confirmed_by": [], "searched": None, "assessed": {}, "started_at": None, "steps": [], "closed": None}
            state["requests"][body["request"]] = {"received": body, **fresh}
        elif type_.startswith("request."):
            self.apply_request(entry, state["requests"].get(body["request"]))
        elif type_ == "controls.scoped":
            state["controls"] = {control["control"]: control for control in body["controls"]}
        elif type_ == "control.ran":
            standing = state["runs"].get(body["control"])
            if standing is None or reach(body) >= reach(standing):
                state["runs"][body["control"]] = body

    def apply_residency(self, entry, person):
        body, type_, known = entry["body"], entry["t"], self.all["residency"]
        if type_ == "regions.declared":
            known["regions"] = body["regions"]
        elif type_ == "store.located":
            known["stores"].pop(body["store"], None)
            if body.get("region") is not None:
                known["stores"][body["store"]] = body["region"]
        elif type_ == "residency.ruled":
            version = known["rules"].get(body["class"], {"version": 0})["version"] + 1
            known["rules"][body["class"]] = {"version": version, "rule": body.get("rule"), "by": person, "at": entry["ts"]}
        elif type_ == "transfer.authorised":
            known["transfers"][body["transfer"]] = {"authorised": body, "by": person, "at": entry["ts"], "revoked": None}
        elif type_ == "transfer.revoked":
            if body["transfer"] in known["transfers"]:
                known["transfers"][body["transfer"]]["revoked"] = [person, entry["ts"]]

    def apply_data(self, entry):
        body, type_, doomed = entry["body"], entry["t"], self.all["doomed_objects"]
        if type_ == "object.destroyed":
            doomed.pop(body["object"], None)
            if body["object"] in self.all["deletions"]:
                self.all["deletions"][body["object"]]["gone_at"] = entry["ts"]
            return
        datasets, name = self.all["datasets"], body["dataset"]
        if type_ == "dataset.declared":
            fresh = {"spec": body["spec"], "retired_at": None, "versions": {}, "ended": []}
            datasets.setdefault(name, fresh).update(spec=body["spec"], retired_at=None)
        known, version = datasets.get(name, {"versions": {}, "ended": []}), body.get("version")
        named = {"dataset": name, "version": version}
        if type_ == "dataset.retired":
            known["retired_at"] = entry["ts"]
        elif type_ == "dataset.version.stored":
            subjects = body.get("subjects")
            fresh = {"stored": body["stored"], "subjects": subjects, "content": None, "at": entry["ts"], "by": entry["actor"]}
            known["versions"][version] = fresh
        elif type_ == "dataset.version.described":
            if version in known["versions"]:
                known["versions"][version]["content"] = dict(body["content"])
        elif type_ == "dataset.version.rewritten":
            if version in known["versions"]:
                known["versions"][version]["stored"] = body["stored"]
                if content := known["versions"][version]["content"]:
                    content["rows"] = max(0, content["rows"] - body["rows_removed"])
                    content["groups"] = []
                    content.pop("digest", None)
            doomed[body["old"]] = {"class": body["stored"]["class"], **named}
        elif type_ == "dataset.version.ended":
            known["ended"] = sorted({*known["ended"], version})
            self.all["scans"].get(name, {}).pop(version, None)
            gone = known["versions"].pop(version, None)
            if gone:
                doomed[body["object"]] = {"class": gone["stored"]["class"], **named}
            ruled = self.all["disposals"].get(body["reference"], {"disposing": {"item": {}}})["disposing"]["item"]
            if ruled.get("object") != body["object"]:
                by = self.all["accounts"].get(entry["actor"], {}).get("owner", entry["actor"])
                fresh = {"by": by, "at": entry["ts"], "gone_at": None, "confirmed": None}
                self.all["deletions"][body["object"]] = fresh

    def apply_checks(self, entry):
        body, type_, contracts, checks = entry["body"], entry["t"], self.all["contracts"], self.all["checks"]
        if type_ == "contract.published":
            before = contracts.get(body["contract"])
            on = before and before["retired_at"] is None and before["published"]["dataset"] == body["dataset"]
            since = before["since"] if on else entry["ts"]
            contracts[body["contract"]] = {"published": body, "at": entry["ts"], "since": since, "retired_at": None}
        elif type_ == "contract.retired":
            if body["contract"] in contracts:
                contracts[body["contract"]]["retired_at"] = entry["ts"]
        elif type_ in ("dataset.version.rewritten", "dataset.version.ended"):
            self.drop_rows(body)
            if type_ == "dataset.version.ended":
                checks.get(body["dataset"], {}).pop(body["version"], None)
        elif type_ == "dataset.version.checked":
            used = body["contract"]
            live = [one for _, one in sorted(contracts.items()) if one["retired_at"] is None]
            live = [one["published"] for one in live if one["published"]["dataset"] == body["dataset"]]
            if live and (live[0]["contract"], live[0]["version"]) == (used["contract"], used.get("version")):
                self.standing(body)["checked"] = {
                    "check": body["check"], "contract": used["contract"], "number": used["version"], "object": body["object"],
                    "verdict": body["verdict"], "passed": passed_dimensions(body["results"]), "at": entry["ts"],
                }
        elif type_ == "dataset.version.quarantined":
            self.standing(body)["quarantine"] = {
                "check": body["check"], "rules": body["rules"], "rows": body.get("rows"), "kept": body["kept"],
                "by": entry["actor"], "at": entry["ts"],
            }
        elif type_ == "dataset.version.released":
            self.drop_rows(body)
            standing = checks.get(body["dataset"], {}).get(body["version"])
            if standing:
                last = standing["checked"]
                standing["quarantine"], standing["released"] = None, last and [last["contract"], last["number"]]

    def standing(self, body):
        fresh = {"checked": None, "quarantine": None, "released": None}
        return self.all["checks"].setdefault(body["dataset"], {}).setdefault(body["version"], fresh)

    def drop_rows(self, body):
        standing = self.all["checks"].get(body["dataset"], {}).get(body["version"]) or {}
        if quarantine := standing.get("quarantine"):
            rows, quarantine["rows"], quarantine["kept"] = quarantine["rows"], None, 0
            if rows:
                named = {"dataset": body["dataset"], "version": body["version"]}
                self.all["doomed_objects"][rows["object"]] = {"class": rows["class"], **named}

    def apply_fields(self, entry):
        body, type_, by, at = entry["body"], entry["t"], entry["actor"], entry["ts"]
        if type_ == "dataset.fields.declared":
            fields = self.all["fields"].setdefault(body["dataset"], {})
            fields.update({one["field"]: {"decision": one, "by": by, "at": at} for one in body["fields"]})
        elif type_ == "dataset.version.scanned":
            self.all["scans"].setdefault(body["dataset"], {})[body["version"]] = {"scanned": body, "at": at}
        elif type_ == "dataset.view.declared":
            views = self.all["views"].setdefault(body["dataset"], {})
            views[body["purpose"]] = {"spec": body["spec"], "by": by, "at": at}
        elif type_ == "dataset.view.retired":
            self.all["views"].get(body["dataset"], {}).pop(body["purpose"], None)
        elif type_ == "finding.opened":
            self.all["findings"][body["finding"]] = {"opened": body, "at": at, "resolved": None}
        elif body["finding"] in self.all["findings"]:
            self.all["findings"][body["finding"]]["resolved"] = [body, by, at]

    @staticmethod
    def apply_request(entry, request):
        type_, body = entry["t"], entry["body"]
        if request is None:
            return
        if type_ == "request.identity.checked":
            request["identity"] = body["result"]
            if body["result"] == "confirmed":
                request["confirmed_by"] = sorted({*request["confirmed_by"], entry["actor"]})
        elif type_ == "request.searched":
            request["searched"] = body
        elif type_ == "request.assessed":
            request["assessed"][body["model"] + "/" + body["version"]] = body["action"]
        elif type_ == "request.started":
            request["started_at"] = entry["ts"]
        elif type_ == "request.step":
            request["steps"].append([body["step"], entry["ts"]])
        elif type_ == "request.closed":
            request["closed"] = [body["outcome"], entry["ts"]]

    @staticmethod
    def apply_approval(entry, approval):
        body, by, at = entry["body"], entry["actor"], entry["ts"]
        if approval is None:
            return
        if entry["t"] == "approval.voted":
            cast = {"by": by, "vote": body["vote"], "on_behalf_of": body.get("on_behalf_of"), "at": at}
            approval["votes"].append(cast)
        elif entry["t"] == "approval.withdrawn":
            approval["withdrawn_at"] = at
        elif entry["t"] == "approval.commented":
            comment = {"comment": body["comment"], "by": by, "at": at, "sealed_sha256": body["sealed_sha256"]}
            approval["comments"].append(comment)
        elif entry["t"] == "approval.consumed":
            approval["consumed"] = [by, at]


# --- Packages ----------------------------------------------------------------------------------------------------------


class Package:
    """A package while it is verified."""

    def __init__(self, path, report):
        self.report = report
        self.zip = zipfile.ZipFile(path)
        self.files = {}
        for info in self.zip.infolist():
            name = info.filename
            if info.compress_type or info.flag_bits & 1 or name in self.files or name.endswith("/"):
                report.fail("zip.entry", name, "it is compressed, encrypted, a directory, or comes twice")
                continue
            try:
                self.files[name] = self.zip.read(info)
            except zipfile.BadZipFile as error:
                report.fail("zip.checksum", name, str(error))
        if "manifest.json" not in self.files:
            raise Broken("no readable manifest.json")
        self.manifest = read_json(self.files["manifest.json"])
        members = {"v", "package", "created_at", "origin", "log_vkey", "from", "to", "size", "root", "payloads", "program",
                   "files", "segments"}
        if not isinstance(self.manifest, dict) or set(self.manifest) != members or self.manifest["v"] != 1:
            raise Broken("not a manifest of version 1")
        self.raw, self.entries, self.roots, self.gone = [], {}, {}, Counter()

    def verify(self, pinned):
        self.check_files()
        self.read_entries()
        self.check_log(pinned)
        self.fold()
        for segment in self.manifest["segments"]:
            self.check_segment(segment)
        self.check_controls()
        for path, data in self.files.items():
            match = re.fullmatch("reviews/([^/]+)/list.json", path)
            completed = {body["review"]: body["list_sha256"] for _, body in self.of_type("review.completed")}
            if match and completed.get(match[1]) != sha256(data).hex():
                report = self.report
                report.fail("review.list", path, "it is not the list that the ledger commits to")
        self.check_completeness()
        report = self.report
        report.checked |= {"integrity", "completeness"}
        report.note("integrity", "parquet.digest", "segments", "Parquet files were compared by digest, their rows were not read")
        report.unknown("freshness", "age.unjudged", "checkpoint", "this verifier judges no age")
        report.unknown("independence", "policy.absent", "checkpoint", "this verifier reads no policy")
        self.conclude_erasure()

    def conclude_erasure(self):
        report = self.report
        for code, n in sorted(self.gone.items()):
            report.note("erasure", code, "segments", f"{n} payloads are gone, as entries say")
        self.check_causes()
        erased = self.check_erasures()
        if not erased and not self.of_type("payload.compacted") and not self.of_type("retention.disposed"):
            report.unknown("erasure", "erasure.none", "entries", "no entry tells of anything that is gone")
        elif not self.manifest["payloads"]:
            report.unknown("erasure", "erasure.unseen", "manifest.json", "the package was made without payloads")
        else:
            report.checked.add("erasure")

    def check_causes(self):
        """Whether what payloads are said to be taken out because of was under way."""
        begun, steps, unexplained = set(), {}, 0
        before = ERASURE_STEPS[: ERASURE_STEPS.index("payload_rows_removed")]
        told = [*self.of_type("payload.compacted"), *self.of_type("retention.disposing"), *self.of_type("request.step")]
        for seq, body in sorted(told, key=lambda item: item[0]):
            if "step" in body:
                steps.setdefault("request/" + body["request"], []).append(body["step"])
            elif "disposal" in body:
                begun.add("disposal/" + body["disposal"])
            else:
                unexplained += not body.get("because")
                for cause in body.get("because", []):
                    if cause not in begun and steps.get(cause) != before:
                        message = f"payloads were taken out because of {cause}, which was not under way"
                        self.report.fail("payload.cause", f"entry {seq}", message)
        if unexplained:
            message = f"{unexplained} entries say of payloads that they were taken out, and not why"
            self.report.unknown("erasure", "payload.unexplained", "entries", message)

    def check_erasures(self):
        report, steps = self.report, {}
        for _, body in self.of_type("request.step"):
            steps.setdefault(body["request"], []).append(body["step"])
        for request, done in steps.items():
            if done != ERASURE_STEPS[: len(done)]:
                report.fail("erasure.steps", "request/" + request, "its steps are not in their order, each once", "erasure")
            elif done != ERASURE_STEPS:
                report.note("erasure", "erasure.under_way", "request/" + request, "it is not completed")
        return bool(steps)

    def check_files(self):
        report, listed = self.report, self.manifest["files"]
        paths = [file["path"] for file in listed]
        if any(a.encode() >= b.encode() for a, b in zip(paths, paths[1:])):
            report.fail("manifest.order", "manifest.json", "its files are not sorted by path, each once")
        for file in listed:
            data = self.files.get(file["path"])
            if data is None:
                report.fail("file.missing", file["path"], "the manifest lists it, the package lacks it")
            elif sha256(data).hex() != file["sha256"] or len(data) != file["len"]:
                report.fail("file.digest", file["path"], "it is not the file that the manifest lists")
        for path in set(self.files) - set(paths) - {"manifest.json", "manifest.note"}:
            report.fail("file.unlisted", path, "the package has it, the manifest does not list it")

    def read_entries(self):
        size, index = self.manifest["size"], 0
        bundles = sum(path.startswith("tile/entries/") for path in self.files)
        readable = min(size, (bundles + 1) * 256)
        if readable < size:
            self.report.fail("entries.missing", "manifest.json", "it claims more entries than there are files for")
        while index * 256 < readable:
            width = min(256, readable - index * 256)
            path = tile_path(index, width)
            try:
                entries = split_bundle(self.files.get(path))
                if len(entries) != width:
                    raise Broken("another number of entries than it should")
            except Broken as error:
                self.report.fail("entries.missing", path, str(error))
                entries = [None] * width
            self.raw += entries
            index += 1
        tree, whole = Tree(), True
        self.roots[0] = tree.root()
        for seq, data in enumerate(self.raw):
            whole = whole and data is not None
            if whole:
                tree.push(leaf(data))
                self.roots[tree.size] = tree.root()
            if data is None:
                continue
            try:
                self.entries[seq] = read_entry(data)
                if compact(self.entries[seq]) != data:
                    self.report.fail("entry.form", f"entry {seq}", "it is not compact JSON")
            except Broken as error:
                self.report.fail("entry.unreadable", f"entry {seq}", str(error))

    def of_type(self, type_):
        return [(seq, entry["body"]) for seq, entry in sorted(self.entries.items()) if entry["t"] == type_]

    def body(self, seq, type_):
        entry = self.entries.get(seq)
        return entry["body"] if entry and entry["t"] == type_ else None

    def check_log(self, pinned):
        report, manifest = self.report, self.manifest
        org = self.body(0, "org.created")
        if org is None:
            report.fail("org.missing", "entry 0", "the ledger does not begin with org.created")
        else:
            if org["log_vkey"] != manifest["log_vkey"]:
                report.fail("key.changed", "manifest.json", "the ledger began with another key")
            if org["origin"] != manifest["origin"]:
                report.fail("origin.changed", "manifest.json", "the ledger began with another origin")
        if pinned and pinned != manifest["log_vkey"]:
            report.fail("key.untrusted", "manifest.json", "it is signed for by another key than you trust")
        if not pinned:
            report.note("integrity", "key.unpinned", "manifest.json", "the log's key was taken from the package itself")
        try:
            key = Key(pinned or manifest["log_vkey"])
        except Broken as error:
            return report.fail("key.unreadable", "manifest.json", str(error))
        agrees = False
        text = self.files.get("checkpoint")
        if text is None:
            report.fail("checkpoint.missing", "checkpoint", "the package has no checkpoint")
        else:
            agrees = self.check_checkpoint(text, key)
        self.check_note(key)
        for seq, beat in self.of_type("ledger.heartbeat"):
            try:
                _, size, hash_ = open_checkpoint(beat["checkpoint"], key)
            except Broken as error:
                report.fail("heartbeat.signature", f"entry {seq}", str(error))
                continue
            if size > seq or self.roots.get(size, hash_) != hash_:
                code = "log.rollback" if agrees else "heartbeat.root"
                report.fail(code, f"entry {seq}", f"the log signed another history of size {size}")

        for seq, body in self.of_type("ledger.rollback.accepted"):
            try:
                _, size, _ = open_checkpoint(body["remembered"], key)
            except Broken as error:
                report.fail("rollback.signature", f"entry {seq}", str(error))
                continue
            if (size, seq) != (body["from_size"], body["to_size"]):
                report.fail("rollback.size", f"entry {seq}", "it names other sizes than there are")

    def check_note(self, key):
        report, manifest = self.report, self.manifest
        if "manifest.note" not in self.files:
            message = "nobody signed it, so nothing shows that its window is what was exported"
            return report.unknown("integrity", "manifest.unsigned", "manifest.json", message)
        try:
            text = open_note(self.files["manifest.note"].decode(), key)
        except (Broken, UnicodeDecodeError) as error:
            return report.fail("manifest.signature", "manifest.note", str(error))
        digest = sha256(self.files["manifest.json"]).hex()
        if text != "counterfoil/package@v1\norigin {}\npackage {}\nfrom {}\nto {}\nmanifest {}\n".format(
            key.name, manifest["package"], manifest["from"], manifest["to"], digest
        ):
            report.fail("manifest.altered", "manifest.json", "it is not the manifest that the log signed")

    def check_checkpoint(self, text, key):
        report, before = self.report, len(self.report.findings)
        try:
            origin, size, hash_ = open_checkpoint(text.decode(), key)
        except (Broken, UnicodeDecodeError) as error:
            report.fail("checkpoint.signature", "checkpoint", str(error))
            return False
        if (size, hash_.hex()) != (self.manifest["size"], self.manifest["root"]):
            report.fail("checkpoint.manifest", "checkpoint", "manifest and checkpoint disagree on size or root")
        if origin != self.manifest["origin"]:
            report.fail("checkpoint.origin", "checkpoint", "manifest and checkpoint disagree on the log")
        if size not in self.roots:
            report.fail("checkpoint.entries", "checkpoint", f"not all of the {size} entries under it are there")
        elif self.roots[size] != hash_:
            report.fail("entries.root", f"entries 0 to {size}", "the entries do not lead to the signed root")
        return len(report.findings) == before

    def fold(self):
        report, versions, state, others = self.report, Counter(), State(), 0
        for seq, entry in sorted(self.entries.items()):
            where = f"entry {seq}"
            if entry["stream"] != EVENTS[entry["t"]][0].format(**entry["body"]):
                report.fail("stream.name", where, "it is in a stream where it does not belong")
            if entry["sv"] != versions[entry["stream"]] + 1:
                report.fail("stream.version", where, f"version {entry['sv']} of stream {entry['stream']} does not follow")
            versions[entry["stream"]] = entry["sv"]
            if state is None or state.all["size"] != seq:
                state = None
                continue
            if entry["t"] == "state.digest":
                ours = entry["body"].get("fold") == State.FOLD
                others += not ours
                if entry["body"]["size"] != seq or (ours and entry["body"]["sha256"] != state.digest()):
                    report.fail("state.digest", where, "the entries before it fold to another state")
            self.check_review(state, entry, where)
            state.apply(entry)
        if others:
            message = f"{others} state digests were taken by another revision of the fold, and not recomputed"
            report.note("integrity", "state.revision", "entries", message)

    def check_review(self, state, entry, where):
        body = entry["body"]
        if entry["t"] == "review.started":
            held = state.held_in(body["scope"], body.get("credentials", False), entry["ts"])
            rows = sorted(compact({"item": name, **{key: value for key, value in item.items() if key != "decided"}})
                          for name, item in held.items())
            found = (len(rows), root(leaf(row) for row in rows).hex(), state.all["size"])
            if found != (body["population"], body["population_root"], body["at_size"]):
                self.report.fail("review.population", where, "its population is not what was held then")
        elif entry["t"] == "review.completed":
            known = body["review"] in state.all["reviews"]
            if not known or sha256(compact(state.review_list(body["review"], entry["ts"]))).hex() != body["list_sha256"]:
                self.report.fail("review.list", where, "its list is not what was decided")

    def check_segment(self, segment):
        report, where = self.report, segment["dir"]
        name = (segment["node"], segment["incarnation"], segment["number"])
        sealing = self.entries.get(segment["event"], {"t": "none"})["t"]
        kind = "accesses" if sealing == "accesses.sealed" else "segment"
        _, fields, folder, sealed_type, progress_type = KINDS[kind]
        if where != "{}/{}-{}-{}".format(folder, *name):
            report.fail("segment.dir", where, "it is not where it should be")
        sealed = self.body(segment["event"], sealed_type)
        if sealed is None or (sealed["node"], sealed["incarnation"], sealed["number"]) != name:
            return report.fail("segment.unsealed", where, "its entry does not seal this segment")
        wanted = ["leaves", "core.tlv", "core.parquet"] + ["payload.bin"] * (self.manifest["payloads"] and kind == "segment")
        files = {file: self.files.get(f"{where}/{file}") for file in wanted}
        for file in [file for file, data in files.items() if data is None]:
            report.fail("segment.missing", f"{where}/{file}", "the file is missing")
        data = files["leaves"] or b""
        leaves = [data[at:at + 32] for at in range(0, len(data), 32)]
        pieces, whole = frames(files["core.tlv"] or b"")
        if not whole:
            report.fail("records.framing", f"{where}/core.tlv", "it ends within a record")
        hashes = [leaf(piece) for piece in pieces]
        # What leads to the root is what was sealed. When neither does, only the rows could tell what was changed.
        right = [len(found) == sealed["n"] and root(found).hex() == sealed["root"] for found in (leaves, hashes)]
        if not right[0]:
            report.fail("segment.leaves", f"{where}/leaves", "its leaves do not lead to the sealed root")
            leaves = hashes if right[1] else []
        if not right[1]:
            report.fail("segment.records", f"{where}/core.tlv", "its records do not lead to the sealed root")
            if right[0]:
                self.name_differences(leaves, hashes, f"{where}/core.tlv")
        records = self.read_records(pieces, fields, sealed, where)
        parquet = files["core.parquet"]
        if parquet is not None and (sha256(parquet).hex(), len(parquet)) != (sealed["core"]["sha256"], sealed["core"]["len"]):
            report.fail("parquet.digest", f"{where}/core.parquet", "it is not the file that the ledger sealed")
        if files.get("payload.bin") is not None:
            self.check_payloads(files["payload.bin"], records, where, sealed)
        for seq, told in self.of_type(progress_type):
            if (told["node"], told["incarnation"], told["number"]) == name and told["n"] <= len(leaves):
                if root(leaves[:told["n"]]).hex() != told["root"]:
                    report.fail("segment.progress", where, f"entry {seq} was told another root")

    def name_differences(self, expected, found, where):
        missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        for at, hash_ in enumerate(found):
            here = expected[at] if at < len(expected) else None
            if hash_ == here:
                continue
            if hash_ in extra:
                code = "record.altered" if len(found) == len(expected) and here in missing else "record.added"
                self.report.fail(code, f"{where} record {at}", "it is not the record that was sealed there")
            elif not missing and not extra:
                self.report.fail("record.moved", f"{where} record {at}", "it was sealed at another place")
        if len(found) < len(expected) or (missing and len(found) > len(expected)):
            for at in [at for at, hash_ in enumerate(expected) if hash_ in missing]:
                self.report.fail("record.removed", f"{where} place {at}", "the record that was sealed there is missing")

    def read_records(self, pieces, fields, sealed, where):
        report, records, hours = self.report, [], Counter()
        for at, piece in enumerate(pieces):
            place = f"{where}/core.tlv record {at}"
            try:
                record = read_record(piece, fields)
            except Broken as error:
                report.fail("record.unreadable", place, str(error))
                continue
            records.append(record)
            hours[record["ts_end"] // (HOUR_MS * 1000) * HOUR_MS] += 1
            if (record["node"], record["incarnation"]) != (sealed["node"], sealed["incarnation"]):
                report.fail("record.node", place, "it names another node or incarnation")
            if record["node_seq"] != sealed["first"] + len(records) - 1:
                report.fail("record.number", place, "records are missing or out of order", "completeness")
        times = [record["ts_end"] for record in records] or [None]
        said = (sealed["n"], sealed["t0"], sealed["t1"], [list(pair) for pair in sealed["hours"]])
        if (len(records), min(times), max(times), [list(pair) for pair in sorted(hours.items())]) != said:
            report.fail("segment.summary", where, "its event does not summarise its records")
        return records

    def taken_out(self, sealed, where):
        """How many payloads were taken out of a segment, and the root over those that are left."""
        name, standing, rows = (sealed["node"], sealed["incarnation"], sealed["number"]), sealed["payload"]["sha256"], 0
        left = None
        for seq, body in self.of_type("payload.compacted"):
            if (body["node"], body["incarnation"], body["number"]) == name:
                if body["old"]["sha256"] != standing:
                    self.report.fail("payload.replaced", where, f"entry {seq} wrote another file anew than the one that stood")
                standing, rows = body.get("new", {}).get("sha256"), rows + body["rows_removed"]
                left = body.get("left")
        return rows, left

    def check_payloads(self, data, records, where, sealed):
        begun = {body["disposal"] for _, body in self.of_type("retention.disposing")}
        done = [body for _, body in self.of_type("retention.disposed") if body["disposal"] in begun]
        days = {(body["item"]["class"], body["item"].get("day")) for body in done}
        (taken_out, left), missing = self.taken_out(sealed, where), 0
        payloads, whole = frames(data)
        if not whole or len(payloads) != len(records):
            self.report.fail("payload.framing", f"{where}/payload.bin", "not one payload for each record")
        owners = {record["ct_sha256"]: at for at, record in enumerate(records)}
        for at, (payload, record) in enumerate(zip(payloads, records)):
            digest, disposed = sha256(payload), (record["classification"], record["day"]) in days
            if not payload:
                missing += 1
                if missing <= taken_out:
                    self.gone["payload.disposed" if disposed else "payload.erased"] += 1
            elif disposed:
                self.report.fail("payload.kept", f"{where}/payload.bin record {at}", "its day was disposed of", "erasure")
            if payload and digest != record["ct_sha256"]:
                place = f"{where}/payload.bin record {at}"
                if digest in owners:
                    self.report.fail("payload.swapped", place, f"it has the payload of record {owners[digest]}")
                else:
                    self.report.fail("payload.altered", place, "its payload is not the one that was sealed")
        if left:
            tree = Tree()
            for payload in filter(None, payloads):
                tree.push(leaf(payload))
            if tree.root().hex() != left:
                self.report.fail("payload.left", f"{where}/payload.bin", "its payloads are not those that were left")
        if missing > taken_out:
            self.report.fail("payload.missing", f"{where}/payload.bin", f"{missing} are missing, {taken_out} were taken out")
        elif missing < taken_out:
            message = f"{taken_out} were taken out, and only {missing} are missing"
            self.report.fail("payload.kept", f"{where}/payload.bin", message, "erasure")

    def check_controls(self):
        report, standing = self.report, {}
        for seq, run in self.of_type("control.ran"):
            if run["control"] not in standing or reach(run) >= reach(standing[run["control"]][1]):
                standing[run["control"]] = seq, run
            if run["at_size"] > seq or self.roots.get(run["at_size"], b"").hex() not in ("", run["at_root"]):
                report.fail("control.at", f"entry {seq}", "it ran over another ledger")
        controls = {path.split("/")[1] for path in self.files if path.startswith("controls/")}
        for control in sorted(standing.keys() - controls):
            message = f"entry {standing[control][0]} has a result of it, which is not in the package"
            report.fail("control.absent", f"controls/{control}", message, "completeness")
        for control in sorted(controls):
            where = f"controls/{control}/result.json"
            try:
                result = read_json(self.files.get(where, b""))
                if set(result) != {"event", "run", "violations", "population"}:
                    raise Broken("not a result")
            except Broken as error:
                report.fail("control.unreadable" if where in self.files else "control.missing", where, str(error))
                continue
            if control in standing and result["event"] != standing[control][0]:
                message = f"the result of entry {standing[control][0]} stands"
                report.fail("control.superseded", where, message, "completeness")
            self.check_result(control, result, where)

    def check_result(self, control, result, where):
        report, run = self.report, result["run"]
        if self.body(result["event"], "control.ran") != run or run["control"] != control:
            return report.fail("control.unrecorded", where, "its entry does not record this run")
        queries = [self.files.get(f"controls/{control}/{name}.sql") for name in ("query", "population")]
        if None in queries:
            report.fail("control.missing", where, "a query is missing")
        else:
            logic = b"".join(struct.pack("<I", len(text)) + text for text in (q.rstrip(b" \t\r\n\f") for q in queries))
            if sha256(logic).hex() != run["logic_sha256"]:
                report.fail("control.logic", where, "the queries are not those that ran")
        population, violations = result["population"], result["violations"]
        for code, count, said, items in [
            ("control.population", run["population"], run["population_root"], [item.encode() for item in population]),
            ("control.violations", run["violations"], run["violations_root"], [compact(row) for row in violations]),
        ]:
            if (len(items), root(leaf(item) for item in sorted(items)).hex()) != (count, said):
                report.fail(code, where, "they are not those that the ledger committed to")
        if len(set(population)) < len(population):
            report.fail("control.population", where, "an item comes twice")
        if any(row.get("item") not in set(population) for row in violations):
            report.fail("control.item", where, "a violating item is not in the population")
        follows = {"pass": run["population"] > 0 and run["violations"] == 0, "fail": run["violations"] > 0,
                   "not_tested": "reason" in run}
        if not follows[run["outcome"]]:
            report.fail("control.outcome", where, "its outcome does not follow")

    def check_completeness(self):
        report, manifest = self.report, self.manifest
        missing = sum(data is None for data in self.raw) + max(0, manifest["size"] - len(self.raw))
        if missing:
            report.fail("entries.gap", "entries", f"{missing} entries are not in the package", "completeness")
        newest = {}
        for seq, body in self.of_type("node.joined"):
            if body["incarnation"] != newest.get(body["node"], 0) + 1:
                report.fail("node.incarnation", f"entry {seq}", "an incarnation does not follow", "completeness")
            newest[body["node"]] = body["incarnation"]
        chains = self.check_chains("segment")
        self.check_progress("segment", chains, newest)
        self.check_progress("accesses", self.check_chains("accesses"), newest)
        self.check_counts(chains, newest)
        self.check_heartbeats()
        self.check_rollbacks()

    def check_chains(self, kind):
        report, manifest = self.report, self.manifest
        chains, listed = {}, {segment["event"] for segment in manifest["segments"]}
        for seq, body in self.of_type(KINDS[kind][3]):
            chain = chains.setdefault((body["node"], body["incarnation"]), [])
            last = chain[-1] if chain else {"number": -1, "first": 0, "n": 0, "root": None}
            expected = (last["number"] + 1, last["first"] + last["n"], last["root"])
            if (body["number"], body["first"], body.get("prev")) != expected:
                report.fail("segment.chain", f"entry {seq}", "a segment does not follow", "completeness")
            chain.append(body)
            overlaps = body["t1"] >= manifest["from"] * 1000 and body["t0"] < manifest["to"] * 1000
            gone = self.disposed_segment(kind, body)
            if gone and seq in listed:
                report.fail("segment.kept", f"entry {seq}", "its records were disposed of, and are still here", "erasure")
            elif gone and overlaps:
                self.check_disposed(*gone, body)
            elif overlaps and seq not in listed:
                report.fail("segment.absent", f"entry {seq}", "a segment of the window is not there", "completeness")
        return chains

    def disposed_segment(self, kind, sealed):
        """The entry that says that a segment's records went, and what it says of it."""
        word = "access_core" if kind == "accesses" else "inference_core"
        name = (sealed["node"], sealed["incarnation"], sealed["number"])
        found = None
        for seq, body in self.of_type("segments.disposed"):
            for gone in body["segments"]:
                if body["kind"] == word and (gone["node"], gone["incarnation"], gone["number"]) == name:
                    found = (seq, body["disposal"], gone)
        return found

    def check_disposed(self, seq, disposal, gone, sealed):
        where = "segment {}-{}-{}".format(gone["node"], gone["incarnation"], gone["number"])
        rules = [body["rule"] for at, body in self.of_type("retention.disposing") if body["disposal"] == disposal and at < seq]
        if not rules:
            self.report.fail("segment.disposal", where, f"entry {seq} is of a disposal that never began")
        elif any(gone[member] != sealed[member] for member in ("root", "n", "core")):
            self.report.fail("segment.disposal", where, f"entry {seq} says it of another segment than was sealed")
        else:
            message = f"its records were disposed of by rule {rules[-1]} (event {seq})"
            self.report.note("erasure", "segment.disposed", where, message)

    def check_progress(self, kind, chains, newest):
        furthest = {}
        for _, body in self.of_type(KINDS[kind][4]):
            name = (body["node"], body["incarnation"], body["number"])
            furthest[name] = max(furthest.get(name, 0), body["n"])
        for (node_, incarnation, number), n in furthest.items():
            where, chain = f"{kind} {node_}-{incarnation}-{number}", chains.get((node_, incarnation), [])
            sealed = [body["n"] for body in chain if body["number"] == number]
            if sealed:
                if sealed[0] < n:
                    self.report.fail("progress.dropped", where, "fewer were sealed than reported", "completeness")
            elif newest.get(node_, 0) > incarnation or any(body["number"] > number for body in chain):
                self.report.fail("progress.unsealed", where, "it was never sealed", "completeness")
            else:
                self.report.unknown("completeness", "progress.open", where, "not sealed yet")

    def check_counts(self, chains, newest):
        report, manifest = self.report, self.manifest
        sealed, counted = Counter(), {}
        for (node_, incarnation), chain in chains.items():
            for hour, n in (pair for body in chain for pair in body["hours"]):
                sealed[node_, incarnation, hour] += n
        for seq, body in self.of_type("gateway.counted"):
            counted[body["node"], body["incarnation"], body["hour"]] = (self.entries[seq]["ts"], body)
        lost = {}
        for _, body in self.of_type("gateway.count.lost"):
            lost[body["node"], body["incarnation"], body["hour"]] = body["records"]
        now = max((entry["ts"] for entry in self.entries.values()), default=0)
        for name in sorted(set(sealed) | set(counted) | set(lost)):
            node_, incarnation, hour = name
            if hour >= manifest["to"] or hour + HOUR_MS <= manifest["from"]:
                continue
            at, body = counted.get(name, (None, {"requests": 0, "logged": 0}))
            where = f"node {node_}, hour {hour}"
            if body["requests"] != body["logged"]:
                report.fail("count.unrecorded", where, "requests were answered without a record", "completeness")
            if name in lost:
                if sealed[name] < max(lost[name], body["logged"]):
                    report.fail("count.missing", where, "fewer are sealed than were found or counted", "completeness")
                else:
                    report.unknown("completeness", "count.lost", where, "the count died with its process")
                continue
            ended, settled = newest.get(node_, 0) > incarnation, hour + 2 * HOUR_MS <= now
            last = at is not None and at >= hour + HOUR_MS
            if sealed[name] < body["logged"] and (ended or settled):
                report.fail("count.missing", where, "fewer are sealed than were counted", "completeness")
            elif sealed[name] > body["logged"] and last and settled:
                report.fail("count.surplus", where, "more are sealed than were counted", "completeness")
            elif sealed[name] != body["logged"]:
                code = "count.lost" if ended else "count.open"
                report.unknown("completeness", code, where, "it cannot be compared, or not yet")

    def check_heartbeats(self):
        last, entries = None, sorted(self.entries.items())
        for seq, entry in entries:
            if entry["t"] not in ("ledger.heartbeat", "node.joined") and seq != entries[-1][0]:
                continue
            since, last = (entry["ts"] if last is None else last), entry["ts"]
            overlaps = entry["ts"] >= self.manifest["from"] and since < self.manifest["to"]
            if entry["ts"] - since > HOUR_MS and overlaps:
                if entry["t"] == "node.joined":
                    self.report.note("completeness", "heartbeat.stopped", f"entry {seq}", "a silence, then a start")
                else:
                    self.report.unknown("completeness", "heartbeat.gap", f"entry {seq}", "no sign of life for over an hour")

    def check_rollbacks(self):
        before = None
        for seq, entry in sorted(self.entries.items()):
            since, before = before, entry["ts"]
            told = entry["t"] == "ledger.resumed" and entry["body"]["unnamed"]
            if entry["t"] != "ledger.rollback.accepted" and not told:
                continue
            outside = entry["ts"] < self.manifest["from"] or since is not None and since >= self.manifest["to"]
            weight = "note" if outside else "unknown"
            code = "ledger.resumed" if told else "rollback.accepted"
            why = "it goes on without witnesses that stopped it" if told else "an older copy was gone on with"
            self.report.add("completeness", weight, code, f"entry {seq}", why)


def tile_path(index, width):
    path = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        path = f"x{index % 1000:03}/{path}"
    return f"tile/entries/{path}" + (f".p/{width}" if width < 256 else "")


def split_bundle(data):
    if data is None:
        raise Broken("the file is missing")
    entries, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data.ljust(at + 2, b"\xff"), at)
        if at + 2 + length > len(data):
            raise Broken("it ends within an entry")
        entries.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return entries


# --- Proofs ------------------------------------------------------------------------------------------------------------


def verify_log_proof(text, entry, key):
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Broken("not a tlog-proof")
    if lines and lines[0].startswith("extra "):
        lines.pop(0)
    if not lines or not lines[0].startswith("index "):
        raise Broken("expected an index")
    index, path = decimal(lines.pop(0)[6:]), [unb64(line) for line in lines]
    _, size, hash_ = open_checkpoint(checkpoint, key) if key else read_checkpoint(checkpoint)
    if root_from_inclusion(leaf(entry), index, size, path) != hash_:
        raise Broken("the entry is not in the log at this index")


def verify_event_proof(upper):
    if len(upper) != 1 or not upper[0].startswith("entry "):
        raise Broken("expected an entry")
    entry = unb64(upper[0][6:])
    read_entry(entry)
    return entry


def verify_record_proof(upper):
    def take(word):
        if not upper or not upper[0].startswith(word + " "):
            raise Broken(f"expected `{word}`")
        return upper.pop(0)[len(word) + 1:]

    schema = take("schema")
    kinds = [kind for kind in KINDS.values() if kind[0] == schema]
    if not kinds:
        raise Broken("a record of a kind that is not known")
    _, fields, _, sealed_type, _ = kinds[0]
    data, index, path = unb64(take("record")), decimal(take("index")), []
    while upper and not upper[0].startswith("event "):
        path.append(unb64(upper.pop(0)))
    entry = unb64(take("event"))
    record, event = read_record(data, fields), read_entry(entry)
    sealed = event["body"]
    if event["t"] != sealed_type:
        raise Broken("its event seals no segment of this kind of record")
    if root_from_inclusion(leaf(data), index, sealed["n"], path).hex() != sealed["root"]:
        raise Broken("the record is not in the segment")
    place = (sealed["node"], sealed["incarnation"], sealed["first"] + index)
    if (record["node"], record["incarnation"], record["node_seq"]) != place:
        raise Broken("the record names another place")
    if upper:
        packed = unb64(take("commits"))
        commitments = [packed[at:at + 32] for at in range(0, len(packed), 32)]
        if sha256(b"cf/c/v1" + struct.pack("<H", len(commitments)) + packed) != record.get("c_root"):
            raise Broken("the commitments are not the record's")
        last = -1
        while upper:
            field, salt, value = take("disclose").split(" ")
            field, salt, value = decimal(field), unb64(salt), unb64(value)
            message = struct.pack("<H", field) + value
            if field <= last or len(salt) != 32 or hmac.digest(salt, message, "sha256") not in commitments:
                raise Broken(f"the disclosed value of field {field} is not the committed one")
            last = field
    return entry


def verify_review_list(upper):
    if len(upper) != 2 or not upper[0].startswith("list ") or not upper[1].startswith("entry "):
        raise Broken("expected a list and an entry")
    data, entry = unb64(upper[0][5:]), unb64(upper[1][6:])
    event = read_entry(entry)
    if event["t"] != "review.completed" or event["body"]["list_sha256"] != sha256(data).hex():
        raise Broken("the entry does not commit to the list")
    return entry


def verify_proof(text, pinned, report):
    report.unknown("completeness", "proof.single", "proof", "a proof is of one entry")
    try:
        head, _, lower = text.partition("\n\n")
        kind, *upper = head.split("\n")
        kinds = {"counterfoil/event-proof@v1": verify_event_proof, "counterfoil/record-proof@v1": verify_record_proof,
                 "counterfoil/review-list@v1": verify_review_list}
        if kind not in kinds:
            raise Broken("not a proof of a kind that is known")
        entry = kinds[kind](upper)
        verify_log_proof(lower, entry, Key(pinned) if pinned else None)
        report.checked.add("integrity")
        if not pinned:
            report.unknown("integrity", "key.absent", "checkpoint", "who signed it was not checked: give the log's key")
    except (Broken, ValueError, KeyError, TypeError, struct.error) as error:
        report.fail("proof.broken", "proof", str(error))


CERTIFICATE = "counterfoil/erasure-certificate@v1"
CERTIFICATE_MEMBERS = {
    "format": str, "organisation": str, "origin": str, "log_vkey": str, "size": int, "root": str, "request": str,
    "subjects": list, "received_at": int, "completed_at": int, "method": str, "limits": list, "events": list,
}
CERTIFIED_MEMBERS = {"seq": int, "at": int, "event": str, "step": str, "counts": dict, "keys": list, "model": str, "proof": str}
CERTIFIED_OPTIONAL = {"step", "counts", "keys", "model"}
ERASURE_METHOD = (
    'Cryptographic erase (NIST SP 800-88r2, technique "purge" where the media allow it, else "clear"): every key of the '
    "person is overwritten and the keys that wrapped them are replaced, up to a new root key whose predecessor is destroyed. "
    "What was sealed under a destroyed key with AES-256-GCM cannot be opened any more, wherever a copy of it lies. Sealed "
    "contents are then removed from the files in which they lay."
)
ERASURE_LIMITS = [
    "Solid-state disks keep remnants of overwritten blocks where no program reaches: encrypt the volume that holds the key store.",
    "Copies that were disclosed before, opened, to others are with them: a provider that answered an inference has what it was "
    "sent.",
    "Models that were trained on the person's data and are kept, with the reason named above, may still say something of them.",
    "A backup of the key store from before opens nothing once the custodian of the root key has forgotten the old one; where it "
    "keeps old versions, until those or the backup expire.",
    "The ledger keeps what happened, with random references and pseudonyms only; it has no key to what they stood for.",
    "Versions of data sets that were stored as being about nobody in particular, or in a form in which nobody can be found, were "
    "not searched: whoever is in their rows is there still, until they are destroyed.",
    "What was in this computer's memory or swap during the erasure is beyond what is proven here.",
]


def has_members(value, members, optional=()):
    """Whether an object has these members and no other, each of its type."""
    if not isinstance(value, dict) or not set(members) - set(optional) <= set(value) <= set(members):
        return False
    return all(type(value[name]) is members[name] for name in value)


class Certificate:
    """A certificate of erasure: each event held to its proof, and all of them to what an erasure takes."""

    def __init__(self, text, report):
        self.report = report
        self.all = read_json(text.encode())
        if not has_members(self.all, CERTIFICATE_MEMBERS):
            raise Broken("not the members of a certificate")
        if not all(has_members(event, CERTIFIED_MEMBERS, CERTIFIED_OPTIONAL) for event in self.all["events"]):
            raise Broken("not the members of an event")
        self.entries = []

    def verify(self, pinned):
        report, certificate = self.report, self.all
        for code, member, expected in [
            ("certificate.format", "format", CERTIFICATE), ("certificate.method", "method", ERASURE_METHOD),
            ("certificate.limits", "limits", ERASURE_LIMITS),
        ]:
            if certificate[member] != expected:
                report.fail(code, member, "it is not what every certificate says")
        key = self.key(pinned)
        for event in certificate["events"]:
            self.check_event(event, key)
        numbers = [event["seq"] for event in certificate["events"]]
        if any(a >= b for a, b in zip(numbers, numbers[1:])):
            report.fail("certificate.order", "events", "events are not in the order of the ledger, each once")
        self.check_owner()
        self.check_erasure()
        report.checked |= {"integrity", "erasure"}
        report.unknown("completeness", "proof.single", "certificate", "a certificate is of one request")
        report.unknown("freshness", "age.unjudged", "checkpoint", "this verifier judges no age")
        report.unknown("independence", "policy.absent", "checkpoint", "this verifier reads no policy")
        if not report.failed("integrity") and not report.failed("erasure"):
            report.note("erasure", "erasure.unproven", "limits", "that no copy was kept elsewhere, nothing here shows")

    def key(self, pinned):
        """The key from elsewhere, else the one that came along, which shows only that the certificate agrees with itself."""
        report, named = self.report, None
        try:
            named = Key(self.all["log_vkey"])
        except Broken as error:
            report.fail("certificate.key", "log_vkey", str(error))
        if not pinned:
            report.unknown("integrity", "key.absent", "log_vkey", "signed by a key that came with the certificate")
            return named
        if named and named.text != pinned:
            report.fail("key.untrusted", "log_vkey", "it names another key than the one that is trusted")
        return Key(pinned)

    def check_event(self, event, key):
        report, place = self.report, f"event {event['seq']}"
        try:
            head, _, log_proof = event["proof"].partition("\n\n")
            kind, *upper = head.split("\n")
            if kind != "counterfoil/event-proof@v1" or len(upper) != 1 or not upper[0].startswith("entry "):
                raise Broken("its proof is not one of an event")
            data = unb64(upper[0][6:])
            origin, size, hash_ = read_checkpoint(log_proof.partition("\n\n")[2])
            index = [decimal(line[6:]) for line in log_proof.partition("\n\n")[0].split("\n") if line.startswith("index ")]
        except (Broken, ValueError, IndexError) as error:
            report.fail("certificate.proof", place, str(error))
            return
        try:
            verify_log_proof(log_proof, data, key)
        except (Broken, ValueError) as error:
            report.fail("certificate.proof", place, f"its proof does not hold: {error}")
        if origin != self.all["origin"]:
            report.fail("certificate.origin", place, "its proof is of another ledger")
        if (size, hash_.hex()) != (self.all["size"], self.all["root"]):
            report.fail("certificate.differs", place, "size and root are not those of its checkpoint")
        try:
            entry = read_entry(data)
        except Broken as error:
            report.fail("certificate.entry", place, str(error))
            return
        body, said = entry["body"], {"seq": index[0] if index else None, "at": entry["ts"], "event": entry["t"]}
        if entry["t"] == "request.step":
            said |= {"step": body["step"], "counts": body["counts"], "keys": body.get("keys", [])}
        elif entry["t"] == "request.searched":
            said["counts"] = body["counts"]
        elif entry["t"] == "request.assessed":
            said["model"] = "{model}/{version}: {assessment}, {action}, {reference}".format(**body)
        said = {name: value for name, value in said.items() if value not in ({}, [])}
        if said != {name: value for name, value in event.items() if name != "proof" and value not in ({}, [])}:
            report.fail("certificate.differs", place, "the certificate says something else than the entry that it proves")
        self.entries.append(entry)

    def check_owner(self):
        certificate, first = self.all, self.all["events"][:1]
        if not first or first[0]["seq"] != 0 or not self.entries or self.entries[0]["t"] != "org.created":
            self.report.fail("certificate.organisation", "organisation", "nothing proves whose ledger it is")
            return
        org = self.entries[0]["body"]
        for code, member, name in [
            ("certificate.organisation", "organisation", "name"), ("certificate.origin", "origin", "origin"),
            ("certificate.key", "log_vkey", "log_vkey"),
        ]:
            if org[name] != certificate[member]:
                self.report.fail(code, member, "the ledger began with another")

    def check_erasure(self):
        report, certificate, request = self.report, self.all, self.all["request"]
        received = confirmed = started = consumed = False
        steps, models, assessed, approval, approvers, voters = [], None, set(), None, set(), set()
        for entry in self.entries:
            type_, body = entry["t"], entry["body"]
            if type_.startswith("request.") and body["request"] != request:
                report.fail("certificate.foreign", "events", f"a {type_} of another request is among the events")
            if type_ == "request.received":
                claimed = (body["kind"], body["subjects"], body["received_at"])
                received = claimed == ("erasure", certificate["subjects"], certificate["received_at"])
            elif type_ == "request.identity.checked":
                confirmed = body["result"] == "confirmed"
            elif type_ == "request.searched":
                models = set(body["models"])
            elif type_ == "request.assessed":
                assessed.add(f"{body['model']}/{body['version']}")
            elif type_ == "request.started":
                started = confirmed and models is not None and models <= assessed
            elif type_ == "request.step":
                steps.append(body["step"])
                if body["step"] == "completed" and entry["ts"] != certificate["completed_at"]:
                    report.fail("certificate.differs", "completed_at", "it is not when the ledger says")
            elif type_ == "approval.requested" and (body["command"], body["resource"]) == (
                "request.execute", "request/" + request
            ):
                approval, consumed, approvers, voters = body["approval"], False, set(), set()
            elif type_ == "approval.voted" and body["approval"] == approval:
                if body["vote"] == "approve":
                    voters.add(entry["actor"])
                    approvers.add(body.get("on_behalf_of") or entry["actor"])
            elif type_ == "approval.consumed" and body["approval"] == approval:
                consumed = min(len(approvers), len(voters)) >= 2
            elif type_ not in ("request.closed", "org.created"):
                report.fail("certificate.foreign", "events", f"a {type_} has no place in a certificate")
        for holds, code, what in [
            (received, "erasure.received", "that these people asked for an erasure, at that time"),
            (confirmed, "erasure.identity", "that it was confirmed who asked"),
            (consumed, "erasure.approved", "that two people approved it, in the approval that was used"),
            (started, "erasure.started", "that it was begun after all that comes before"),
            (steps == ERASURE_STEPS, "erasure.steps", "that every step was done once, in its order"),
        ]:
            if not holds:
                report.fail(code, "events", f"nothing proves {what}", "erasure")


def verify_certificate(text, pinned, report):
    try:
        Certificate(text, report).verify(pinned)
    except (Broken, ValueError, KeyError, TypeError) as error:
        report.fail("certificate.unreadable", "certificate", f"{type(error).__name__}: {error}")


def main(arguments):
    pinned = arguments[arguments.index("--key") + 1] if "--key" in arguments else None
    report, path = Report(), arguments[0]
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 5
    if data[:2] == b"PK":
        try:
            Package(path, report).verify(pinned)
        except (Broken, zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
            report.fail("package.unreadable", "package", f"{type(error).__name__}: {error}")
    elif data.lstrip()[:1] == b"{":
        verify_certificate(data.decode(errors="replace"), pinned, report)
    else:
        verify_proof(data.decode(errors="replace"), pinned, report)
    if "--json" in arguments:
        verdicts = [{"claim": claim, "verdict": report.verdict(claim)} for claim in Report.CLAIMS]
        print(json.dumps({"verdicts": verdicts, "findings": report.findings, "exit": report.exit()}, ensure_ascii=False))
    else:
        for claim in Report.CLAIMS:
            print(f"{claim:<13} {report.verdict(claim)}")
        for finding in report.findings:
            print("{weight:<8} {code:<20} {where}: {message}".format(**finding))
    return report.exit()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
