//! ONNX: where the data of tensors lie, and which operators are not ONNX' own.

use std::collections::BTreeSet;
use std::io;

use super::archive::leads_outside;
use super::proto::{self, Held};
use super::source::{Cursor, Source, bad};
use super::{Scan, rules, shown};

/// Families of operators that every runtime has.
const DOMAINS: [&str; 6] =
    ["", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training"];

/// Deepest graphs in graphs.
const MAX_DEPTH: usize = 32;

struct Walk<'a> {
    scan: &'a mut Scan,
    path: &'a str,
    /// Functions of the model itself: family and name.
    own: BTreeSet<(String, String)>,
}

pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let (mut cursor, all) = (Cursor::new(source, 0), (0, source.size()));
    let mut own = BTreeSet::new();
    proto::each(&mut cursor, all, &mut |cursor, field, held| match (field, held) {
        (25, Held::Bytes(start, end)) => {
            let (mut name, mut domain) = (String::new(), String::new());
            proto::each(cursor, (start, end), &mut |cursor, field, held| {
                match field {
                    1 => name = proto::text(cursor, held)?,
                    10 => domain = proto::text(cursor, held)?,
                    _ => {}
                }
                Ok(())
            })?;
            own.insert((domain, name));
            Ok(())
        }
        _ => Ok(()),
    })?;
    let mut walk = Walk { scan, path, own };
    proto::each(&mut cursor, all, &mut |cursor, field, held| match (field, held) {
        (7, Held::Bytes(start, end)) => walk.graph(cursor, (start, end), 0),
        (20, Held::Bytes(start, end)) => {
            proto::each(cursor, (start, end), &mut |cursor, field, held| match (field, held) {
                (1 | 2, Held::Bytes(start, end)) => walk.graph(cursor, (start, end), 0),
                _ => Ok(()),
            })
        }
        (25, Held::Bytes(start, end)) => {
            proto::each(cursor, (start, end), &mut |cursor, field, held| match (field, held) {
                (7, Held::Bytes(start, end)) => walk.node(cursor, (start, end), 0),
                (11, Held::Bytes(start, end)) => walk.attribute(cursor, (start, end), 0),
                _ => Ok(()),
            })
        }
        _ => Ok(()),
    })
}

impl Walk<'_> {
    fn graph(&mut self, cursor: &mut Cursor, at: (u64, u64), depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(bad("graphs lie too deep in one another"));
        }
        proto::each(cursor, at, &mut |cursor, field, held| match (field, held) {
            (1, Held::Bytes(start, end)) => self.node(cursor, (start, end), depth),
            (5, Held::Bytes(start, end)) => self.tensor(cursor, (start, end)),
            (15, Held::Bytes(start, end)) => self.sparse(cursor, (start, end)),
            _ => Ok(()),
        })
    }

    fn node(&mut self, cursor: &mut Cursor, at: (u64, u64), depth: usize) -> io::Result<()> {
        let (mut op, mut domain) = (String::new(), String::new());
        proto::each(cursor, at, &mut |cursor, field, held| {
            match (field, held) {
                (4, _) => op = proto::text(cursor, held)?,
                (7, _) => domain = proto::text(cursor, held)?,
                (5, Held::Bytes(start, end)) => self.attribute(cursor, (start, end), depth)?,
                _ => {}
            }
            Ok(())
        })?;
        let python = matches!(op.as_str(), "PyOp" | "PythonOp" | "PyCustomOp");
        if python || !(DOMAINS.contains(&domain.as_str()) || self.own.contains(&(domain.clone(), op.clone()))) {
            let reason =
                format!("it calls `{}` of `{}`, which a library of its own has to supply", shown(&op), shown(&domain));
            self.scan.found(&rules::ONNX_DOMAIN, self.path, at.0, reason);
        }
        Ok(())
    }

    fn attribute(&mut self, cursor: &mut Cursor, at: (u64, u64), depth: usize) -> io::Result<()> {
        proto::each(cursor, at, &mut |cursor, field, held| match (field, held) {
            (5 | 10, Held::Bytes(start, end)) => self.tensor(cursor, (start, end)),
            (6 | 11, Held::Bytes(start, end)) => self.graph(cursor, (start, end), depth + 1),
            (22 | 23, Held::Bytes(start, end)) => self.sparse(cursor, (start, end)),
            _ => Ok(()),
        })
    }

    fn sparse(&mut self, cursor: &mut Cursor, at: (u64, u64)) -> io::Result<()> {
        proto::each(cursor, at, &mut |cursor, field, held| match (field, held) {
            (1 | 2, Held::Bytes(start, end)) => self.tensor(cursor, (start, end)),
            _ => Ok(()),
        })
    }

    fn tensor(&mut self, cursor: &mut Cursor, at: (u64, u64)) -> io::Result<()> {
        proto::each(cursor, at, &mut |cursor, field, held| {
            let (13, Held::Bytes(start, end)) = (field, held) else { return Ok(()) };
            let (mut key, mut value) = (String::new(), String::new());
            proto::each(cursor, (start, end), &mut |cursor, field, held| {
                match field {
                    1 => key = proto::text(cursor, held)?,
                    2 => value = proto::text(cursor, held)?,
                    _ => {}
                }
                Ok(())
            })?;
            if key == "location" {
                self.location(&value, start);
            }
            Ok(())
        })
    }

    fn location(&mut self, value: &str, at: u64) {
        let outside = leads_outside(value).or_else(|| value.contains("://").then_some("its path is an address"));
        match outside {
            Some(why) => {
                let reason = format!("numbers lie in `{}`: {why}", shown(value));
                self.scan.found(&rules::ONNX_PATH, self.path, at, reason);
            }
            None => {
                let reason = format!("numbers lie in `{}`, beside it", shown(value));
                self.scan.found(&rules::ONNX_EXTERNAL, self.path, None, reason);
            }
        }
    }
}
