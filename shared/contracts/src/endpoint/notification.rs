//! notification: messages by state.

use super::{CountsReply, Empty, Endpoint};

endpoint!(
    /// Messages: `<kind>/<state>`.
    NotificationCounts = "api.notification.send.counts", Empty => CountsReply
);
