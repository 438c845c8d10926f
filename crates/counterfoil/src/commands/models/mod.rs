//! `counterfoil models`: model artifacts, looked through before anything loads them. Needs no server and no network.

mod sarif;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ::scan::artifacts::{self, RULES, Report, Source, Verdict};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::output::{self, Failure};

/// What to do with models.
#[derive(Subcommand)]
pub enum Models {
    /// Look through model artifacts without loading them: what they would run, and what could not be read
    #[command(
        after_help = "Exits with 0 when all passed, 1 when one failed, 2 when none failed and something was not read, \
                      or there was no file."
    )]
    Scan(Scan),
}

/// What to look through.
#[derive(Args)]
pub struct Scan {
    /// Files, and directories with all in them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write the findings to this file, too, as SARIF 2.1.0
    #[arg(long)]
    sarif: Option<PathBuf>,
}

/// Most files, and how deep directories are followed.
const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// A file that was looked through.
struct Scanned {
    path: String,
    sha256: String,
    report: Report,
}

impl Models {
    pub fn run(&self, json: bool) -> Result<(), Failure> {
        let Self::Scan(scan) = self;
        scan.run(json)
    }
}

impl Scan {
    fn run(&self, json: bool) -> Result<(), Failure> {
        let (mut scanned, mut links) = (Vec::new(), Vec::new());
        for path in &self.paths {
            let (mut files, before) = (Vec::new(), links.len());
            walk(path, MAX_DEPTH, true, &mut files, &mut links)?;
            // Nothing was looked at there: that is no pass.
            if files.is_empty() && links.len() == before {
                links.push(path.display().to_string());
            }
            for file in files {
                scanned.push(scan(&file)?);
            }
        }
        let verdict = verdict(&scanned, &links);
        if let Some(path) = &self.sarif {
            let text = sarif::log(&scanned, &links).to_string();
            std::fs::write(path, text).map_err(|e| Failure::io(format!("{}: {e}", path.display())))?;
        }
        if json {
            let artifacts: Vec<Value> = scanned.iter().map(told).collect();
            output::json(
                &json!({"rules": RULES, "verdict": verdict.as_str(), "artifacts": artifacts, "links": links}),
            )?;
        } else {
            print(&scanned, &links)?;
        }
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Fail => Err(Failure::new(
                1,
                "artifact_failed",
                "an artifact failed: do not load it, and ask where it comes from",
            )),
            Verdict::Incomplete => Err(Failure::new(
                2,
                "scan_incomplete",
                "nothing bad was found, and not everything could be read: what was not, and why, stands above",
            )),
        }
    }
}

fn verdict(scanned: &[Scanned], links: &[String]) -> Verdict {
    let any = |wanted| scanned.iter().any(|one| one.report.verdict() == wanted);
    match (any(Verdict::Fail), any(Verdict::Incomplete) || !links.is_empty()) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Incomplete,
        (false, false) => Verdict::Pass,
    }
}

/// A file on disk, read where it is asked for.
struct OnDisk {
    file: File,
    size: u64,
}

impl Source for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, at)
    }
}

fn scan(path: &Path) -> Result<Scanned, Failure> {
    let name = path.display().to_string();
    let failed = |e: io::Error| Failure::io(format!("{name}: {e}"));
    let file = File::open(path).map_err(failed)?;
    let source = OnDisk { size: file.metadata().map_err(failed)?.len(), file };
    let (mut digest, mut at, mut piece) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        match source.read_at(at, &mut piece).map_err(failed)? {
            0 => break,
            count => {
                digest.update(&piece[..count]);
                at += count as u64;
            }
        }
    }
    Ok(Scanned { sha256: merkle::hex(&digest.finalize()), report: artifacts::scan(&name, &source), path: name })
}

/// The files below a path. Links inside of a directory are told of and not followed: what they lead to may change.
fn walk(
    path: &Path,
    depth: usize,
    given: bool,
    files: &mut Vec<PathBuf>,
    links: &mut Vec<String>,
) -> Result<(), Failure> {
    let name = path.display().to_string();
    let failed = |e: io::Error| Failure::io(format!("{name}: {e}"));
    let kind = if given { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    let kind = kind.map_err(failed)?.file_type();
    if kind.is_dir() {
        if depth == 0 {
            return Err(Failure::usage(format!("{name}: directories lie deeper than {MAX_DEPTH}")));
        }
        let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut inside: Vec<PathBuf> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
        inside.sort();
        return inside.iter().try_for_each(|path| walk(path, depth - 1, false, files, links));
    }
    if kind.is_file() && files.len() >= MAX_FILES {
        return Err(Failure::usage(format!("there are more than {MAX_FILES} files: look through fewer at once")));
    }
    match kind.is_file() {
        true => files.push(path.to_owned()),
        false => links.push(name),
    }
    Ok(())
}

fn told(one: &Scanned) -> Value {
    let Report { findings, unread, looked, unlisted } = &one.report;
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({"rule": finding.rule.id, "severity": finding.rule.severity.as_str(), "path": finding.path,
                   "offset": finding.offset, "reason": finding.reason})
        })
        .collect();
    let unread: Vec<Value> = unread.iter().map(|part| json!({"path": part.path, "reason": part.reason})).collect();
    let looked: Vec<Value> =
        looked.iter().map(|part| json!({"path": part.path, "kind": part.kind, "bytes": part.bytes})).collect();
    json!({"path": one.path, "sha256": one.sha256, "verdict": one.report.verdict().as_str(), "findings": findings,
           "unread": unread, "looked": looked, "unlisted": unlisted})
}

fn print(scanned: &[Scanned], links: &[String]) -> Result<(), Failure> {
    let mut counts = [0_usize; 3];
    for one in scanned {
        let verdict = one.report.verdict();
        counts[verdict as usize] += 1;
        output::line(format!("{}: {}", one.path, verdict.as_str()))?;
        for finding in &one.report.findings {
            let place = finding.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
            let severity = finding.rule.severity.as_str();
            output::line(format!("  {severity} {}: {}{place}: {}", finding.rule.id, finding.path, finding.reason))?;
        }
        for part in &one.report.unread {
            output::line(format!("  not read: {}: {}", part.path, part.reason))?;
        }
        if one.report.unlisted > 0 {
            output::line(format!("  and {} more", one.report.unlisted))?;
        }
    }
    for link in links {
        output::line(format!("{link}: not read: it is a link, or holds no file"))?;
    }
    let [passed, failed, incomplete] = counts;
    output::line(format!("{passed} passed, {failed} failed, {incomplete} incomplete, by rules {RULES}"))
}
