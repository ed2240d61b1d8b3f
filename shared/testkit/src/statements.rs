//! Counting the statements that a batch costs, where the driver reports them.
//!
//! What runs on the calling thread is counted: everything of a test on a runtime without other threads, and nothing of the
//! tests beside it. The runtime's own upkeep goes on beside the batches at its own times and is left out, by its span.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::Debug,
    sync::Once,
};

use tracing::{
    Event, Instrument, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// The span of [`within`].
const WITHIN: &str = "counted";

thread_local! {
    static COUNTS: RefCell<BTreeMap<String, usize>> = const { RefCell::new(BTreeMap::new()) };
    static COUNT_WITHIN: Cell<usize> = const { Cell::new(0) };
}

/// One subscriber for the process, before anything runs: whether an event is of interest is remembered once for all threads,
/// and a span that nobody was interested in at its beginning is none for ever.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(Registry::default().with(Counting)).expect("the only subscriber");
    });
}

/// Counts from here on, from zero.
pub fn count() {
    COUNTS.take();
}

/// What was counted so far: how often each statement was run, by its first four words.
pub fn counted() -> BTreeMap<String, usize> {
    COUNTS.with_borrow(Clone::clone)
}

/// How often a statement that begins so was run.
pub fn of(beginning: &str) -> usize {
    counted().iter().filter(|(statement, _)| statement.starts_with(beginning)).map(|(_, count)| count).sum()
}

/// How many statements `work` makes itself, whatever else goes on beside it.
pub async fn within(work: impl Future<Output = ()>) -> usize {
    COUNT_WITHIN.take();
    work.instrument(tracing::info_span!(WITHIN)).await;
    COUNT_WITHIN.take()
}

struct Counting;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        struct Summary(String);
        impl Visit for Summary {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "summary" {
                    value.clone_into(&mut self.0);
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
        }
        let inside = |name: &str| context.event_scope(event).is_some_and(|mut spans| spans.any(|span| span.name() == name));
        if event.metadata().target() == "sqlx::query" && !inside(jifen_runtime::UPKEEP) {
            if inside(WITHIN) {
                COUNT_WITHIN.set(COUNT_WITHIN.get() + 1);
            }
            let mut summary = Summary(String::new());
            event.record(&mut summary);
            COUNTS.with_borrow_mut(|counts| *counts.entry(summary.0).or_default() += 1);
        }
    }
}
