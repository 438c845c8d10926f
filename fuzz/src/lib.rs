//! What each fuzz target does with its bytes: call one parser of untrusted input, and hold what it accepts to a rule, in
//! most cases that printing it again gives the same bytes. A target fails by panicking.

use bytes::Bytes;
use domain::Record;
use domain::people::AccessCore;
use domain::serving::InferenceCore;
use domain::{Entry, State};
use gateway::dialect::openai::{Operation, Watch, peek_request, read_answer};
use gateway::dialect::{oip, sse};
use merkle::{AddCheckpoint, Checkpoint, Note, Policy, TilePath, TlogProof};
use verify::{EventProof, Options, RecordProof, ReviewListProof};

/// A target: takes any bytes, and panics only when something is wrong with the code under test.
pub type Target = fn(&[u8]);

/// Every target with its name, and seeds to start from. `fuzz_targets/` has a file for each.
pub const TARGETS: &[(&str, Target, &[&[u8]])] = &[
    ("note", note, &[CHECKPOINT]),
    ("checkpoint", checkpoint, &[CHECKPOINT]),
    ("tile_path", tile_path, &[b"tile/0/x001/x234/067.p/8", b"tile/entries/000"]),
    ("bundle", bundle, &[b"\x00\x03abc\x00\x00"]),
    ("tlog_proof", tlog_proof, &[include_bytes!("../seeds/tlog_proof/proof.txt")]),
    ("policy", policy, &[POLICY]),
    ("witness_request", witness_request, &[b"old 0\n\norigin\n0\n\n\xe2\x80\x94 a AAAAAA==\n"]),
    ("record_tlv", record_tlv, &[b"\x01\x00\x01\x00\x00\x00a\x02\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"]),
    ("record_proof", record_proof, RECORD_PROOFS),
    ("package", package, &[include_bytes!("../seeds/package/full.zip")]),
    ("entry_json", entry_json, &[include_bytes!("../../crates/domain/golden/events.jsonl")]),
    ("onnx_model", onnx_model, &[b"\x08\x08\x12\x04test\x3a\x02\x12\x00"]),
    ("wal", wal, &[b"BTCH\x2c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"]),
    ("vault_fields", vault_fields, &[b"\x01\x00\x02\x00\x00\x00ab\x02\x00\x00\x00\x00\x00"]),
    ("object", object, &[b"CFOBJECT\x01\x08internal0123456789abcdef\0\0\x01\0", b"a,b\n1,2\n"]),
    (
        "rows",
        rows,
        &[b"\0id,at\n1,2026-11-22\n2,\"a\"\n", b"\x01{\"id\":1,\"at\":\"2026-11-22T20:30:00Z\"}\n{\"id\":2.5}\n"],
    ),
    ("sse", sse, &[b"event: a\r\ndata: {\"usage\":{\"prompt_tokens\":1}}\r\n\r\ndata: [DONE]\n\n"]),
    ("openai_request", openai_request, &[OPENAI]),
    ("oip_infer", oip_infer, &[OIP]),
    ("leaked_keys", leaked_keys, &[LEAKED]),
    ("tokens", tokens, TOKENS),
    ("detect", detect, DETECTED),
    ("own_detectors", own_detectors, &[b"ST-[0-9]{5}\nI am ST-12345.", b"blue heron,kite\nBlue Heron"]),
    ("placeholders", placeholders, &[PLACED]),
    ("artifact", artifact, ARTIFACTS),
    ("openid", openid, OPENID),
    ("passkey", passkey, PASSKEYS),
    ("root_key", root_key, ROOT_KEYS),
    ("transit_answer", transit_answer, TRANSIT),
    ("recovery_code", recovery_code, &[b"0000-0000-0000-0000-0000-0000-0000"]),
    ("scim_filter", scim_filter, &[FILTER, b"members[value eq \"a_1\" or not (type pr)]"]),
    ("scim_patch", scim_patch, &[PATCH]),
    ("openlineage", openlineage, &[OPENLINEAGE]),
    ("contract", contract, &[CONTRACT]),
    // what other tools write of data
    ("outside_contract", outside_contract, OUTSIDE_CONTRACTS),
    ("outside_report", outside_report, OUTSIDE_REPORTS),
];

