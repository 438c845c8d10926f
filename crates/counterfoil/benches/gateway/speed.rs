//! Added latency and throughput.

use std::time::Duration;

use clap::Args;

use crate::load::{Sample, Target};
use crate::report::Report;
use crate::servers::{Nginx, Server};
use crate::{Arguments, Failure, disk, stand_in};

/// How long and how much.
#[derive(Args, Clone)]
pub struct Speed {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Times that each is made, in turn; the parts are added up
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Calls a second of the steady load
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Connections of the load that takes all it can get; 0 leaves it out
    #[arg(long, value_delimiter = ',', default_values_t = CROWDS)]
    connections: Vec<usize>,
    /// Leave latency out
    #[arg(long)]
    throughput_only: bool,
}

impl Default for Speed {
    fn default() -> Self {
        Self { seconds: 3.0, rounds: 2, rate: 500, connections: CROWDS.to_vec(), throughput_only: false }
    }
}

/// Connections of the steady load: enough that a slow answer delays no other.
const STEADY_CONNECTIONS: usize = 16;

/// Connections of the loads that saturate.
const CROWDS: [usize; 2] = [16, 64];

/// Synced writes before and after each round.
const SYNCS: u64 = 200;

/// One thing that is called, and what calling it took.
struct Called<'a> {
    name: &'static str,
    target: Target,
    server: Option<&'a Server>,
    sample: Sample,
    cpu: f64,
}

impl Called<'_> {
    fn measure(&mut self, load: impl Fn(&Target) -> Result<Sample, Failure>) -> Result<(), Failure> {
        let cpu = || self.server.map_or(0.0, |server| server.usage().cpu);
        let before = cpu();
        let sample = load(&self.target).map_err(|error| format!("{}: {error}", self.name))?;
        self.cpu += cpu() - before;
        self.sample.add(sample);
        Ok(())
    }

    fn cpu_us(&self) -> f64 {
        self.cpu * 1e6 / self.sample.latencies.len() as f64
    }
}

const KEEPING: &str = "nginx that keeps connections";
const PLAIN: &str = "nginx, proxy_pass alone";

impl Speed {
    pub fn run(&self, arguments: &Arguments) -> Result<(), Failure> {
        let dir = tempfile::tempdir_in(&arguments.dir)?;
        let provider = stand_in::start()?;
        let gateway = Server::counterfoil(arguments, dir.path(), provider)?;
        let nginx = Server::nginx(arguments, dir.path(), provider, Nginx::Keeping)?;
        let plain = match nginx {
            Some(_) => Server::nginx(arguments, dir.path(), provider, Nginx::Plain)?,
            None => None,
        };
        let direct = Target::new(provider, "none");
        let fresh =
            || {
                let called = |name, target: &Target, server| Called {
                    name,
                    target: target.clone(),
                    server,
                    sample: Sample::default(),
                    cpu: 0.0,
                };
                let mut all = vec![called("direct", &direct, None), called("gateway", &gateway.target, Some(&gateway))];
                let beside = [(KEEPING, &nginx), (PLAIN, &plain)];
                all.extend(beside.into_iter().filter_map(|(name, server)| {
                    server.as_ref().map(|server| called(name, &server.target, Some(server)))
                }));
                all
            };
        let mut report = Report::default();
        // Keys of subjects are made and connections are pooled before anything is measured.
        gateway.target.at_once(64, Duration::from_secs(1))?;
        if !self.throughput_only {
            let in_turn = |target: &Target, time| target.in_turn(time);
            self.latency(&mut report, "one after the other", fresh(), dir.path(), in_turn)?;
            let steadily = |target: &Target, time| target.steadily(self.rate, STEADY_CONNECTIONS, time);
            self.latency(&mut report, &format!("{} a second", self.rate), fresh(), dir.path(), steadily)?;
        }
        for connections in self.connections.iter().filter(|connections| **connections > 0) {
            self.throughput(&mut report, *connections, fresh())?;
        }
        println!("{}", report.json());
        Ok(())
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn latency(
        &self,
        report: &mut Report,
        name: &str,
        mut all: Vec<Called<'_>>,
        dir: &std::path::Path,
        load: impl Fn(&Target, Duration) -> Result<Sample, Failure>,
    ) -> Result<(), Failure> {
        let mut disk = disk::syncs(dir, SYNCS)?;
        for _ in 0..self.rounds {
            for called in &mut all {
                called.measure(|target| load(target, self.time()))?;
            }
            disk.add(disk::syncs(dir, SYNCS)?);
        }
        report.row(format!("{name}: disk sync"), &[("p50_ms", disk.ms(0.5)), ("p99_ms", disk.ms(0.99))]);
        let mut direct = (0.0, 0.0);
        for called in &mut all {
            let (p50, p99) = (called.sample.ms(0.5), called.sample.ms(0.99));
            let row = format!("{name}: {}", called.name);
            if called.server.is_none() {
                direct = (p50, p99);
                report.row(row, &[("p50_ms", p50), ("p99_ms", p99)]);
                continue;
            }
            let (added_p50, added_p99) = (p50 - direct.0, p99 - direct.1);
            let cpu = ("cpu_us_per_call", called.cpu_us());
            let added = [("added_p50_ms", added_p50), ("added_p99_ms", added_p99)];
            report.row(
                row,
                &[[("p50_ms", p50), ("p99_ms", p99)], added].concat().into_iter().chain([cpu]).collect::<Vec<_>>(),
            );
        }
        Ok(())
    }

    fn throughput(&self, report: &mut Report, connections: usize, mut all: Vec<Called<'_>>) -> Result<(), Failure> {
        for _ in 0..self.rounds {
            for called in &mut all {
                called.measure(|target| target.at_once(connections, self.time()))?;
            }
        }
        let named = |name: &str| {
            let found = all.iter().find(|called| called.name == name);
            found.map(|called| (called.sample.rate(), called.cpu_us()))
        };
        let (keeping, plain) = (named(KEEPING), named(PLAIN));
        for called in &mut all {
            let mut numbers = vec![("calls_per_s", called.sample.rate()), ("p99_ms", called.sample.ms(0.99))];
            if called.server.is_some() {
                numbers.push(("cpu_us_per_call", called.cpu_us()));
            }
            let gateway = called.name == "gateway";
            if let Some((rate, cpu_us)) = keeping.filter(|_| gateway) {
                numbers.push(("of_nginx_keeping", called.sample.rate() / rate));
                numbers.push(("cpu_of_nginx_keeping", called.cpu_us() / cpu_us));
            }
            if let Some((rate, cpu_us)) = plain.filter(|_| gateway) {
                numbers.push(("of_nginx_plain", called.sample.rate() / rate));
                numbers.push(("cpu_of_nginx_plain", called.cpu_us() / cpu_us));
            }
            report.row(format!("{connections} connections: {}", called.name), &numbers);
        }
        Ok(())
    }
}
