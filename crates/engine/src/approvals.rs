//! Approvals: asking, voting, and carrying out to the letter what was approved.
//!
//! What is asked lies whole in the object store under its digest, so that whoever votes sees the very thing, and so that
//! it can be carried out as it was approved.

use std::sync::Arc;

use domain::people::approvals::{Comment, Standing};
use domain::people::{
    Approval, ApprovalCommented, ApprovalNamed, ApprovalVoted, ApprovalsConfigured, DelegationEnded, RequestApproval,
    Vote, VoteDelegated,
};
use domain::{Command, Entry, Event, Refusal, RefusalCode, State, canonical};

use crate::execute::Done;
use crate::{Engine, ExecuteError, Principal, identity};

/// What sealed comments are about, for the vault.
const TOPIC: &str = "comment";

/// The longest comment, in bytes.
const COMMENT_BYTES: usize = 4096;

/// How many entries of the ledger are looked through at a time.
const LOOKED_THROUGH: usize = 4096;

/// What is to be approved, and why.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is to be done.
    pub command: Command,
    /// What speaks for it: digests, or numbers of ledger entries.
    pub evidence: Vec<String>,
    /// Milliseconds since the epoch at which the request ends by itself.
    pub expires_at: i64,
    /// Where the reason is written down.
    pub reference: String,
}

impl Engine {
    /// Asks for an approval; returns its identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`]; what could not be done is not asked for.
    pub async fn request_approval(self: &Arc<Self>, who: &Principal, asked: Asked) -> Result<String, ExecuteError> {
        let approval = identity::identifier("p_");
        let Asked { command, evidence, expires_at, reference } = asked;
        let (approval_id, command) = (approval.clone(), Box::new(command));
        let request = RequestApproval { approval: approval_id, command, evidence, expires_at, reference };
        self.execute(who, Command::RequestApproval(request)).await?;
        Ok(approval)
    }

    /// Votes on a request; `on_behalf_of` names whose vote it is when more than one was handed on.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal names the rule.
    pub async fn vote(
        self: &Arc<Self>,
        who: &Principal,
        approval: &str,
        vote: Vote,
        on_behalf_of: Option<String>,
    ) -> Result<Done, ExecuteError> {
        let voted = ApprovalVoted { approval: approval.to_owned(), vote, on_behalf_of };
        self.execute(who, Command::VoteOnApproval(voted)).await
    }