const OUTSIDE_CONTRACTS: &[&[u8]] = &[
    b"apiVersion: v3.1.0\nkind: DataContract\nschema:\n- name: loans\n  properties:\n  - name: id\n    logicalType: integer\n    required: true\n    quality: [{metric: nullValues, mustBe: 0}]\n  quality:\n  - metric: rowCount\n    mustBeBetween: [1, 2]\n    description: |\n      some\n       text\n",
    br#"{"apiVersion":"v3.0.2","kind":"DataContract","schema":[{"name":"a","properties":[{"name":"b","logicalType":"string","logicalTypeOptions":{"minLength":1}}]}]}"#,
    br#"{"name":"x","expectations":[{"type":"expect_column_values_to_be_between","kwargs":{"column":"a","min_value":1,"mostly":0.9}}]}"#,
];
const OUTSIDE_REPORTS: &[&[u8]] = &[
    br#"{"success":true,"results":[{"success":true,"expectation_config":{"type":"expect_column_values_to_not_be_null","kwargs":{"column":"a"}},"result":{"element_count":3,"unexpected_count":0},"exception_info":{"raised_exception":false}}],"suite_name":"s","meta":{"great_expectations_version":"1.3.0","run_id":{"run_name":null,"run_time":"2026-11-28T10:00:00+00:00"}}}"#,
    br#"{"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/run-results/v6.json","dbt_version":"1.10.0","generated_at":"2026-11-28T10:00:00Z","invocation_id":"a"},"results":[{"unique_id":"test.p.not_null_a_id.1","status":"fail","failures":2}]}"#,
];

const CONTRACT: &[u8] = include_bytes!("../../examples/credit-risk/contract.toml");
const LEAKED: &[u8] = b"key = \"cfk_00000000000000000000000000000000000000000002CZclj\"\n";
const TOKENS: &[&[u8]] =
    &[b"tok_personal_00000000000000000000000000", b"4111-1111 1111 1111", b"+61 (2) 9999-0000", b"2123 45670 1/2"];
const PLACED: &[u8] = b"Ann <ann@example.org>, 4111 1111 1111 1111, +61 412 345 678 [PERSON_1]";
const DETECTED: &[&[u8]] = &[
    PLACED,
    b"TFN 123 456 782, DOB 3 Nov 1985, Unit 5, 12 St Kilda Rd, Sandy Bay TAS 7005, IBAN DE89 3704 0044 0532 0130 00",
    b"2001:db8::8a2e:370:7334 00:1b:44:11:3a:b7 \xe2\x80\x8b\xef\xbc\x91\xef\xbc\x92 AB 12 34 56 C Medicare 2123 45670 1/2",
    b"password=\"hunter2!Blue\" postgres://app:s3cr3t@db/x -----BEGIN PRIVATE KEY-----\nMHc\n-----END PRIVATE KEY-----",
];
const ARTIFACTS: &[&[u8]] = &[
    include_bytes!("../../crates/scan/corpus/models/linear.joblib"),
    include_bytes!("../../crates/scan/corpus/models/linear.skops"),
    include_bytes!("../../crates/scan/corpus/models/logistic.p0.pkl"),
    include_bytes!("../../crates/scan/corpus/models/logistic.onnx"),
    include_bytes!("../../crates/scan/corpus/models/model.h5"),
    include_bytes!("../../crates/scan/corpus/models/model.keras"),
    include_bytes!("../../crates/scan/corpus/models/model.safetensors"),
    include_bytes!("../../crates/scan/corpus/models/objects.npy"),
    include_bytes!("../../crates/scan/corpus/models/torch-legacy.pt"),
    include_bytes!("../../crates/scan/corpus/models/torch-state.pt"),
    include_bytes!("../../crates/scan/corpus/models/xgboost.json"),
    include_bytes!("../../crates/scan/corpus/models/xgboost.ubj"),
    b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0a\x08\0\0\0\x02\0\0\0\0\0\0\0{}\x01\0\0\0\0\0\0\0w\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\x08\x01\x12\x0c\x12\x0a\x0a\x08\x0a\x01n\x12\x03Add",
];
const CHECKPOINT: &[u8] = include_bytes!("../seeds/note/checkpoint.txt");
const RECORD_PROOFS: &[&[u8]] =
    &[include_bytes!("../seeds/record_proof/record.txt"), include_bytes!("../seeds/record_proof/event.txt")];
