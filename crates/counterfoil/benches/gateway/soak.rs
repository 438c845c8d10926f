//! Memory: of an idle server, and of one at a steady load. A leak shows as growth from the first third to the last.

use std::time::{Duration, Instant};

use clap::Args;

use crate::report::Report;
use crate::servers::Server;
use crate::{Arguments, Failure, stand_in};

/// How long and how much.
#[derive(Args, Clone)]
pub struct Soak {
    /// Seconds of load; 600 is the full one
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Calls a second
    #[arg(long, default_value_t = 500)]
    rate: u64,
}

/// How long the server is left alone first.
const IDLE: Duration = Duration::from_secs(5);

impl Soak {
    pub fn run(&self, arguments: &Arguments) -> Result<(), Failure> {
        let dir = tempfile::tempdir_in(&arguments.dir)?;
        let server = Server::counterfoil(arguments, dir.path(), stand_in::start()?)?;
        let mut report = Report::default();
        std::thread::sleep(IDLE);
        let idle = server.usage();
        report.row("idle", &[("rss_mib", idle.rss_mib), ("peak_mib", idle.peak_mib)]);

        let (target, time) = (server.target.clone(), Duration::from_secs(self.seconds));
        let rate = self.rate;
        let load = std::thread::spawn(move || target.steadily(rate, 16, time));
        let (start, mut seen) = (Instant::now(), Vec::new());
        while !load.is_finished() {
            std::thread::sleep(Duration::from_millis(500));
            seen.push(server.usage().rss_mib);
            if seen.len().is_multiple_of(60) {
                println!("{:>6.0} s   rss_mib {:.1}", start.elapsed().as_secs_f64(), server.usage().rss_mib);
            }
        }
        let mut sample = load.join().map_err(|_| "the load panicked")??;
        let third = seen.len() / 3;
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&seen[..third]), mean(&seen[seen.len() - third..]));
        report.row(
            format!("{} s at {} a second", self.seconds, self.rate),
            &[
                ("first_third_mib", first),
                ("last_third_mib", last),
                ("growth", last / first - 1.0),
                ("peak_mib", server.usage().peak_mib),
                ("p50_ms", sample.ms(0.5)),
                ("p99_ms", sample.ms(0.99)),
            ],
        );
        println!("{}", report.json());
        Ok(())
    }
}
