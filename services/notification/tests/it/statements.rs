//! A batch costs the same number of statements whatever its size.

use std::{
    collections::BTreeMap,
    sync::{Mutex, Once, PoisonError},
};

use jifen_contracts::event::EntryKind::Accrual;
use serde_json::json;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
};

use crate::support::{Bench, settled};

thread_local! {
    /// Whether this thread's statements are counted: each test has a thread of its own.
    static COUNTED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

static STATEMENTS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

struct Counting;

struct Summary(String);

impl Visit for Summary {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            value.clone_into(&mut self.0);
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" && COUNTED.get() {
            let mut summary = Summary(String::new());
            event.record(&mut summary);
            *STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).entry(summary.0).or_default() += 1;
        }
    }
}

fn count_from_here() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(Registry::default().with(Counting)).expect("the only subscriber");
        tracing::callsite::rebuild_interest_cache();
    });
    COUNTED.set(true);
    STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// How often statements on the table of sends were run.
fn on_sends() -> usize {
    let statements = STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let about = |statement: &str| {
        ["insert into send", "update send", "select notification_id, member_id, kind,"].iter().any(|begin| statement.starts_with(begin))
    };
    statements.iter().filter(|(statement, _)| about(statement)).map(|(_, count)| count).sum()
}

/// Statements for so many accruals, and then so many receipts, each taken as one batch.
async fn statements_of(size: u128) -> (usize, usize) {
    let bench = Bench::start().await;
    bench.answer_contacts().await;
    let accruals: Vec<_> = (1..=size).map(|number| settled(number, "R1", &[(Accrual, 10)], 1)).collect();
    for number in 1..=size {
        bench.knows(number, &["sms:service"]);
    }
    // All of it waits in the stream before the copy starts, so that it makes one batch.
    bench.publish_all(&accruals).await;
    count_from_here();
    let copy = bench.copy(500).await;
    bench.settle().await;
    let told = on_sends();
    assert!(copy.stop().await);
    let ids = bench.commands().await.into_iter().map(|command| command.notification_id);
    let receipts: Vec<String> =
        ids.map(|id| json!({ "notification_id": id, "status": "delivered", "at": "2026-10-01T02:00:00Z" }).to_string()).collect();
    assert_eq!(receipts.len(), usize::try_from(size).expect("size"));
    bench.report("sms", &receipts).await;
    count_from_here();
    let copy = bench.copy(500).await;
    bench.settle().await;
    let reported = on_sends();
    assert!(copy.stop().await);
    (told, reported)
}

#[tokio::test]
async fn statements_do_not_grow_with_the_batch() {
    let (told, reported) = statements_of(2).await;
    // A batch may still come in several pulls: what a pull costs is fixed, and pulls are far fewer than messages.
    assert!((1..=2).contains(&told) && (1..=4).contains(&reported), "{told} {reported}");
    let (told, reported) = statements_of(300).await;
    assert!((1..=6).contains(&told) && (1..=12).contains(&reported), "{told} {reported}");
}