const PASSKEYS: &[&[u8]] =
    &[include_bytes!("../seeds/passkey/made.json"), include_bytes!("../seeds/passkey/shown.json")];
const POLICY: &[u8] = b"# who counts\ngroup g any a b\nquorum none\n";
const OPENAI: &[u8] = br#"{"model":"gpt","stream":true,"stream_options":{},"user":"u","messages":[]}"#;
const OPENID: &[&[u8]] = &[
    br#"{"issuer":"https://id.example","authorization_endpoint":"https://id.example/a","token_endpoint":"https://id.example/t","jwks_uri":"https://id.example/k"}"#,
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    b"eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUifQ.AAAA",
];
const FILTER: &[u8] =
    br#"userName eq "zoe" and (emails[type eq "work"].value co "@" or meta.created gt "2026-01-01T00:00:00Z")"#;
const PATCH: &[u8] = br#"{"Operations":[{"op":"Add","path":"emails[type eq \"work\"].value","value":"a@b.c"},{"op":"replace","value":{"active":"False","name.givenName":"Z"}}]}"#;
const OIP: &[u8] = br#"{"id":"1","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2.5]}]}"#;

const ROOT_KEYS: &[&[u8]] = &[include_bytes!("../seeds/root_key/one.txt"), include_bytes!("../seeds/root_key/two.txt")];
const TRANSIT: &[&[u8]] = &[
    br#"{"data":{"ciphertext":"vault:v1:Ct8ujt2P6koFQbN1wzolXcXQj9O2i5NuJUVFBIMJdERT","key_version":1}}"#,
    br#"{"data":{"plaintext":"aGVsbG8="}}"#,
    br#"{"data":{"derived":false,"exportable":false,"latest_version":2,"min_available_version":2,"type":"aes256-gcm96"}}"#,
    br#"{"errors":["cipher: message authentication failed"]}"#,
];

fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// The same keys are found whether text comes whole or byte by byte, and each is genuine.
pub fn leaked_keys(data: &[u8]) {
    let whole = scan::keys::Scanner::default().push(data);
    let mut scanner = scan::keys::Scanner::default();
    let bytewise: Vec<_> = data.iter().flat_map(|byte| scanner.push(&[*byte])).collect();
    assert_eq!(whole, bytewise);
    assert!(whole.iter().all(|finding| scan::keys::is_genuine(finding.secret.as_bytes())));
}

/// An artifact has a verdict; one that passes was read whole, and names in the report are shown as they are.
pub fn artifact(data: &[u8]) {
    use scan::artifacts::{Severity, Verdict, scan};
    for name in ["model.pkl", "model"] {
        let report = scan(name, &data);
        if report.verdict() == Verdict::Pass {
            assert!(report.unread.is_empty() && report.findings.iter().all(|one| one.rule.severity == Severity::Low));
        }
        assert!(report.findings.iter().all(|one| !one.path.chars().chain(one.reason.chars()).any(char::is_control)));
    }
}

/// A contract that is read checks something, each thing under its own name, and no more than fit an entry.
pub fn contract(data: &[u8]) {
    use domain::data::{Contract, contracts::format::MAX_CHECKS};
    match Contract::parse(text(data)) {
        Ok(contract) => {
            let checks = contract.checks();
            let names: std::collections::BTreeSet<&String> = checks.iter().map(|check| &check.name).collect();
            assert!(!checks.is_empty() && checks.len() <= MAX_CHECKS && names.len() == checks.len());
        }
        Err(error) => assert!(error.line >= 1 && error.line <= text(data).lines().count().max(1) + 1),
    }
}

