//! What can be asked, by request-reply: `api.<service>.<noun>.<verb>`.
//!
//! Requests and replies are bare JSON. A mutating request carries the caller's `operation_id`: repeated, it gets the
//! same answer for ever and has no second effect.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// An endpoint: its subject, its request, its reply.
pub trait Endpoint: 'static {
    /// `api.<service>.<noun>.<verb>`.
    const SUBJECT: &'static str;
    /// Answered at `<subject>.<store>` too, where a store's own user asks. Everything else is for operators and services.
    const FOR_STORES: bool;
    /// What is asked.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
}

macro_rules! endpoint {
    ($(#[$doc:meta])* $name:ident = $subject:literal, $request:ty => $reply:ty) => {
        endpoint!($(#[$doc])* for_stores = false, $name = $subject, $request => $reply);
    };
    ($(#[$doc:meta])* for_stores = $for_stores:literal, $name:ident = $subject:literal, $request:ty => $reply:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Endpoint for $name {
            const SUBJECT: &'static str = $subject;
            const FOR_STORES: bool = $for_stores;
            type Request = $request;
            type Reply = $reply;
        }
    };
}

mod campaign;
mod ingest;
mod member;
mod notification;
mod points;
mod program;
mod tier;

pub use campaign::*;
pub use ingest::*;
pub use member::*;
pub use notification::*;
pub use points::*;
pub use program::*;
pub use tier::*;

/// Asks for nothing in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Empty {}

/// Which part of all members is said once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AnnounceRequest {
    /// Unique for ever, of the caller's making: one for each part.
    pub operation_id: String,
    /// The last member of the part before; none for the first part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<jifen_kernel::MemberId>,
}

/// What was said once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AnnounceReply {
    /// So many members.
    pub announced: u32,
    /// Members whose values can't be opened: nothing was said of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<jifen_kernel::MemberId>,
    /// Where the next part begins; none behind the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<jifen_kernel::MemberId>,
}

/// Counts by word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CountsReply {
    /// `<word>` or `<word>/<code>` to count.
    pub counts: std::collections::BTreeMap<String, i64>,
}
