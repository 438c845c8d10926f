//! What a start does about the incarnation before it, when that did not end well: it says so, seals what was left, and
//! says which of its hourly counts are lost.
//!
//! Each step looks in the ledger whether it was done, so a crash in between is mended by the next start. A process gives
//! its first sign of life before it listens: one that gave none answered nobody, and lost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::infrastructure::NodeRecovered;
use domain::serving::GatewayCountLost;
use domain::{Command, Entry, Event};
use ledger::log::{Log, LogError};
use ledger::records::Recovered;

use crate::reconcile::{COUNT_EVERY, HEARTBEAT_EVERY};
use crate::{Engine, ExecuteError};

const HOUR_MS: i64 = 3_600_000;

/// An hour that ended so long before the process died has been reported, if there was anything to report.
const REPORTED_MS: i64 = 2 * ms(COUNT_EVERY);

/// A process that lives gives a sign of it so often.
const ALIVE_MS: i64 = ms(HEARTBEAT_EVERY);

/// How many entries are read at once.
const CHUNK: u64 = 1024;

const fn ms(time: Duration) -> i64 {
    time.as_secs() as i64 * 1000
}

/// The beginning of the hour that a time lies in, both in milliseconds since the epoch.
pub(crate) fn hour_of(ts: i64) -> i64 {
    ts.saturating_sub(ts.rem_euclid(HOUR_MS))
}

/// How an incarnation ended, as the ledger tells it.
#[derive(Debug, Default)]
struct Ending {
    /// Its newest sign of life.
    alive: Option<i64>,
    /// It ended well.
    stopped: bool,
    /// A start has said that it did not.
    recovered: bool,
    /// Its sealed records by hour.
    sealed: BTreeMap<i64, u64>,
    /// Hours that were counted after they had ended.
    counted: BTreeSet<i64>,
    /// Hours whose count was said to be lost.
    lost: BTreeSet<i64>,
}

impl Ending {
    fn of(node: &str, incarnation: u64, entries: &[Entry]) -> Self {
        let mut ending = Self::default();
        for Entry { ts, event, .. } in entries.iter().filter(|entry| is_of(&entry.event, node, incarnation)) {
            match event {
                Event::NodeStopped(_) => ending.stopped = true,
                Event::NodeRecovered(_) => ending.recovered = true,
                Event::GatewayCounted(body) if *ts >= body.hour.saturating_add(HOUR_MS) => {
                    ending.counted.insert(body.hour);
                }
                Event::GatewayCountLost(body) => {
                    ending.lost.insert(body.hour);
                }
                Event::SegmentSealed(body) => {
                    for (hour, n) in &body.hours {
                        *ending.sealed.entry(*hour).or_default() += n;
                    }
                }
                _ => {}
            }
            // What was written after it had been recovered was written by the start.
            if is_sign_of_life(event) && !ending.recovered {
                ending.alive = ending.alive.max(Some(*ts));
            }
        }
        ending
    }

    /// Whether it ended well, or never had anything to lose.
    fn is_clean(&self) -> bool {
        self.stopped || self.alive.is_none()
    }

    /// The hours whose count died with the process and of which the ledger does not say so yet, with their sealed records.
    /// When it died is not known: after its newest sign of life, and before the next was due.
    fn lost(&self, now: i64) -> Vec<(i64, u64)> {
        let Some(alive) = self.alive else { return Vec::new() };
        let first = hour_of(alive.saturating_sub(REPORTED_MS));
        let last = hour_of(now.min(alive.saturating_add(ALIVE_MS)).max(alive));
        let lived = (first..=last).step_by(HOUR_MS as usize);
        let hours: BTreeSet<i64> = lived.chain(self.sealed.range(first..).map(|(hour, _)| *hour)).collect();
        let unsaid = hours.difference(&self.counted).filter(|hour| !self.lost.contains(hour));
        unsaid.map(|hour| (*hour, self.sealed.get(hour).copied().unwrap_or(0))).collect()
    }
}

/// Whether an event tells of this incarnation. A heartbeat names no node: it is of whoever wrote the ledger then.
fn is_of(event: &Event, node: &str, incarnation: u64) -> bool {
    let named = match event {
        Event::NodeJoined(body) => (&body.node, body.incarnation),
        Event::NodeStopped(body) => (&body.node, body.incarnation),
        Event::NodeRecovered(body) => (&body.node, body.incarnation),
        Event::SegmentSealed(body) => (&body.node, body.incarnation),
        Event::SegmentProgress(body) => (&body.node, body.incarnation),
        Event::GatewayCounted(body) => (&body.node, body.incarnation),
        Event::GatewayCountLost(body) => (&body.node, body.incarnation),
        Event::LedgerHeartbeat(_) => return true,
        _ => return false,
    };
    named == (&node.to_owned(), incarnation)
}

fn is_sign_of_life(event: &Event) -> bool {
    matches!(
        event,
        Event::LedgerHeartbeat(_) | Event::SegmentSealed(_) | Event::SegmentProgress(_) | Event::GatewayCounted(_)
    )
}