/// What becomes a contract is one, whatever file it was, and reads.
pub fn outside_contract(data: &[u8]) {
    use ingest::outside::{Source, contract_of};
    for source in Source::ALL {
        if let Ok(made) = contract_of(source, text(data), Some("loans"), None) {
            assert_eq!(domain::data::Contract::parse(&made.text).map(|contract| contract.dataset), Ok("loans".to_owned()));
        }
    }
}

/// A report says each thing under a name that the ledger takes, and the same when only what is kept was sent.
pub fn outside_report(data: &[u8]) {
    use domain::data::Tool;
    use domain::data::reports::rule_is_valid;
    use ingest::outside::reports::{Files, report_of, slim};
    let files = Files { report: text(data), manifest: None };
    for tool in Tool::ALL {
        let Ok(said) = report_of(tool, files, "loans", None) else { continue };
        let names: std::collections::BTreeSet<&String> = said.results.iter().map(|one| &one.rule).collect();
        assert!(names.len() == said.results.len() && said.results.iter().all(|one| rule_is_valid(&one.rule)));
        let (report, _) = slim(tool, files).expect("what is read can be written");
        assert_eq!(report_of(tool, Files { report: &report, manifest: None }, "loans", None), Ok(said));
    }
}

/// A token has a class that a token can have; a number that is one reads the same however it is written.
pub fn tokens(data: &[u8]) {
    use vault::tokens::{Format, is_token};
    let text = text(data);
    if let Some(class) = is_token(text) {
        assert!(text.starts_with(&format!("tok_{class}_")) && !class.is_empty());
    }
    for format in [Format::Card, Format::Phone, Format::Tfn, Format::Medicare] {
        if let Ok(value) = format.read(text) {
            assert_eq!(format.read(&value.canonical).map(|again| again.canonical), Ok(value.canonical));
        }
    }
    let _ = Format::Text.read(text);
}

/// What is found lies in the text, ascends, cuts no character and does not overlap; a column of it is of some kind or none.
pub fn detect(data: &[u8]) {
    let text = text(data);
    let detectors = scan::Detectors::standard();
    holds(&detectors, text);
    if let Some((_, score)) = detectors.column(text.lines().next().unwrap_or_default(), text.lines()) {
        assert!((scan::detect::REPORTED..1000).contains(&score));
    }
}

fn holds(detectors: &scan::Detectors, text: &str) {
    let mut before = 0;
    for finding in detectors.find(text) {
        assert!(
            before <= finding.start && finding.start < finding.end && text.get(finding.start..finding.end).is_some()
        );
        assert!((scan::detect::REPORTED..1000).contains(&finding.score_permille));
        before = finding.end;
    }
}

/// The same of detectors of somebody's own: the first line is the pattern, and a list of words.
pub fn own_detectors(data: &[u8]) {
    use scan::detect::{Class, Own};
    let (first, rest) = text(data).split_once('\n').unwrap_or_default();
    for own in [Own::pattern("own", Class::Internal, first), Own::words("own", Class::Internal, first.split(','))] {
        if let Ok(detectors) = scan::Detectors::standard().with(&own) {
            holds(&detectors, rest);
        }
    }
}

/// What was replaced comes back.
pub fn placeholders(data: &[u8]) {
    use scan::personal::Kind;
    let text = text(data);
    if let Ok(placed) = scan::placeholders::place(text, &[("person".to_owned(), "Ann".to_owned())], &Kind::ALL) {
        assert_eq!(scan::placeholders::restore(&placed.text, &placed.map), text);
    }
}

