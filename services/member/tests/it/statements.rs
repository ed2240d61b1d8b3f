//! What a batch costs: statements, counted where the driver reports them.

use std::{cell::RefCell, fmt};

use jifen_contracts::endpoint::RegisterRequest;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::support::{Bench, application, vehicle};

thread_local! {
    /// The first words of each statement that this thread sent.
    static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// For the whole process, since a callsite that another test's thread meets first asks only subscribers that it can see;
/// what it hears is kept by thread.
struct Statements;

struct Summary(String);

impl Visit for Summary {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "summary" {
            self.0 = format!("{value:?}");
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            value.clone_into(&mut self.0);
        }
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut summary = Summary(String::new());
        event.record(&mut summary);
        SENT.with_borrow_mut(|sent| sent.push(summary.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Statements of registrations since the last call, and how many batches they were. The relay's marks and sweeps go on
/// beside them and belong to no batch.
fn take() -> (Vec<String>, usize) {
    let all = SENT.take();
    let own: Vec<String> = all.into_iter().filter(|sql| !sql.contains("outbox_commit") && !sql.contains("advisory")).collect();
    let batches = own.iter().filter(|sql| sql.starts_with("insert into operation")).count();
    (own, batches)
}

/// On one thread: its statements are this test's and nobody else's.
#[tokio::test]
async fn a_batch_costs_the_same_whatever_its_size() {
    tracing::subscriber::set_global_default(Statements).expect("the only subscriber");
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let request = |i: u64| RegisterRequest {
        vehicles: vec![vehicle(Some(&format!("LSVAU2A37N2{:06}", 100_000 + i)), None)],
        ..application(&format!("op-{i}"), i)
    };
    // The first use of a connection asks the server for more than later ones.
    for i in 0..20 {
        bench.must_register(&request(i)).await;
    }
    take();
    bench.must_register(&request(1000)).await;
    let (one, batches) = take();
    assert_eq!(batches, 1);
    assert!(one.len() <= 12, "{one:?}");

    let many: Vec<RegisterRequest> = (2000..2150).map(request).collect();
    assert!(bench.register_all(&many).await.iter().all(Result::is_ok));
    let (all, batches) = take();
    assert!(batches < 30, "{batches} batches for 150 requests");
    assert_eq!(all.len(), one.len() * batches, "one request: {one:?}; many, in {batches} batches: {all:?}");
    assert!(running.stop().await);
}
