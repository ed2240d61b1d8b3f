//! How far a message came, by what its gateway reports. States only move forward.

use chrono::{DateTime, Utc};
use jifen_contracts::notify::{DeliveryStatus, GatewayReceipt};

/// Characters kept of what a provider says about itself.
const PROVIDER_CHARS: usize = 64;

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A gateway was told to send it.
    Commanded,
    /// It was never to be sent.
    Suppressed,
    /// It is decided upon later.
    Waiting,
    /// A gateway has said this.
    Reported(DeliveryStatus),
}

impl State {
    /// As stored and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commanded => "commanded",
            Self::Suppressed => "suppressed",
            Self::Waiting => "waiting",
            Self::Reported(status) => status.as_str(),
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        use DeliveryStatus::{Accepted, Delivered, Expired, Failed, Unknown};
        let all = [Accepted, Delivered, Failed, Expired, Unknown].map(Self::Reported);
        all.into_iter().chain([Self::Commanded, Self::Suppressed, Self::Waiting]).find(|state| state.as_str() == word)
    }

    /// Whether the member doesn't get it this way, as far as the gateway knows.
    fn is_failure(self) -> bool {
        use DeliveryStatus::{Expired, Failed};
        matches!(self, Self::Reported(Failed | Expired))
    }

    /// Whether nothing follows it.
    fn is_final(self) -> bool {
        use DeliveryStatus::{Delivered, Expired, Failed};
        matches!(self, Self::Suppressed | Self::Reported(Delivered | Failed | Expired))
    }
}

/// What is known of a message's delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// How far it came.
    pub state: State,
    /// When, by the gateway's clock.
    pub reported_at: Option<DateTime<Utc>>,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// What the provider called it.
    pub provider_code: Option<String>,
}

/// What a report changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: said before, or overtaken.
    None,
    /// The message is on its way.
    Underway(Delivery),
    /// The member has it: announced once.
    Delivered(Delivery),
    /// It will not arrive: announced once, and the next way is tried.
    Failed(Delivery),
    /// It arrived after all, though the gateway had said that it wouldn't; the next way may have been tried. Only counted.
    Late,
}

/// A report about a message that no gateway was told to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message was never given to a gateway")]
pub struct NeverSent;

/// Decides what `receipt` changes. The first final word stands; among the others the later one by the gateway's clock, so they
/// may come in any order.
pub fn decide_report(known: &Delivery, receipt: &GatewayReceipt) -> Result<Step, NeverSent> {
    if matches!(known.state, State::Suppressed | State::Waiting) {
        return Err(NeverSent);
    }
    if known.state.is_failure() && receipt.status == DeliveryStatus::Delivered {
        return Ok(Step::Late);
    }
    let reported = State::Reported(receipt.status);
    if known.state.is_final() || (!reported.is_final() && !is_later(known, receipt)) {
        return Ok(Step::None);
    }
    let delivery = Delivery {
        state: reported,
        reported_at: Some(receipt.at),
        provider_id: provider_text(receipt.provider_id.as_deref()).or_else(|| known.provider_id.clone()),
        provider_code: provider_text(receipt.code.as_deref()),
    };
    Ok(match receipt.status {
        DeliveryStatus::Accepted | DeliveryStatus::Unknown => Step::Underway(delivery),
        DeliveryStatus::Delivered => Step::Delivered(delivery),
        DeliveryStatus::Failed | DeliveryStatus::Expired => Step::Failed(delivery),
    })
}

/// By the gateway's clock; at one instant `unknown` follows `accepted`.
fn is_later(known: &Delivery, receipt: &GatewayReceipt) -> bool {
    let rank = |status| u8::from(status == DeliveryStatus::Unknown);
    match (known.state, known.reported_at) {
        (State::Reported(status), Some(at)) => (receipt.at, rank(receipt.status)) > (at, rank(status)),
        _ => true,
    }
}