const OPENLINEAGE: &[u8] = br#"{"eventTime":"2026-11-22T19:50:10.1Z","eventType":"START","run":{"runId":"01a204ce-f484-7f71-af44-93561f30881c"},"job":{"namespace":"a","name":"b"},"outputs":[{"namespace":"c","name":"d","facets":{"columnLineage":{"fields":{"e":{"inputFields":[{"namespace":"f","name":"g","field":"h"}]}}}}}]}"#;

/// Events of pipelines: what is read of one keeps the limits of the ledger, and edges between columns lead somewhere.
pub fn openlineage(data: &[u8]) {
    use domain::data::lineage::{MAX_COLUMNS, MAX_PORTS, openlineage::parse};
    let Ok(event) = serde_json::from_slice(data) else { return };
    let Ok(parsed) = parse(&event) else { return };
    let report = &parsed.report;
    assert!(
        report.inputs.len() <= MAX_PORTS && report.outputs.len() <= MAX_PORTS && report.columns.len() <= MAX_COLUMNS
    );
    assert_eq!(parsed.checksums.len(), report.inputs.len() + report.outputs.len());
    for edge in &report.columns {
        assert!((edge.input as usize) < report.inputs.len() && (edge.output as usize) < report.outputs.len());
    }
}

/// Signed notes print back.
pub fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data);
    }
}

/// Texts of checkpoints print back.
pub fn checkpoint(data: &[u8]) {
    if let Ok(checkpoint) = Checkpoint::parse(text(data)) {
        assert_eq!(checkpoint.to_text().as_bytes(), data);
    }
}

/// Tile paths print back.
pub fn tile_path(data: &[u8]) {
    if let Ok(path) = text(data).parse::<TilePath>() {
        assert_eq!(path.to_string().as_bytes(), data);
    }
}

/// Entry bundles encode back.
pub fn bundle(data: &[u8]) {
    if let Ok(entries) = merkle::decode_bundle(data) {
        assert_eq!(merkle::encode_bundle(entries).as_deref(), Ok(data));
    }
}

/// Portable proofs print back.
pub fn tlog_proof(data: &[u8]) {
    if let Ok(proof) = TlogProof::parse(text(data)) {
        assert_eq!(proof.to_string().as_bytes(), data);
    }
}

/// Policies decide about any note.
pub fn policy(data: &[u8]) {
    if let (Ok(policy), Ok(note)) = (Policy::parse(text(data)), Note::parse(CHECKPOINT)) {
        let verdict = policy.evaluate(&note);
        assert!(verdict.quorum_met || policy.requires_witnesses());
    }
}

/// Requests to a witness print back.
pub fn witness_request(data: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(data) {
        assert_eq!(request.to_string().as_bytes(), data);
    }
}

/// Records encode back.
pub fn record_tlv(data: &[u8]) {
    if let Ok(core) = InferenceCore::decode(data) {
        assert_eq!(core.encode(), data);
    }
    if let Ok(core) = AccessCore::decode(data) {
        assert_eq!(core.encode(), data);
    }
}

/// Proofs of records and events and lists of reviews print back, and checking them gives an answer.
pub fn record_proof(data: &[u8]) {
    if let Ok(proof) = RecordProof::parse(text(data)) {
        assert_eq!(proof.to_string().as_bytes(), data);
    }
    if let Ok(proof) = EventProof::parse(text(data)) {
        assert_eq!(proof.to_string().as_bytes(), data);
    }
    if let Ok(proof) = ReviewListProof::parse(text(data)) {
        assert_eq!(proof.to_string().as_bytes(), data);
    }
    let _ = verify::verify_proof(text(data), None, &Options::default());
}

/// Packages get a report that renders.
pub fn package(data: &[u8]) {
    let report = verify::verify_package(data.to_vec(), &Options::default());
    assert!(!report.to_string().is_empty() && !report.to_json().is_empty());
}

/// Entries, one a line, encode back to something that reads the same.
pub fn entry_json(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(entry) = Entry::decode(line)
            && let Ok(bytes) = entry.encode()
        {
            assert_eq!(Entry::decode(&bytes).expect("what was written reads back"), entry);
            let _ = State::default().digest();
        }
    }
}

