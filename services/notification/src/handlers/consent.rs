//! Consents are `member`'s: it alone changes them. One call, whoever wants it.

use jifen_contracts::{Problem, endpoint::Endpoint};
use jifen_runtime::{Ctx, ask};
use serde::{Deserialize, Serialize};

/// `api.member.consent.change`, as far as it is used here. Exactly one of number and phone says whose.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConsentRequest {
    /// The id of the operation.
    pub operation_id: String,
    /// The number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// The phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `sms`, `wechat`, `app`, `email`.
    pub channel: String,
    /// `service`, `promotion`.
    pub purpose: String,
    /// False: the member agrees no longer.
    pub granted: bool,
}

/// That endpoint; what it answers is not needed.
#[derive(Debug, Clone, Copy)]
pub struct ChangeConsent;

impl Endpoint for ChangeConsent {
    const SUBJECT: &'static str = "api.member.consent.change";
    const FOR_STORES: bool = true;
    type Request = ConsentRequest;
    type Reply = serde_json::Value;
}

/// Asks `member` to change one.
pub(crate) async fn change_consent(cx: &Ctx, request: ConsentRequest) -> Result<(), Problem> {
    ask::<ChangeConsent>(&cx.nats, &request).await.map(|_| ())
}

/// The id of an operation at `member`: the same whenever it is made of the same, without anything of it to be read.
pub(crate) fn operation_of(cx: &Ctx, made_of: &str) -> String {
    cx.seal.hash(made_of.as_bytes()).iter().take(16).fold(String::from("notification-"), |id, byte| format!("{id}{byte:02x}"))
}
