//! Order, grouping, bounds, and silence after a failure.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

struct Recorder {
    gate: Receiver<()>,
    batches: Sender<Vec<u32>>,
    fail_on: Option<u32>,
}

impl Sink for Recorder {
    type Item = Item;

    fn commit(&mut self, batch: &mut Vec<Self::Item>) -> Result<(), Fatal> {
        self.gate.recv().map_err(|_| Fatal("the test is over".into()))?;
        let numbers: Vec<u32> = batch.iter().map(|(number, _)| *number).collect();
        if numbers.iter().any(|number| Some(*number) == self.fail_on) {
            return Err(Fatal("sync failed".into()));
        }
        self.batches.send(numbers).map_err(|error| Fatal(error.to_string()))?;
        for (number, ack) in batch.drain(..) {
            // The test may not wait for this answer.
            let _ = ack.send(number);
        }
        Ok(())
    }
}

struct Bench {
    committer: Committer<Item>,
    gate: Sender<()>,
    batches: Receiver<Vec<u32>>,
    fatal: Receiver<String>,
}

fn bench(limits: Limits, fail_on: Option<u32>) -> Bench {
    let (gate, gate_rx) = channel();
    let (batches_tx, batches) = channel();
    let (fatal_tx, fatal) = channel();
    let sink = Recorder { gate: gate_rx, batches: batches_tx, fail_on };
    let fatal_tx = Mutex::new(fatal_tx);
    let handler: FatalHandler =
        Arc::new(move |fatal| fatal_tx.lock().unwrap().send(fatal.to_string()).expect("the test waits"));
    let committer = Committer::spawn("test", sink, limits, handler).unwrap();
    Bench { committer, gate, batches, fatal }
}

#[test]
fn what_comes_during_a_sync_is_one_batch_in_order() {
    let bench = bench(Limits::default(), None);
    let (ack, acks) = channel();
    bench.committer.submit((0, ack.clone()), 10).unwrap();
    while bench.committer.waiting() > 0 {
        std::thread::yield_now();
    }
    for number in 1..100 {
        bench.committer.try_submit((number, ack.clone()), 10).unwrap();
    }
    bench.gate.send(()).unwrap();
    bench.gate.send(()).unwrap();
    assert_eq!(bench.batches.recv().unwrap(), [0]);
    assert_eq!(bench.batches.recv().unwrap(), (1..100).collect::<Vec<_>>());
    assert!(acks.iter().take(100).eq(0..100));
}

#[test]
fn batches_respect_the_limits_of_items_and_bytes() {
    let limits = Limits { batch_items: 3, batch_bytes: 100, ..Limits::default() };
    let bench = bench(limits, None);
    let (ack, _acks) = channel();
    bench.committer.submit((0, ack.clone()), 1).unwrap();
    while bench.committer.waiting() > 0 {
        std::thread::yield_now();
    }
    for (number, bytes) in [(1, 60), (2, 60), (3, 10), (4, 10), (5, 10), (6, 500), (7, 1)] {
        bench.committer.submit((number, ack.clone()), bytes).unwrap();
    }
    (0..8).for_each(|_| bench.gate.send(()).unwrap());
    let batches: Vec<Vec<u32>> = bench.batches.iter().take(6).collect();
    assert_eq!(batches, [vec![0], vec![1], vec![2, 3, 4], vec![5], vec![6], vec![7]]);
}

#[test]
fn a_full_queue_refuses_and_hands_the_item_back() {
    let limits = Limits { queue_items: 2, ..Limits::default() };
    let bench = bench(limits, None);
    let (ack, acks) = channel();
    bench.committer.submit((0, ack.clone()), 1).unwrap();
    while bench.committer.waiting() > 0 {
        std::thread::yield_now();
    }
    bench.committer.try_submit((1, ack.clone()), 1).unwrap();
    bench.committer.try_submit((2, ack.clone()), 1).unwrap();
    match bench.committer.try_submit((3, ack.clone()), 1) {
        Err(Rejected::Busy((3, _))) => {}
        other => panic!("expected busy, got {:?}", other.map_err(|_| "another refusal")),
    }
    (0..4).for_each(|_| bench.gate.send(()).unwrap());
    bench.committer.submit((4, ack), 1).unwrap();
    assert!(acks.iter().take(4).eq([0, 1, 2, 4]));
}