/// Models are accepted or refused.
pub fn onnx_model(data: &[u8]) {
    if let Ok(model) = onnx::Model::parse(data) {
        assert!(model.operators().len() <= data.len());
    }
}

/// Batches of the write-ahead log have frames that lie within them; headers are read or refused.
pub fn wal(data: &[u8]) {
    use ledger::wal::format::{Prefix, SegmentHeader};
    let _ = SegmentHeader::decode(data);
    let _ = Prefix::decode(data);
    if let Some((batch, len)) = ledger::wal::Batch::decode(data, &[0; 16]) {
        assert!(len <= data.len() && batch.frames().count() == batch.count as usize);
    }
}

/// Fields of a payload ascend.
pub fn vault_fields(data: &[u8]) {
    if let Ok(fields) = vault::record::parse_fields(data) {
        assert!(fields.is_sorted_by(|a, b| a.0 < b.0));
    }
}

/// A header of an encrypted object is written as it was read; any bytes come back out of an object as they went in; and an
/// object that something was added to is refused.
pub fn object(data: &[u8]) {
    let mut from = data;
    if let Ok(header) = vault::ObjectHeader::read(&mut from) {
        assert_eq!(header.encode(), data[..data.len() - from.len()]);
    }
    let _ = vault::object::probe(data);
    let Ok(mut sealed) = vault::object::sample(data) else { return };
    assert_eq!(vault::object::probe(&sealed).ok().as_deref(), Some(data));
    assert_eq!(vault::object::probe_pieces(&sealed, 7).ok().as_deref(), Some(data));
    sealed.extend_from_slice(data);
    assert!(data.is_empty() || vault::object::probe(&sealed).is_err());
    assert!(data.is_empty() || vault::object::probe_pieces(&sealed, 7).is_err());
}

/// What is surveyed of rows of text is what is read of them afterwards; the first byte says in which form they are.
pub fn rows(data: &[u8]) {
    let Some((form, text)) = data.split_first() else { return };
    let form = if form % 2 == 0 { domain::data::Form::Csv } else { domain::data::Form::Jsonl };
    if let Ok((said, read)) = query::rows::probe(form, text.to_vec()) {
        assert_eq!(said, read);
    }
}

/// A stream cut into frames is the same stream, whatever pieces it arrives in; the first byte says how large they are.
pub fn sse(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let (mut frames, mut joined) = (sse::Frames::default(), Vec::new());
    let mut watches = [Operation::ChatCompletions, Operation::Responses].map(|operation| Watch::new(operation, true));
    for piece in stream.chunks(usize::from(*size).max(1)) {
        frames.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = frames.next_frame() {
            for watch in &mut watches {
                let _ = watch.look(&frame);
            }
            joined.extend_from_slice(&frame);
        }
    }
    joined.extend_from_slice(&frames.rest());
    assert_eq!(joined, stream);
}

/// A request whose model is replaced asks for that model, and is otherwise read the same.
pub fn openai_request(data: &[u8]) {
    let _ = read_answer(data);
    for operation in [Operation::ChatCompletions, Operation::Responses] {
        if let Ok(peek) = peek_request(operation, data) {
            let rewritten = peek.rewrite(&Bytes::copy_from_slice(data), "other");
            let again = peek_request(operation, &rewritten).expect("a rewritten request is one");
            assert_eq!((again.model.as_str(), again.stream, again.subject), ("other", peek.stream, peek.subject));
        }
    }
}

/// Inference requests of the Open Inference Protocol are accepted or refused.
pub fn oip_infer(data: &[u8]) {
    let _ = oip::parse_infer(data);
}

/// What a provider says of itself has the issuer that was asked; a token that its key did not sign is none.
pub fn openid(data: &[u8]) {
    if let Ok(provider) = oidc::Provider::parse("https://id.example", data) {
        assert_eq!(provider.issuer, "https://id.example");
    }
    let _ = oidc::Keys::parse(data);
    let keys = oidc::Keys::parse(OPENID[1]).expect("a set of keys");
    assert!(keys.open(text(data)).is_err());
}

