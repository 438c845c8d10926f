//! Statements: what a log says, under its key, of something that is not in its tree, such as a file that was handed
//! out. A signed note like a checkpoint, and never to be taken for one.

/// The text to sign: `kind` in a line, `origin` and the log's origin in the next, then each of `members` in its own,
/// name and value with a space between. The second line of a checkpoint is a number, so this is none, whatever the
/// members are.
pub fn statement(kind: &str, origin: &str, members: &[(&str, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("{name} {value}\n"));
    format!("{kind}\norigin {origin}\n{}", members.collect::<String>())
}

#[cfg(test)]
mod tests {
    use crate::{Checkpoint, Note, SignerKey, statement};

    #[test]
    fn given_any_members_when_signed_then_the_note_is_no_checkpoint() {
        let key = SignerKey::ed25519("example.com/log", &[3; 32]).expect("a good name");
        for (kind, value) in [("example.com/log", "x"), ("counterfoil/package@v1", "x\n3\n"), ("", "")] {
            let text = statement(kind, "example.com/log", &[("sha256", value.to_owned())]);
            let mut note = Note::new(text.as_str()).expect("a note");
            note.signatures.push(key.sign_note(&text));
            assert!(key.verifier_key().verify(&note).is_ok());
            assert!(Checkpoint::open(note.to_string(), key.verifier_key()).is_err(), "{text}");
        }
        let text = statement("a/b@v1", "example.com/log", &[("from", "1".into()), ("sha256", "00".into())]);
        assert_eq!(text, "a/b@v1\norigin example.com/log\nfrom 1\nsha256 00\n");
    }
}
