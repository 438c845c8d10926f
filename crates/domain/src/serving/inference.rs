//! The core of an inference record: what is known of one call without its contents.
//!
//! The core holds no personal data and is kept for the whole retention term; the contents are sealed apart and can be
//! forgotten. Its byte form is the preimage of the record's leaf.

use crate::record::record;

record! {
    /// One inference, without its contents.
    InferenceCore, schema 1, noun "inference", table "inferences", payloads Some("payloads");
    1 inference_id Text required "UUIDv7 of the inference, also in the response header `x-counterfoil-inference`";
    2 ts_start Time required "when the request had arrived";
    3 ts_end Time required "when the last byte of the answer was ready, or the attempt ended";
    4 door Text required "protocol and operation, such as `openai.chat.completions` or `oip.infer`";
    5 service Text optional "the service whose key was used";
    6 key Text optional "public identifier of the key";
    7 route Text optional "name of the route that answered; absent when none matched";
    8 model Text optional "model that answered: `provider/model`, or a registered model's name";
    9 version Text optional "its version; `as-served` for an outside provider";
    10 deployment Text optional "the deployment that answered";
    11 provider Text optional "outside provider, when there was one";
    12 region Text optional "where the inference was processed, as declared";
    13 purpose Text optional "declared purpose of the service";
    14 classification Text required "classification of the payload, which chose its keys";
    15 subject_tag Bytes optional "16 bytes that link one subject's records of one day; absent when the request named no subject";
    16 status Text required "`ok`, `error`, `refused`, `cancelled` or `interrupted`";
    17 http_status Int optional "HTTP status that was answered";
    18 error_code Text optional "our code for what went wrong; absent when nothing did";
    19 stream Int required "1 when the answer was streamed, else 0";
    20 tokens_in Int optional "input tokens as the provider counted them";
    21 tokens_out Int optional "output tokens as the provider counted them";
    22 request_bytes Int required "bytes of the request body";
    23 response_bytes Int required "bytes of the response body as sent";
    24 upstream_us Int optional "microseconds from calling the provider or the model until its last byte";
    25 first_byte_us Int optional "microseconds from calling the provider until its first body byte";
    26 policies Text optional "identifiers of the Cedar policies that decided, then `residency:RULE` and `transfer:ID` if such did, separated by commas";
    27 config_size Int required "ledger size of the state under which the call was governed";
    28 pii_in Int optional "1 when personal data or secrets were found in the request, 0 when none; absent when nobody looked";
    29 pii_in_action Text optional "the least that was done with any of them: `none`, `tokenised`, `redacted` or `blocked`";
    30 pii_out Int optional "1 when personal data or secrets were found in the provider's answer, 0 when none; absent when nobody looked";
    31 pii_out_action Text optional "the least that was done with any of them: `none`, `redacted` or `blocked`";
    40 day Text required "day of the payload's period key, `yyyy-mm-dd` in UTC";
    41 r Bytes required "24 random bytes from which the record's keys are derived";
    42 ct_sha256 Bytes required "SHA-256 of the sealed payload";
    43 c_root Bytes required "commitment to the payload's fields";
    60 node Text required "node that wrote the record";
    61 incarnation Int required "the node's incarnation";
    62 node_seq Int required "number of the record in the incarnation, from 0 and without gaps";

    {
        fn sealed_sha256(&self) -> &[u8] {
            &self.ct_sha256
        }

        fn is_interrupted(&self) -> bool {
            self.status == Status::Interrupted.as_str()
        }

        fn interrupt(&mut self, now_us: i64) {
            self.status = Status::Interrupted.as_str().into();
            self.error_code = Some("interrupted".into());
            self.ts_end = now_us.max(self.ts_start);
        }
    }
}

/// How an inference ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Answered.
    Ok,
    /// The provider or the model failed.
    Error,
    /// We refused: no key, no route, no permission, bad input.
    Refused,
    /// The client went away before the end.
    Cancelled,
    /// We stopped before the end; the record was made at the next start.
    Interrupted,
}

impl Status {
    /// The word used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}
