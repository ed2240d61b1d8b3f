//! Waiting for a condition instead of for time.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// Nothing in a test takes so long unless it never happens.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// Between two looks: short beside what is waited for, long beside what a look costs.
const INTERVAL: Duration = Duration::from_millis(10);

/// Asks until there is an answer and returns it; panics with the caller's place when there is none before the deadline.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut left = 3;
/// let answer = jifen_testkit::eventually(std::time::Duration::from_secs(5), || {
///     left -= 1;
///     let done = left == 0;
///     async move { done.then_some("done") }
/// });
/// assert_eq!(answer.await, "done");
/// # });
/// ```
#[track_caller]
pub fn eventually<T, F, Fut>(deadline: Duration, mut probe: F) -> impl Future<Output = T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    async move {
        let since = Instant::now();
        loop {
            if let Some(answer) = probe().await {
                return answer;
            }
            assert!(since.elapsed() < deadline, "what is awaited at {caller} did not come within {deadline:?}");
            tokio::time::sleep(INTERVAL).await;
        }
    }
}