/// A provider's own words, as far as they are words: printable ASCII, cut.
fn provider_text(text: Option<&str>) -> Option<String> {
    let kept: String = text?.chars().filter(char::is_ascii_graphic).take(PROVIDER_CHARS).collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use DeliveryStatus::{Accepted, Delivered, Expired, Failed, Unknown};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const COMMANDED: Delivery = Delivery { state: State::Commanded, reported_at: None, provider_id: None, provider_code: None };

    fn receipt(status: DeliveryStatus, second: i64) -> GatewayReceipt {
        let at = DateTime::from_timestamp(1_790_000_000 + second, 0).expect("instant");
        GatewayReceipt { notification_id: Uuid::nil(), status, provider_id: Some("p-1".to_owned()), code: Some("OK".to_owned()), at }
    }

    /// Plays reports and gives the last state with what was announced on the way.
    fn play(reports: &[(DeliveryStatus, i64)]) -> (Delivery, Vec<DeliveryStatus>) {
        let (mut delivery, mut announced) = (COMMANDED, Vec::new());
        for (status, second) in reports {
            match decide_report(&delivery, &receipt(*status, *second)).expect("sent") {
                Step::None | Step::Late => {}
                Step::Underway(next) => delivery = next,
                Step::Delivered(next) | Step::Failed(next) => {
                    announced.push(*status);
                    delivery = next;
                }
            }
        }
        (delivery, announced)
    }

    #[test]
    fn states_only_move_forward() {
        for (reports, state, announced) in [
            (vec![(Accepted, 1), (Delivered, 2)], Delivered, vec![Delivered]),
            (vec![(Delivered, 2), (Accepted, 1)], Delivered, vec![Delivered]),
            (vec![(Delivered, 2), (Delivered, 2), (Failed, 3)], Delivered, vec![Delivered]),
            (vec![(Failed, 2), (Delivered, 3)], Failed, vec![Failed]),
            (vec![(Expired, 2), (Expired, 2)], Expired, vec![Expired]),
            (vec![(Unknown, 1), (Accepted, 2)], Accepted, vec![]),
            (vec![(Accepted, 2), (Unknown, 1)], Accepted, vec![]),
            (vec![(Unknown, 9), (Failed, 2)], Failed, vec![Failed]),
        ] {
            let (delivery, said) = play(&reports);
            assert_eq!((delivery.state, said), (State::Reported(state), announced), "{reports:?}");
        }
    }

    #[test]
    fn what_arrives_after_its_failure_is_counted_and_changes_nothing_else() {
        let failed = Delivery { state: State::Reported(Failed), ..COMMANDED };
        assert_eq!(decide_report(&failed, &receipt(Delivered, 9)), Ok(Step::Late));
        assert_eq!(decide_report(&failed, &receipt(Accepted, 9)), Ok(Step::None));
        let delivered = Delivery { state: State::Reported(Delivered), ..COMMANDED };
        assert_eq!(decide_report(&delivered, &receipt(Failed, 9)), Ok(Step::None));
    }

    #[test]
    fn a_message_that_was_never_sent_can_not_have_arrived() {
        let suppressed = Delivery { state: State::Suppressed, ..COMMANDED };
        assert_eq!(decide_report(&suppressed, &receipt(Delivered, 1)), Err(NeverSent));
    }

    #[test]
    fn a_providers_words_are_kept_as_far_as_they_are_words() {
        assert_eq!(provider_text(Some("MK:0001 张\n\0x")).as_deref(), Some("MK:0001x"));
        assert_eq!(provider_text(Some(" ")), None);
        assert_eq!(provider_text(Some(&"9".repeat(200))).map(|text| text.len()), Some(64));
    }

    #[test]
    fn every_state_is_read_as_it_was_written() {
        for state in [Accepted, Delivered, Failed, Expired, Unknown].map(State::Reported).into_iter().chain([
            State::Commanded,
            State::Suppressed,
            State::Waiting,
        ]) {
            assert_eq!(State::from_word(state.as_str()), Some(state));
        }
        assert_eq!(State::from_word("lost"), None);
    }

    fn reports() -> impl Strategy<Value = Vec<(DeliveryStatus, i64)>> {
        let status = prop::sample::select(vec![Accepted, Unknown, Accepted, Unknown, Delivered, Failed, Expired]);
        prop::collection::vec((status, 0_i64..4), 1..8)
    }

    proptest! {
        #[test]
        fn at_most_one_final_word_is_announced(reports in reports()) {
            let (delivery, announced) = play(&reports);
            prop_assert_eq!(announced.len(), usize::from(delivery.state.is_final()));
        }

        #[test]
        fn on_the_way_the_order_of_arrival_does_not_matter(reports in reports(), seed in 0_usize..8) {
            let underway: Vec<_> = reports.into_iter().filter(|(status, _)| !State::Reported(*status).is_final()).collect();
            let mut turned = underway.clone();
            turned.rotate_left(seed % underway.len().max(1));
            turned.extend(underway.clone());
            prop_assert_eq!(play(&underway).0, play(&turned).0);
        }
    }
}
