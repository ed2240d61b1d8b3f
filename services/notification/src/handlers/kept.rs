//! What is kept of a message until it can be told: sealed, and bound to its occasion.

use jifen_kernel::MemberId;
use jifen_runtime::Ctx;

use crate::{
    domain::{
        occasion::Facts,
        send::{Outcome, Send},
    },
    store::send::NewSend,
};

fn bound(member: MemberId, kind: &str, business_key: &str) -> Vec<u8> {
    format!("send/{member}/{kind}/{business_key}").into_bytes()
}

/// A send with what must be kept of it. Nothing is, where it is told or never told.
pub(crate) fn keep(cx: &Ctx, send: Send, facts: &Facts) -> NewSend {
    let kept = send.keep && !matches!(send.outcome, Outcome::Suppressed(_));
    let sealed = kept.then(|| {
        let plain = serde_json::to_vec(facts).unwrap_or_default();
        cx.seal.seal(&cx.ids, &plain, &bound(send.member_id, send.kind.as_str(), &send.business_key))
    });
    NewSend { send, sealed }
}

/// Opens what was kept; `None` if it can't be: another key sealed it, or an earlier release.
pub(crate) fn open(cx: &Ctx, member: MemberId, kind: &str, business_key: &str, sealed: &[u8]) -> Option<Facts> {
    let plain = cx.seal.open(sealed, &bound(member, kind, business_key)).ok()?;
    serde_json::from_slice(&plain).ok()
}