    /// Takes a request back.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn withdraw_approval(self: &Arc<Self>, who: &Principal, approval: &str) -> Result<(), ExecuteError> {
        let named = ApprovalNamed { approval: approval.to_owned() };
        self.execute(who, Command::WithdrawApproval(named)).await.map(drop)
    }

    /// Says something about a request. The words are sealed under the key of whoever says them, and can be forgotten; the
    /// event has only their digest. Returns the comment's identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn comment(
        self: &Arc<Self>,
        who: &Principal,
        approval: &str,
        text: &str,
    ) -> Result<String, ExecuteError> {
        self.authorize(who, "approval.comment", &format!("approval/{approval}"))?;
        let text = text.trim();
        if text.is_empty() || text.len() > COMMENT_BYTES {
            let message = format!("a comment has between 1 and {COMMENT_BYTES} bytes");
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        let sealed_sha256 = self.keep_note(&who.actor, TOPIC, text.as_bytes().to_vec()).await?;
        let comment = identity::identifier("c_");
        let commented = ApprovalCommented {
            approval: approval.to_owned(),
            comment: comment.clone(),
            sealed_sha256: sealed_sha256.clone(),
        };
        let done = self.execute(who, Command::CommentOnApproval(commented)).await;
        if done.is_err() {
            // What no event names is not kept.
            self.drop_note(sealed_sha256).await;
        }
        done.map(|_| comment)
    }

    /// What a comment says; `None` when whoever said it was forgotten.
    ///
    /// # Errors
    /// When it cannot be read, or was altered.
    pub async fn comment_text(self: &Arc<Self>, comment: &Comment) -> Result<Option<String>, ExecuteError> {
        let text = self.note(&comment.by, TOPIC, comment.sealed_sha256.clone()).await?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Hands the votes of a role on until a time; returns the delegation's identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn delegate_vote(
        self: &Arc<Self>,
        who: &Principal,
        to: &str,
        role: &str,
        ends_at: i64,
    ) -> Result<String, ExecuteError> {
        let delegation = identity::identifier("v_");
        let (to, role) = (to.to_owned(), role.to_owned());
        let delegated = VoteDelegated { delegation: delegation.clone(), to, role, ends_at };
        self.execute(who, Command::DelegateVote(delegated)).await?;
        Ok(delegation)
    }

    /// Ends a delegation before its time.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn end_delegation(self: &Arc<Self>, who: &Principal, delegation: &str) -> Result<(), ExecuteError> {
        let ended = DelegationEnded { delegation: delegation.to_owned() };
        self.execute(who, Command::EndDelegation(ended)).await.map(drop)
    }

    /// Sets which commands need an approval, beyond those that always do.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn configure_approvals(
        self: &Arc<Self>,
        who: &Principal,
        rules: ApprovalsConfigured,
    ) -> Result<(), ExecuteError> {
        self.execute(who, Command::ConfigureApprovals(rules)).await.map(drop)
    }

    /// A request by its identifier.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub fn approval(&self, approval: &str) -> Result<Approval, Refusal> {
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no approval `{approval}`"));
        self.read(|state| state.approvals.get(approval).cloned()).ok_or_else(missing)
    }

    /// The very command that a request is about.
    ///
    /// # Errors
    /// When there is no such request, or what was asked is not in the object store any more.
    pub async fn asked_command(self: &Arc<Self>, approval: &str) -> Result<Command, ExecuteError> {
        let digest = self.approval(approval)?.requested.digest;
        let lost = format!("what approval `{approval}` is about is not in the object store: ask anew");
        let found = self.blocking(move |engine| engine.artifact(&digest)).await??;
        let bytes = found.ok_or_else(|| Refusal::new(RefusalCode::NotFound, lost.clone()))?;
        serde_json::from_slice(&bytes).map_err(|error| ExecuteError::Internal(format!("{lost} ({error})")))
    }

    /// What was in force of the thing that a command is about when an approval of it was asked for: a fold of that thing's
    /// own events until then. The whole ledger is looked through for them, so this is for requests that are over.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn when_asked(self: &Arc<Self>, approval: &str, command: &Command) -> Result<State, ExecuteError> {
        let (about, asked) = ([command.stream(), command.resource()], format!("approval/{approval}"));
        // Whoever leaves answers for nothing any more.
        let leaves = matches!(command, Command::RegisterService(_));
        let folded = self.blocking(move |engine| {
            let named = |stream: &String| format!("\"stream\":\"{stream}\"");
            let mut sought: Vec<String> = about.iter().chain([&asked]).map(named).collect();
            sought.extend(leaves.then(|| "\"t\":\"actor.left\"".to_owned()));
            let concerns =
                |entry: &Entry| about.contains(&entry.stream) || leaves && matches!(entry.event, Event::ActorLeft(_));
            let (mut state, mut over, mut wrong) = (State::default(), false, None);
            let size = engine.log.size();
            for start in (0..size).step_by(LOOKED_THROUGH) {
                let end = size.min(start + LOOKED_THROUGH as u64);
                let read = engine.log.for_each_entry(start..end, &mut |_, bytes| {
                    // Few entries are of one thing, and to look for its name is much faster than to decode them all.
                    let text = std::str::from_utf8(bytes).unwrap_or_default();
                    if over || !sought.iter().any(|name| text.contains(name.as_str())) {
                        return;
                    }
                    match Entry::decode(bytes) {
                        Ok(entry) if entry.stream == asked => over = true,
                        Ok(entry) if concerns(&entry) => state.apply(&entry),
                        Ok(_) => {}
                        Err(error) => wrong = Some(error.to_string()),
                    }
                });
                read.map_err(|error| ExecuteError::Internal(error.to_string()))?;
                if over {
                    break;
                }
            }
            wrong.map_or(Ok(state), |why| Err(ExecuteError::Internal(why)))
        });
        folded.await?
    }

    /// Carries out what was approved, to the letter.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn carry_out(self: &Arc<Self>, who: &Principal, approval: &str) -> Result<Done, ExecuteError> {
        let known = self.approval(approval)?;
        let standing = known.standing(Self::now_ms());
        if !standing.is_open() {
            let (code, why) = match standing {
                Standing::Used => (RefusalCode::Conflict, "was used before, and is good once"),
                Standing::Expired => (RefusalCode::Expired, "is expired"),
                Standing::Declined => (RefusalCode::Conflict, "is declined"),
                _ => (RefusalCode::Conflict, "is withdrawn"),
            };
            return Err(Refusal::new(code, format!("approval `{approval}` {why}: ask anew")).into());
        }
        let command = self.asked_command(approval).await?;
        self.execute(who, command).await
    }

    /// Keeps what is asked under its digest. If that fails, whoever votes is told that it is missing.
    pub(crate) async fn keep_asked(self: &Arc<Self>, command: &Command) {
        let Ok(bytes) = canonical::to_vec(command) else { return };
        let kept = self.blocking(move |engine| engine.put_artifact(&bytes)).await;
        if let Err(error) = kept.and_then(|kept| kept) {
            tracing::error!(%error, "what an approval is about was not kept");
        }
    }
}