#[test]
fn dropping_writes_what_waits() {
    let Bench { committer, gate, batches, .. } = bench(Limits::default(), None);
    let (ack, acks) = channel();
    (0..10).for_each(|number| committer.submit((number, ack.clone()), 1).unwrap());
    (0..10).for_each(|_| gate.send(()).unwrap());
    drop(committer);
    assert_eq!(batches.try_iter().flatten().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(acks.try_iter().count(), 10);
}

#[test]
fn after_a_failure_the_handler_is_called_and_nobody_is_answered() {
    let bench = bench(Limits::default(), Some(1));
    let (ack, acks) = channel();
    bench.committer.submit((1, ack.clone()), 1).unwrap();
    while bench.committer.waiting() > 0 {
        std::thread::yield_now();
    }
    bench.committer.submit((2, ack.clone()), 1).unwrap();
    bench.gate.send(()).unwrap();
    assert_eq!(bench.fatal.recv().unwrap(), "sync failed");
    while !matches!(bench.committer.try_submit((3, ack.clone()), 1), Err(Rejected::Closed(_))) {
        std::thread::yield_now();
    }
    drop(ack);
    assert_eq!(acks.iter().count(), 0);
}

/// Counts what it is given as on its way.
struct Crowd {
    recorder: Recorder,
    coming: usize,
}

impl Sink for Crowd {
    type Item = Item;

    fn commit(&mut self, batch: &mut Vec<Self::Item>) -> Result<(), Fatal> {
        self.recorder.commit(batch)
    }

    fn coming(&self) -> Option<usize> {
        Some(self.coming)
    }
}

/// A number, and who hears that it is durable.
type Item = (u32, Sender<u32>);

/// A writer that knows of `coming` items, with its gate open, and the batches it makes.
fn crowd(coming: usize) -> (Committer<Item>, Receiver<Vec<u32>>) {
    let (gate, gate_rx) = channel();
    let (batches_tx, batches) = channel();
    (0..100).for_each(|_| gate.send(()).unwrap());
    let recorder = Recorder { gate: gate_rx, batches: batches_tx, fail_on: None };
    let handler: FatalHandler = Arc::new(|_| {});
    (Committer::spawn("test", Crowd { recorder, coming }, Limits::default(), handler).unwrap(), batches)
}

#[test]
fn given_hands_that_all_have_work_a_batch_fills_to_half_of_what_comes() {
    let (committer, batches) = crowd(8);
    let _hands = [committer.hand(), committer.hand()];
    let (ack, _acks) = channel();
    let start = Instant::now();
    (0..4).for_each(|number| committer.submit((number, ack.clone()), 1).unwrap());
    let first = batches.recv().unwrap();
    // A machine that stops for as long as the writer lingers may see the batch cut.
    assert!(first == [0, 1, 2, 3] || start.elapsed() >= BUSY_LINGER, "{first:?}");
}

#[test]
fn given_a_hand_without_work_nothing_lingers() {
    let (committer, batches) = crowd(1000);
    let (busy, idle) = (committer.hand(), committer.hand());
    let (ack, _acks) = channel();
    // A machine may stop for a moment at any time, but not each time.
    let quickest = |submit: &dyn Fn(u32)| {
        let took = (0..20).map(|number| {
            let start = Instant::now();
            submit(number);
            assert_eq!(batches.recv().unwrap(), [number]);
            start.elapsed()
        });
        took.min().unwrap()
    };
    idle.rests();
    let at_rest = quickest(&|number: u32| committer.submit((number, ack.clone()), 1).unwrap());
    assert!(at_rest < BUSY_LINGER, "{at_rest:?}");

    // When: it has work again, and rests while the writer lingers.
    let called = quickest(&|number: u32| {
        idle.works();
        committer.submit((number, ack.clone()), 1).unwrap();
        std::thread::sleep(BUSY_LINGER / 10);
        idle.rests();
    });
    assert!(called < BUSY_LINGER, "{called:?}");
    drop((busy, idle));
    assert_eq!(committer.shared.hands.load(Ordering::SeqCst), 0);
    assert_eq!(committer.shared.resting.load(Ordering::SeqCst), 0);
}
