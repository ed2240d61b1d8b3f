//! Commands that the broker has lost, or never took: which of them a gateway still needs.

use std::collections::{HashMap, HashSet};

use jifen_contracts::subject::STREAM_NOTIFY;
use jifen_runtime::{Ctx, Failure, Republish, outbox::OutRow};
use serde::Deserialize;
use uuid::Uuid;

use crate::store;

/// Those without any word from a gateway, as long as they may be sent: what a gateway has spoken of it has, and a second
/// one must not reach anybody.
#[derive(Debug)]
pub struct Unanswered;

impl Republish for Unanswered {
    const STREAM: &'static str = STREAM_NOTIFY;

    async fn wanted(&self, cx: &Ctx, rows: &[&OutRow]) -> Result<HashSet<Uuid>, Failure> {
        let rows = by_notification(rows);
        let ids: Vec<Uuid> = rows.keys().copied().collect();
        let unanswered = store::send::list_unanswered(&cx.pool, &ids, cx.clock.now()).await?;
        Ok(unanswered.iter().filter_map(|id| rows.get(id).copied()).collect())
    }

    /// Those whose time was over before the broker took them are counted as expired; [`crate::jobs::Unsent`] says so.
    async fn in_time(&self, cx: &Ctx, rows: &[&OutRow]) -> Result<HashSet<Uuid>, Failure> {
        let ids: Vec<Uuid> = by_notification(rows).into_keys().collect();
        store::send::expire(&cx.pool, &ids, cx.clock.now()).await?;
        self.wanted(cx, rows).await
    }
}

/// The rows' ids by those of the messages in them.
fn by_notification(rows: &[&OutRow]) -> HashMap<Uuid, Uuid> {
    #[derive(Deserialize)]
    struct Wrapped {
        data: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        notification_id: Uuid,
    }
    let read = |row: &&OutRow| Some((serde_json::from_slice::<Wrapped>(&row.payload).ok()?.data.notification_id, row.id));
    rows.iter().filter_map(read).collect()
}
