use jifen_contracts::{
    endpoint::{Language, MemberStatus},
    program::Program,
};
use jifen_kernel::{Points, Token};
use serde_json::json;

use super::*;
use crate::domain::{
    due::{Due, Waiting, decide_due},
    occasion::Rules,
};

fn program() -> AppliedProgram {
    let wechat = json!({ "template": "TM1", "fields": { "number1": "points", "thing2": "store_name" } });
    let program: Program = serde_json::from_value(json!({
        "name": "test", "time_zone": "Asia/Shanghai",
        "stores": [{ "code": "SH01", "name": { "zh": "上海浦东新区世纪大道一号汽车销售服务旗舰店", "en": "One" } }],
        "earn": { "rates": {}, "first_spending": 100 },
        "expiry": { "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 },
        "tiers": [{ "code": "silver", "name": { "zh": "银卡会员", "en": "Silver" }, "from": 0 }],
        "campaigns": [],
        "messages": { "sign": "会员中心", "templates": [
            { "kind": "points_earned", "class": "service", "template": "POINTS", "valid_hours": 24,
              "text": "在{{ store_name }}获得{{ points }}积分（奖励{{ bonus }}），可用{{ balance }}。",
              "text_en": "{{ points }} points at {{ store_name }}", "channels": ["wechat", "sms"], "ways": { "wechat": wechat } },
            { "kind": "tier_upgraded", "class": "service", "template": "TIER", "valid_hours": 72, "text": "升级为{{ tier_name }}" },
            { "kind": "activation_code", "class": "verify", "template": "CODE", "valid_hours": 1, "valid_minutes": 10, "text": "{{ code }} {{ minutes }}" },
            { "kind": "campaign_started", "class": "promotion", "template": "START", "valid_hours": 48, "text": "{{ campaign }}，拒收请回复R",
              "channels": ["wechat", "sms"], "ways": { "wechat": { "template": "TM2", "fields": { "thing1": "campaign" } } } },
        ] },
    }))
    .expect("program");
    AppliedProgram {
        version: 3,
        hash: String::new(),
        effective_from: "2000-01-01".parse().expect("date"),
        applied_at: DateTime::UNIX_EPOCH,
        program,
    }
}

fn occasion(facts: Facts) -> Occasion {
    Occasion {
        member_id: MemberId(Uuid::from_u128(1)),
        business_key: "SH01/R1".to_owned(),
        store: StoreCode::try_new("SH01").expect("store"),
        rules: Rules::Version(3),
        facts,
    }
}

fn earned() -> Occasion {
    occasion(Facts::PointsEarned { points: Points(3_000), bonus: Points(1_500), balance: Points(3_100) })
}

fn upgraded(to: &str) -> Occasion {
    occasion(Facts::TierUpgraded { to: Token::try_new(to).expect("tier") })
}

fn started() -> Occasion {
    let day = |text: &str| text.parse().expect("day");
    let name = jifen_contracts::code::Text::new("国庆双倍", "National Day");
    occasion(Facts::Campaign { started: true, name, from: day("2026-10-01"), to: day("2026-10-07") })
}

fn contact(consents: &[&str]) -> Contact {
    Contact {
        member_id: MemberId(Uuid::from_u128(1)),
        phone: "+8613800138000".to_owned(),
        consents: consents.iter().map(ToString::to_string).collect(),
        wechat_openid: None,
        language: Language::Zh,
        status: MemberStatus::Active,
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

fn now() -> DateTime<Utc> {
    at("2026-10-01T08:00:00+08:00")
}

fn decide(occasion: &Occasion, contact: Option<&Contact>) -> Result<Send, BadOccasion> {
    decide_send(occasion, &program(), contact, Uuid::from_u128(9), now())
}

fn commanded(send: Send) -> Command {
    let Outcome::Commanded(command) = send.outcome else { panic!("{send:?}") };
    *command
}

#[test]
fn a_command_holds_all_that_a_gateway_needs() {
    let send = decide(&earned(), Some(&contact(&["sms:service"]))).expect("send");
    assert_eq!((send.program_version, send.channel, send.kind, send.keep), (3, Channel::Sms, MessageKind::PointsEarned, false));
    let command = commanded(send);
    assert_eq!(command.text, "【会员中心】在上海浦东新区世纪大道一号汽车销售服务旗舰获得3000积分（奖励1500），可用3100。");
    assert_eq!((command.notification_id, command.to.phone.as_deref()), (Uuid::from_u128(9), Some("+8613800138000")));
    assert_eq!((command.not_after.to_rfc3339().as_str(), command.template.as_str()), ("2026-10-02T00:00:00+00:00", "POINTS"));
    assert_eq!((command.kind.as_str(), command.class), ("points_earned", MessageClass::Service));
    let names: Vec<&str> = command.params.keys().map(String::as_str).collect();
    let mut promised = MessageKind::PointsEarned.params().to_vec();
    promised.sort_unstable();
    assert_eq!(names, promised);
    assert!(command.params.values().all(|value| value.chars().count() <= 20), "{:?}", command.params);
}

#[test]
fn the_first_way_with_address_and_consent_is_taken_in_the_members_language() {
    let mut known = contact(&["sms:service", "wechat:service"]);
    (known.wechat_openid, known.language) = (Some("o1".to_owned()), Language::En);
    let send = decide(&earned(), Some(&known)).expect("send");
    assert_eq!((send.channel, send.keep), (Channel::Wechat, true));
    let command = commanded(send);
    assert_eq!((command.to.wechat_openid.as_deref(), command.to.phone.as_deref()), (Some("o1"), None));
    assert_eq!((command.text.as_str(), command.language.as_deref()), ("3000 points at One", Some("en")));
    let fields: Vec<(&str, &str)> = command.fields.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
    assert_eq!((command.template.as_str(), fields), ("TM1", vec![("number1", "3000"), ("thing2", "One")]));
    // Without consent there, the way behind it; a number that its field can't hold doesn't go that way either.
    known.consents.retain(|consent| consent != "wechat:service");
    assert_eq!(decide(&earned(), Some(&known)).expect("send").channel, Channel::Sms);
    known.consents.push("wechat:service".to_owned());
    let many = occasion(Facts::PointsEarned { points: Points(99_999_999_999), bonus: Points(0), balance: Points(1) });
    assert_eq!(decide(&many, Some(&known)).expect("send").channel, Channel::Sms);
    // A text without English is told in Chinese.
    assert_eq!(commanded(decide(&upgraded("silver"), Some(&known)).expect("send")).text, "【会员中心】升级为银卡会员");
}

#[test]
fn without_consent_contact_text_or_activation_nothing_is_sent() {
    let outcome = |occasion: &Occasion, contact: Option<&Contact>| decide(occasion, contact).expect("send").outcome;
    assert_eq!(outcome(&earned(), None), Outcome::Suppressed(Why::NoContact));
    assert_eq!(outcome(&earned(), Some(&contact(&["sms:promotion"]))), Outcome::Suppressed(Why::NoConsent));
    let welcome = occasion(Facts::Welcome { member_no: "M1".to_owned() });
    assert_eq!(outcome(&welcome, Some(&contact(&["sms:service"]))), Outcome::Suppressed(Why::NoTemplate));
    let mut registered = contact(&["sms:service"]);
    registered.status = MemberStatus::Registered;
    assert_eq!(outcome(&earned(), Some(&registered)), Outcome::Suppressed(Why::NotActive));
    // A code needs neither consent nor activation, but it must still be good.
    registered.consents.clear();
    let code = |until: &str| occasion(Facts::ActivationCode { code: "123456".to_owned(), until: at(until), at: now() });
    assert_eq!(outcome(&code("2026-10-01T08:00:00+08:00"), Some(&registered)), Outcome::Suppressed(Why::Expired));
    let command = commanded(decide(&code("2026-10-01T08:05:00+08:00"), Some(&registered)).expect("send"));
    assert_eq!((command.text.as_str(), command.not_after), ("【会员中心】123456 5", at("2026-10-01T08:05:00+08:00")));
}

#[test]
fn what_the_named_version_does_not_know_is_an_error() {
    let reachable = contact(&["sms:service", "sms:promotion"]);
    assert_eq!(decide(&upgraded("gold"), Some(&reachable)), Err(BadOccasion::UnknownTier("gold".to_owned())));
}

#[test]
fn a_store_that_left_the_program_is_told_by_its_code() {
    let mut occasion = earned();
    occasion.store = StoreCode::try_new("SH99").expect("store");
    let command = commanded(decide(&occasion, Some(&contact(&["sms:service"]))).expect("send"));
    assert_eq!(command.params["store_name"], "SH99");
}

#[test]
fn advertising_waits_for_the_end_of_the_quiet_hours_and_no_longer_than_it_is_news() {
    let decide = |text: &str| decide_send(&started(), &program(), None, Uuid::nil(), at(text)).expect("send").outcome;
    let waiting = |due: &str, drop: &str| Outcome::Waiting { due_at: at(due), drop_at: at(drop) };
    assert_eq!(decide("2026-10-01T12:00:00+08:00"), waiting("2026-10-01T12:00:00+08:00", "2026-10-03T12:00:00+08:00"));
    assert_eq!(decide("2026-10-06T22:00:00+08:00"), waiting("2026-10-07T08:00:00+08:00", "2026-10-08T00:00:00+08:00"));
    assert_eq!(decide("2026-10-07T21:00:00+08:00"), Outcome::Suppressed(Why::Expired));
}

fn due_at(now: &str, contact: Option<&Contact>, used: u32, attempt: i16) -> Due {
    let occasion = started();
    let waiting = Waiting {
        member_id: occasion.member_id,
        kind: "campaign_started".to_owned(),
        business_key: occasion.business_key.clone(),
        attempt,
        notification_id: Uuid::nil(),
        store: occasion.store.clone(),
        program_version: 3,
        channel: if attempt == 1 { Channel::Wechat } else { Channel::Sms },
        drop_at: at("2026-10-03T12:00:00+08:00"),
        sealed: Vec::new(),
    };
    let applied = program();
    decide_due(&waiting, &occasion.facts, &applied, &applied.program.messages.limits, contact, used, at(now)).expect("due")
}

#[test]
fn what_is_due_is_sent_by_contact_consent_hours_and_week() {
    let known = contact(&["sms:promotion"]);
    let Due::Send { command, channel, more, counts } = due_at("2026-10-01T12:00:00+08:00", Some(&known), 1, 1) else { panic!("due") };
    assert_eq!((channel, more, counts, command.text.as_str()), (Channel::Sms, false, true, "【会员中心】国庆双倍，拒收请回复R"));
    // A slow gateway keeps the quiet hours, too.
    assert_eq!(command.not_after, at("2026-10-01T21:00:00+08:00"));
    assert_eq!(due_at("2026-10-01T12:00:00+08:00", Some(&known), 2, 1), Due::Drop(Why::WeeklyCap));
    assert_eq!(due_at("2026-10-01T21:30:00+08:00", Some(&known), 0, 1), Due::Later(at("2026-10-02T08:00:00+08:00")));
    assert_eq!(due_at("2026-10-03T12:00:00+08:00", Some(&known), 0, 1), Due::Drop(Why::Expired));
    assert_eq!(due_at("2026-10-01T12:00:00+08:00", Some(&contact(&["sms:service"])), 0, 1), Due::Drop(Why::NoConsent));
    assert_eq!(due_at("2026-10-01T12:00:00+08:00", None, 0, 1), Due::Drop(Why::NoContact));
    // Another way of what the week has counted already.
    assert!(matches!(due_at("2026-10-01T12:00:00+08:00", Some(&known), 2, 2), Due::Send { counts: false, .. }));
    let mut on_wechat = contact(&["wechat:promotion"]);
    on_wechat.wechat_openid = Some("o1".to_owned());
    let Due::Send { command, more, .. } = due_at("2026-10-01T12:00:00+08:00", Some(&on_wechat), 0, 1) else { panic!("due") };
    assert_eq!((more, command.text.as_str()), (true, "国庆双倍，"));
}
