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

/// How often a statement that begins so was run.
fn of(beginning: &str) -> usize {
    let statements = STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    statements.iter().filter(|(statement, _)| statement.starts_with(beginning)).map(|(_, count)| count).sum()
}

/// Batches so far: each of these publishes something, hence writes its outbox once.
fn batches() -> usize {
    of("with rows as (")
}

#[tokio::test]
async fn a_batch_costs_the_same_statements_whatever_its_size() {
    const MESSAGES: usize = 300;
    let bench = Bench::start().await;
    bench.answer_contacts().await;
    let members = 1..=u128::try_from(MESSAGES).expect("number");
    let accruals: Vec<_> = members.clone().map(|number| settled(number, "R1", &[(Accrual, 10)], 1)).collect();
    members.for_each(|number| bench.knows(number, &["sms:service"]));
    // All of it waits in the stream before the copy starts, so that batches are large. How many the broker makes of it varies.
    bench.publish_all(&accruals).await;
    count_from_here();
    let copy = bench.copy(500).await;
    bench.settle().await;
    assert!((1..MESSAGES / 2).contains(&batches()), "{} batches", batches());
    assert_eq!(of("insert into send"), batches());
    assert!(copy.stop().await);

    let ids = bench.commands().await.into_iter().map(|command| command.notification_id);
    let receipts: Vec<String> =
        ids.map(|id| json!({ "notification_id": id, "status": "delivered", "at": "2026-10-01T02:00:00Z" }).to_string()).collect();
    assert_eq!(receipts.len(), MESSAGES);
    bench.report("sms", &receipts).await;
    count_from_here();
    let copy = bench.copy(500).await;
    bench.settle().await;
    assert!((1..MESSAGES / 2).contains(&batches()), "{} batches", batches());
    assert_eq!((of("select notification_id, member_id, kind,"), of("update send")), (batches(), batches()));
    assert!(copy.stop().await);
}
