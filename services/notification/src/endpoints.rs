//! What can be asked.

use jifen_contracts::{
    Problem, code,
    endpoint::{CountsReply, Empty, NotificationCounts},
};
use jifen_runtime::{Ctx, Failure, Query};

use crate::store;

/// Messages by kind and state.
#[derive(Debug)]
pub struct Counts;

impl Query for Counts {
    type Endpoint = NotificationCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        let counts = store::counts::count(&cx.pool).await;
        let counts = counts.map_err(|error| Problem::new(code::SERVICE_UNAVAILABLE).detail(Failure::from(error).to_string()))?;
        Ok(CountsReply { counts })
    }
}
