//! How a message reads, and what a member was told.

use jifen_contracts::{
    Problem,
    endpoint::{HistoryRequest, MessageHistory, MessagePreview, PreviewReply, PreviewRequest},
    event::EntryKind::Accrual,
    notify::Channel,
    program::MessageKind,
};
use jifen_runtime::ask;

use crate::support::{Bench, settled, started};

#[tokio::test]
async fn a_message_is_shown_as_it_would_be_sent() {
    let bench = Bench::start().await;
    let copy = bench.copy(500).await;
    let operator = bench.env.nats("operator").await;
    let show = async |kind, channel, language: Option<&str>, params: &[(&str, &str)]| -> Result<PreviewReply, Problem> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ask::<MessagePreview>(&operator, &PreviewRequest { kind, channel, language: language.map(str::to_owned), params }).await
    };
    let shown = show(MessageKind::PointsEarned, None, None, &[("points", "12345678901234")]).await.expect("preview");
    assert_eq!((shown.version, shown.channel, shown.text.as_str()), (1, Channel::Sms, "【会员中心】1234567890+100=100@示例 v1"));
    assert_eq!(usize::try_from(shown.chars).ok(), Some(shown.text.chars().count()));
    let shown = show(MessageKind::InteractionEarned, None, None, &[("points", "50")]).await.expect("preview");
    assert_eq!((shown.channel, shown.template.as_str(), shown.fields["number1"].as_str()), (Channel::Wechat, "TM1", "50"));
    for (kind, language, params, pointer) in [
        (MessageKind::Welcome, Some("en"), &[][..], "/language"),
        (MessageKind::Welcome, Some("fr"), &[][..], "/language"),
        (MessageKind::Welcome, None, &[("points", "1")][..], "/params"),
        (MessageKind::PartnerEarned, None, &[][..], "/kind"),
        (MessageKind::InteractionEarned, None, &[("points", "many")][..], "/params"),
    ] {
        let refused = show(kind, None, language, params).await.expect_err("refused");
        assert_eq!(refused.pointer.as_deref(), Some(pointer), "{refused}");
    }
    assert!(copy.stop().await);
}

#[tokio::test]
async fn a_history_says_what_became_of_each_message_and_no_personal_value() {
    let bench = Bench::start_at("2026-10-01T21:30:00+08:00").await;
    bench.knows(1, &["sms:service"]);
    bench.answer_contacts().await;
    bench.answer_members().await;
    let copy = bench.copy(500).await;
    bench.publish(&settled(1, "R1", &[(Accrual, 10)], 1)).await;
    bench.settle().await;
    bench.set_clock("2026-10-01T21:31:00+08:00");
    bench.publish(&started("double", [1])).await;
    bench.settle().await;
    let operator = bench.env.nats("operator").await;
    let list = async |limit| {
        let request = HistoryRequest { member_no: "M1".to_owned(), limit };
        ask::<MessageHistory>(&operator, &request).await.expect("history").messages
    };
    let all = list(None).await;
    let shown: Vec<(&str, &str, &str)> =
        all.iter().map(|message| (message.kind.as_str(), message.channel.as_str(), message.state.as_str())).collect();
    assert_eq!(shown, [("campaign_started", "wechat", "waiting"), ("points_earned", "sms", "commanded")]);
    assert_eq!(all[0].due_at, Some(crate::support::instant("2026-10-02T08:00:00+08:00")));
    let text = serde_json::to_string(&all).expect("json");
    assert!(!text.contains("138") && !text.contains("double"), "{text}");
    assert_eq!(list(Some(1)).await.len(), 1);
    let unknown = ask::<MessageHistory>(&operator, &HistoryRequest { member_no: "M9".to_owned(), limit: None }).await;
    assert_eq!(unknown.expect_err("unknown").code, "member.unknown");
    assert!(copy.stop().await);
}
