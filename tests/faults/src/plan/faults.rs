//! What goes wrong in a round, and when.

use jifen_e2e::system::SERVICES;
use jifen_runtime::failpoint::PLACES;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// How the services are spread over processes: each process with its services, none for all of them.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Its name in the report.
    pub name: &'static str,
    /// One list a process.
    pub copies: Vec<Vec<&'static str>>,
    /// Messages in one transaction: small ones pass more failpoints, large ones lose more at once.
    pub batch_messages: usize,
    /// What is published is published in atomic batches.
    pub atomic: bool,
}

impl Layout {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        let all = Vec::new;
        let (name, copies) = match rng.random_range(0..6) {
            0 | 1 => ("one", vec![all()]),
            2 => ("two", vec![all(), all()]),
            3 => ("four", vec![all(), all(), all(), all()]),
            4 => ("each", SERVICES.iter().map(|service| vec![*service]).collect()),
            _ => {
                let hot = vec!["points", "campaign"];
                ("mixed", vec![vec!["program", "member", "ingest"], hot.clone(), hot, vec!["tier", "notification"]])
            }
        };
        let batch_messages = [3, 10, 50, 500].choose(rng).copied().unwrap_or(50);
        Self { name, copies, batch_messages, atomic: batch_messages > 10 && rng.random_bool(0.4) }
    }
}

/// A failpoint for one process: `service:place:nth:deed`.
#[derive(Debug, Clone)]
pub struct Trap {
    /// Which service.
    pub service: &'static str,
    /// Where.
    pub place: &'static str,
    /// At which pass.
    pub nth: u32,
    /// `kill`, `stop`, `pause-…`.
    pub deed: String,
}

impl Trap {
    fn new(rng: &mut StdRng) -> Self {
        // Those that most depends on come more often; `any` counts all places together.
        const BUSY: [&str; 5] = ["ingest", "points", "points", "campaign", "notification"];
        let place = if rng.random_bool(0.15) { "any" } else { PLACES.choose(rng).copied().unwrap_or("any") };
        let service = match place {
            // Who is asked to change something; and only poison is set aside, mostly by points.
            _ if place.starts_with("endpoint.") => ["member", "points"].choose(rng).copied().unwrap_or("points"),
            "runner.set_aside" | "job.handled" => "points",
            _ => if rng.random_bool(0.6) { BUSY.choose(rng) } else { SERVICES.choose(rng) }.copied().unwrap_or("points"),
        };
        let nth = match place {
            "any" => rng.random_range(1..200),
            _ if rng.random_bool(0.3) => rng.random_range(5..50),
            _ => rng.random_range(1..=4),
        };
        let deed = match rng.random_range(0..12) {
            0 | 2 => format!("pause-{}", rng.random_range(200..2_500)),
            1 => "stop".to_owned(),
            _ => "kill".to_owned(),
        };
        Self { service, place, nth, deed }
    }
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}:{}", self.service, self.place, self.nth, self.deed)
    }
}

/// Where a connection to Postgres is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// COMMIT never arrives.
    BeforeCommit,
    /// COMMIT was done, and nobody is told.
    AfterCommit,
}

/// The streams that a broker may lose.
pub const STREAMS: [&str; 5] = ["EVENTS", "NOTIFY", "RECEIPTS", "POS", "GATEWAY_RECEIPTS"];

/// What the broker forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amnesia {
    /// A stream is made anew while everybody is connected.
    Recreated(&'static str),
    /// The folder with all streams is gone.
    Deleted,
    /// All streams are as they were a while ago.
    Restored,
    /// The end of a stream's file is cut off, by so many permille of it.
    Truncated(&'static str, u64),
    /// Bits of a stream's file are wrong.
    Flipped(&'static str),
}

impl Amnesia {
    fn new(rng: &mut StdRng) -> Self {
        let stream = STREAMS.choose(rng).copied().unwrap_or("EVENTS");
        match rng.random_range(0..6) {
            0 | 1 => Self::Recreated(stream),
            2 => Self::Deleted,
            3 => Self::Restored,
            4 => Self::Truncated(stream, rng.random_range(10..900)),
            _ => Self::Flipped(stream),
        }
    }

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recreated(_) => "amnesia: stream recreated",
            Self::Deleted => "amnesia: store deleted",
            Self::Restored => "amnesia: store restored",
            Self::Truncated(..) => "amnesia: file truncated",
            Self::Flipped(_) => "amnesia: bits flipped",
        }
    }
}

/// One fault.
#[derive(Debug, Clone)]
pub enum Deed {
    /// The broker forgets.
    Amnesia(Amnesia),
    /// `kill -9` of every process.
    KillAll,
    /// `kill -9` of one process.
    KillOne,
    /// `kill -9` of the broker, and its start.
    BrokerKilled,
    /// The broker hangs so long, in milliseconds.
    BrokerStops(u64),
    /// Postgres is stopped at once, as after a crash, and started.
    DatabaseRestarts,
    /// So many connections of services are cut at their next COMMIT.
    Cut(Cut, u32),
    /// All connections to Postgres are cut.
    CutAll,
    /// Transactions fail with this SQLSTATE with this probability in percent for so many milliseconds; at COMMIT or before.
    Aborted {
        /// `40001` or `40P01`.
        sqlstate: &'static str,
        /// Of a hundred.
        percent: u32,
        /// Only when the transaction wants to commit.
        at_commit: bool,
        /// How long.
        for_ms: u64,
    },
    /// One more process joins.
    Join,
    /// One process leaves as it should.
    Leave,
}

/// A fault and its moment.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When so much of the load is out, in permille.
    pub at: u32,
    /// What.
    pub deed: Deed,
}

impl Fault {
    fn new(rng: &mut StdRng) -> Self {
        let deed = match rng.random_range(0..15) {
            12..=14 => Deed::Amnesia(Amnesia::new(rng)),
            0 => Deed::KillAll,
            1 | 2 => Deed::KillOne,
            3 => Deed::BrokerKilled,
            4 => Deed::BrokerStops(rng.random_range(1_000..5_000)),
            5 => Deed::DatabaseRestarts,
            6 | 7 => Deed::Cut(if rng.random_bool(0.5) { Cut::BeforeCommit } else { Cut::AfterCommit }, rng.random_range(1..6)),
            8 => Deed::CutAll,
            9 => Deed::Aborted {
                sqlstate: if rng.random_bool(0.5) { "40001" } else { "40P01" },
                percent: rng.random_range(5..60),
                at_commit: rng.random_bool(0.5),
                for_ms: rng.random_range(500..3_000),
            },
            10 => Deed::Join,
            _ => Deed::Leave,
        };
        Self { at: rng.random_range(50..1_000), deed }
    }
}

/// All that goes wrong in a round: failpoints in each process, and faults from outside.
pub(super) fn faults(rng: &mut StdRng, copies: usize) -> (Vec<Vec<Trap>>, Vec<Fault>) {
    let traps = (0..copies).map(|_| (0..rng.random_range(2..=6)).map(|_| Trap::new(rng)).collect()).collect();
    let mut faults: Vec<Fault> = (0..rng.random_range(1..=4)).map(|_| Fault::new(rng)).collect();
    faults.sort_by_key(|fault| fault.at);
    (traps, faults)
}
