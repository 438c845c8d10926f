//! Events of requests of people.

use super::s;
use crate::Event;
use crate::keys::requests::{
    Assessment, ErasureStep, IdentityMethod, IdentityResult, Intake, ModelAction, RefusalReason, RequestAssessed,
    RequestClosed, RequestIdentityChecked, RequestKind, RequestOutcome, RequestReceived, RequestSearched,
    RequestStarted, RequestStep,
};

pub(super) fn requests() -> Vec<Event> {
    let (request, subject) = (|| s("q_1"), "0123456789abcdef0123456789abcdef");
    let key = format!("subject/personal/{subject}");
    let counts = || [(s("inferences"), 2), (s("keys"), 1)].into();
    vec![
        Event::RequestReceived(RequestReceived {
            request: request(),
            kind: RequestKind::Erasure,
            subjects: vec![s(subject)],
            actor: Some(s("a_7")),
            channel: Intake::Email,
            received_at: 1_793_400_000_000,
            due_at: 1_795_992_000_000,
            sealed_sha256: s("cc"),
        }),
        Event::RequestIdentityChecked(RequestIdentityChecked {
            request: request(),
            method: IdentityMethod::Document,
            result: IdentityResult::Confirmed,
            reference: s("DSR-7"),
        }),
        Event::RequestSearched(RequestSearched {
            request: request(),
            counts: counts(),
            concerns: [s("class/confidential"), s("service/credit-risk")].into(),
            keys: [key.clone()].into(),
            models: [s("credit-risk/1")].into(),
            left_out: 0,
        }),
        Event::RequestAssessed(RequestAssessed {
            request: request(),
            model: s("credit-risk"),
            version: s("1"),
            assessment: Assessment::Trained,
            action: ModelAction::Retrain,
            reference: s("DSR-7"),
        }),
        Event::RequestStarted(RequestStarted { request: request() }),
        Event::RequestStep(RequestStep {
            request: request(),
            step: ErasureStep::HoldsChecked,
            counts: counts(),
            keys: [key].into(),
        }),
        Event::RequestClosed(RequestClosed {
            request: request(),
            outcome: RequestOutcome::Refused,
            reason_code: Some(RefusalReason::LegalObligation),
            reference: s("DSR-7"),
            notified_at: Some(1_793_500_000_000),
        }),
    ]
}
