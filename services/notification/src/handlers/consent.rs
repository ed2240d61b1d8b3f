//! Consents are `member`'s: it alone changes them. One call, whoever wants it.

use jifen_contracts::{
    Problem,
    endpoint::{ConsentChange, ConsentChangeRequest},
};
use jifen_runtime::{Ctx, ask};

/// Asks `member` to change one.
pub(crate) async fn change_consent(cx: &Ctx, request: ConsentChangeRequest) -> Result<(), Problem> {
    ask::<ConsentChange>(&cx.nats, &request).await.map(|_| ())
}

/// The id of an operation at `member`: the same whenever it is made of the same, without anything of it to be read.
pub(crate) fn operation_of(cx: &Ctx, made_of: &str) -> String {
    cx.seal.hash(made_of.as_bytes()).iter().take(16).fold(String::from("notification-"), |id, byte| format!("{id}{byte:02x}"))
}