/// What a browser sends of a passkey proves nothing when nobody asked for it, down to the authenticator's own bytes.
pub fn passkey(data: &[u8]) {
    let site = webauthn::Site::at("http://localhost:8600").expect("a site");
    // The seeds answer a challenge of zeroes, so that what comes after it is reached.
    let challenge = [0; 32];
    if let Ok(made) = webauthn::Creation::parse(data) {
        let _ = made.verify(&site, &challenge);
    }
    if let Ok(shown) = webauthn::Assertion::parse(data) {
        let key = webauthn::PublicKey { algorithm: webauthn::Algorithm::Ed25519, bytes: vec![0; 32] };
        assert!(shown.verify(&site, &challenge, &key, false).is_err());
    }
}

/// Recovery codes print in one way, which reads back.
pub fn recovery_code(data: &[u8]) {
    if let Some(printed) = engine::probe_recovery_code(text(data)) {
        assert_eq!(engine::probe_recovery_code(&printed).as_deref(), Some(printed.as_str()));
    }
}

/// Filters and paths print back to something that reads the same, whatever they are about.
pub fn scim_filter(data: &[u8]) {
    use scim::schema::{GROUP, USER};
    for kind in [&USER, &GROUP] {
        if let Ok(filter) = scim::Filter::parse(kind, text(data)) {
            let again = scim::Filter::parse(kind, &filter.to_string()).expect("what was printed reads");
            assert_eq!(again, filter);
            let _ = filter.matches(&serde_json::Map::new());
            assert_eq!(scim::Filter::parse_of_all(kind, text(data)), Ok(filter), "no other type takes a name away");
        }
        if let Ok(path) = scim::path::Path::parse(kind, text(data)) {
            assert_eq!(scim::path::Path::parse(kind, &path.to_string()), Ok(path));
        }
    }
}

/// What a patch makes of a resource is in canonical form: accepting it again changes nothing.
pub fn scim_patch(data: &[u8]) {
    use scim::schema::USER;
    let Ok(patch) = serde_json::from_slice(data) else { return };
    let user =
        serde_json::json!({"userName": "z", "emails": [{"value": "a", "type": "work"}], "name": {"givenName": "Z"}});
    let user = scim::accept(&USER, &user).expect("a user");
    if let Ok(patched) = scim::patch::patch(&USER, &user, &patch) {
        assert_eq!(scim::accept(&USER, &serde_json::Value::Object(patched.clone())), Ok(patched));
    }
}

/// A root key file without a passphrase is written again as it was read. One under a passphrase is not opened here: whether
/// it is damaged shows before that.
pub fn root_key(data: &[u8]) {
    use store::custodian::key_file;
    if let Ok(versions) = key_file::read(data, None) {
        let written = key_file::write(&versions, None).expect("nothing random is in it");
        let again = key_file::read(written.as_bytes(), None).expect("as it was written");
        let names = |keys: &[vault::SecretKey]| keys.iter().map(vault::SecretKey::fingerprint).collect::<Vec<_>>();
        assert_eq!(names(&versions), names(&again));
        assert!(data == written.as_bytes() || versions.len() == 1, "only one key may be written in two ways");
    }
}

/// What a Transit engine wrapped is stored in one form, which it is given back in.
pub fn transit_answer(data: &[u8]) {
    use store::custodian::transit::answer;
    if let Ok(wrapped) = answer::wrapped(data) {
        let ciphertext = answer::ciphertext(&wrapped).expect("it is whole");
        let again = format!("{{\"data\":{{\"ciphertext\":\"{ciphertext}\"}}}}");
        assert_eq!(answer::wrapped(again.as_bytes()), Ok(wrapped));
    }
    let _ = (answer::plaintext(data), answer::key(data), answer::ciphertext(data));
    assert!(answer::errors(data).chars().count() <= 200);
}
