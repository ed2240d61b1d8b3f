//! Subjects and streams: who says what where. DESIGN 4 is their source; a change here is a change of the contract.

use jifen_kernel::StoreCode;

/// Documents of stores: `pos.v1.<store>.<kind>`.
pub const STREAM_POS: &str = "POS";
/// Receipts to stores: `receipt.v1.<store>`.
pub const STREAM_RECEIPTS: &str = "RECEIPTS";
/// Domain events: `evt.<service>.<event>.v1.<store>`.
pub const STREAM_EVENTS: &str = "EVENTS";
/// Commands to gateways: `notify.v1.<channel>.<store>`.
pub const STREAM_NOTIFY: &str = "NOTIFY";
/// What gateways report: `gateway.v1.<channel>.receipt`, and what members replied: `gateway.v1.<channel>.reply`.
pub const STREAM_GATEWAY_RECEIPTS: &str = "GATEWAY_RECEIPTS";

/// Each stream with the subjects that it takes.
pub const STREAMS: &[(&str, &str)] = &[
    (STREAM_POS, "pos.v1.>"),
    (STREAM_RECEIPTS, "receipt.v1.>"),
    (STREAM_EVENTS, "evt.>"),
    (STREAM_NOTIFY, "notify.v1.>"),
    (STREAM_GATEWAY_RECEIPTS, "gateway.v1.>"),
];

/// In a stream's metadata: the last sequence that the keeper took away because everybody had it. What else is missing at a
/// stream's beginning has aged out, or is lost.
pub const PURGED_TO: &str = "jifen_purged_to";

/// In a stream's metadata: sequences whose messages the broker counts and can't read, as ranges `first-last` with commas between.
/// It does not notice by itself: the keeper reads what is not acknowledged yet when the broker has restarted.
pub const UNREADABLE: &str = "jifen_unreadable";

/// The stream that takes `subject`, if any.
pub fn stream_of(subject: &str) -> Option<&'static str> {
    let by_root = |root| match root {
        "pos" => Some(STREAM_POS),
        "receipt" => Some(STREAM_RECEIPTS),
        "evt" => Some(STREAM_EVENTS),
        "notify" => Some(STREAM_NOTIFY),
        "gateway" => Some(STREAM_GATEWAY_RECEIPTS),
        _ => None,
    };
    by_root(subject.split('.').next()?)
}

/// Where a store publishes a document of `kind`.
pub fn pos(store: &StoreCode, kind: &str) -> String {
    format!("pos.v1.{store}.{kind}")
}

/// Where a store hears what became of its documents.
pub fn receipt(store: &str) -> String {
    format!("receipt.v1.{store}")
}

/// Where `service` publishes `event`; `store` is `_` where none is concerned.
pub fn event(service: &str, event: &str, store: Option<&StoreCode>) -> String {
    format!("evt.{service}.{event}.v1.{}", store.map_or("_", StoreCode::as_str))
}

/// Where gateways of `channel` find the commands of a store.
pub fn notify(channel: &str, store: &StoreCode) -> String {
    format!("notify.v1.{channel}.{store}")
}

/// Store and kind in the subject of a document, as written: neither is checked.
pub fn parse_pos(subject: &str) -> Option<(&str, &str)> {
    let rest = subject.strip_prefix("pos.v1.")?;
    let (store, kind) = rest.split_once('.')?;
    Some((store, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_as_the_contract_says() {
        let store = StoreCode::try_new("SH01").expect("store");
        assert_eq!(pos(&store, "invoice"), "pos.v1.SH01.invoice");
        assert_eq!(event("points", "earned", None), "evt.points.earned.v1._");
        assert_eq!(parse_pos("pos.v1.SH01.invoice"), Some(("SH01", "invoice")));
        assert_eq!(parse_pos("pos.v1.SH01"), None);
        for (stream, subjects) in STREAMS {
            assert_eq!(stream_of(subjects), Some(*stream));
        }
    }
}
