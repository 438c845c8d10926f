//! A process that is told things line by line, and answers each with a line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A process to talk with; it ends with its owner.
pub struct Talk {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Talk {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("readable");
        assert!(read > 0, "it ended");
        line.trim_end().to_owned()
    }

    /// Tells it something and waits for its answer.
    #[track_caller]
    pub fn say(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("it listens");
        self.line()
    }

    /// Takes a step in a script that answers `{"ok"}` or `{"error"}`.
    #[track_caller]
    pub fn step(&mut self, step: &Value) -> Value {
        let answer: Value = serde_json::from_str(&self.say(&step.to_string())).expect("JSON");
        assert!(answer.get("error").is_none(), "{step}: {answer}");
        answer["ok"].clone()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