/// The entries that tell how an incarnation ended, in order: those of its last hour at least, or all since its start.
fn last_entries(log: &Log, node: &str, incarnation: u64) -> Result<Vec<Entry>, LogError> {
    let (mut chunks, mut end, mut enough) = (Vec::new(), log.size(), false);
    let mut newest: Option<i64> = None;
    while end > 0 && !enough {
        let first = end.saturating_sub(CHUNK);
        let mut chunk = Vec::new();
        log.for_each_entry(first..end, &mut |_, bytes| chunk.extend(Entry::decode(bytes).ok()))?;
        for entry in chunk.iter().rev().filter(|entry| is_of(&entry.event, node, incarnation)) {
            match &entry.event {
                Event::NodeJoined(_) => enough = true,
                // What came after it is no sign of life of this incarnation.
                Event::NodeRecovered(_) => newest = None,
                event if is_sign_of_life(event) => {
                    let newest = *newest.get_or_insert(entry.ts);
                    enough |= entry.ts < hour_of(newest).saturating_sub(2 * HOUR_MS);
                }
                _ => {}
            }
        }
        chunks.push(chunk);
        end = first;
    }
    let entries: Vec<Entry> = chunks.into_iter().rev().flatten().collect();
    let started =
        |entry: &Entry| matches!(&entry.event, Event::NodeJoined(_)) && is_of(&entry.event, node, incarnation);
    let from = entries.iter().rposition(started).unwrap_or(0);
    Ok(entries.into_iter().skip(from).collect())
}

impl Engine {
    /// Settles what the incarnation before left, whether it ended well or not.
    pub(crate) async fn recover(self: &Arc<Self>, found: Recovered) -> Result<(), ExecuteError> {
        let node = self.node().to_owned();
        let Some(incarnation) = self.read(|state| state.nodes.get(&node).map(|node| node.incarnation)) else {
            return Ok(());
        };
        let ending = self.ending(&node, incarnation).await?;
        if ending.is_clean() && found == Recovered::default() {
            return Ok(());
        }
        // Before the seal, for afterwards nothing would tell how much there was to be sealed.
        if !ending.recovered {
            let recovered = NodeRecovered {
                node: node.clone(),
                incarnation,
                unsealed: found.unsealed,
                interrupted: found.interrupted,
                truncated_bytes: found.truncated_bytes,
            };
            self.execute(self.system(), Command::RecoverNode(recovered)).await?;
        }
        self.seal(true).await?;
        for (hour, records) in self.ending(&node, incarnation).await?.lost(Self::now_ms()) {
            let lost = GatewayCountLost { node: node.clone(), incarnation, hour, records };
            self.execute(self.system(), Command::LoseCount(lost)).await?;
        }
        Ok(())
    }

    async fn ending(self: &Arc<Self>, node: &str, incarnation: u64) -> Result<Ending, ExecuteError> {
        let node = node.to_owned();
        let read = self.blocking(move |engine| {
            let entries = last_entries(&engine.log, &node, incarnation)?;
            Ok(Ending::of(&node, incarnation, &entries))
        });
        read.await?.map_err(|e: LogError| ExecuteError::Unavailable(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(alive: i64) -> Ending {
        Ending { alive: Some(alive), ..Ending::default() }
    }

    #[test]
    fn given_a_crash_within_an_hour_when_asked_what_is_lost_then_it_is_that_hour() {
        let alive = 10 * HOUR_MS + HOUR_MS / 2;
        assert_eq!(ending(alive).lost(alive + HOUR_MS), [(10 * HOUR_MS, 0)]);
        let sealed = BTreeMap::from([(3 * HOUR_MS, 9), (10 * HOUR_MS, 5)]);
        let busy = Ending { sealed, ..ending(alive) };
        assert_eq!(busy.lost(alive), [(10 * HOUR_MS, 5)], "what is older was reported");
    }

    #[test]
    fn given_a_crash_around_the_turn_of_the_hour_when_asked_what_is_lost_then_both_hours_are_unless_counted() {
        let just_after = 11 * HOUR_MS + REPORTED_MS - 1;
        let mut around = ending(just_after);
        assert_eq!(around.lost(just_after), [(10 * HOUR_MS, 0), (11 * HOUR_MS, 0)]);
        around.counted.insert(10 * HOUR_MS);
        assert_eq!(around.lost(just_after), [(11 * HOUR_MS, 0)]);
        around.lost.insert(11 * HOUR_MS);
        assert_eq!(around.lost(just_after), [], "said before");
        let just_before = 11 * HOUR_MS - ALIVE_MS;
        assert_eq!(ending(just_before).lost(i64::MAX), [(10 * HOUR_MS, 0), (11 * HOUR_MS, 0)]);
    }

    #[test]
    fn given_calls_that_the_next_start_cut_off_when_asked_what_is_lost_then_the_hour_of_their_records_is_too() {
        let found = Ending { sealed: BTreeMap::from([(90 * HOUR_MS, 2)]), ..ending(10 * HOUR_MS + HOUR_MS / 2) };
        assert_eq!(found.lost(90 * HOUR_MS), [(10 * HOUR_MS, 0), (90 * HOUR_MS, 2)]);
        assert_eq!(Ending::default().lost(0), [], "it never lived");
    }
}
