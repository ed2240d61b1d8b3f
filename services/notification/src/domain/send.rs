//! Whether an occasion is told, and in which words.

use chrono::{DateTime, Duration, Utc};
use jifen_contracts::{
    endpoint::Contact,
    notify::{Command, MessageClass, Recipient},
    program::{AppliedProgram, MessageKind, MessageTemplate},
};
use jifen_kernel::{MemberId, StoreCode};
use uuid::Uuid;

use super::{
    occasion::Occasion,
    params::{BadOccasion, params_of},
    text,
};

/// The channel of this release.
pub const CHANNEL: &str = "sms";

/// An occasion decided: it takes its key whatever the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Whom.
    pub member_id: MemberId,
    /// What kind.
    pub kind: MessageKind,
    /// What makes it this occasion.
    pub business_key: String,
    /// The message's own id.
    pub notification_id: Uuid,
    /// Where it happened.
    pub store: StoreCode,
    /// Whose texts.
    pub program_version: u32,
    /// The provider's template.
    pub template: String,
    /// To a gateway, or not.
    pub outcome: Outcome,
}

/// What becomes of an occasion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A gateway shall send this.
    Commanded(Box<Command>),
    /// Nothing is sent, ever.
    Suppressed(Why),
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The member has not agreed to messages of this class by this channel.
    NoConsent,
    /// There is no such member any more, or none who can be reached.
    NoContact,
}

impl Why {
    /// As stored and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::NoContact => "no_contact",
        }
    }
}

/// The consent that a class of SMS needs. A code to prove a phone is asked for by the member, there and then.
fn consent_for(class: MessageClass) -> Option<&'static str> {
    match class {
        MessageClass::Verify => None,
        MessageClass::Service => Some("sms:service"),
        MessageClass::Promotion => Some("sms:promotion"),
    }
}

/// Decides one occasion under the program that it names. `contact` is the member's, as of now: consent is read when the command is
/// written.
pub fn decide_send(
    occasion: &Occasion,
    applied: &AppliedProgram,
    contact: Option<&Contact>,
    notification_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Send, BadOccasion> {
    let (kind, program) = (occasion.facts.kind(), &applied.program);
    let template = program.messages.templates.iter().find(|template| template.kind == kind);
    let template = template.ok_or(BadOccasion::NoTemplate(kind.as_str()))?;
    let outcome = match contact {
        None => Outcome::Suppressed(Why::NoContact),
        Some(contact) if consent_for(template.class).is_some_and(|consent| !contact.consents.iter().any(|given| given == consent)) => {
            Outcome::Suppressed(Why::NoConsent)
        }
        Some(contact) => Outcome::Commanded(Box::new(command(occasion, applied, template, contact, notification_id, now)?)),
    };
    Ok(Send {
        member_id: occasion.member_id,
        kind,
        business_key: occasion.business_key.clone(),
        notification_id,
        store: occasion.store.clone(),
        program_version: applied.version,
        template: template.template.clone(),
        outcome,
    })
}

fn command(
    occasion: &Occasion,
    applied: &AppliedProgram,
    template: &MessageTemplate,
    contact: &Contact,
    notification_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Command, BadOccasion> {
    let params = params_of(occasion, &applied.program)?;
    let body = text::render(&template.text, &params).map_err(|_| BadOccasion::BadText(template.kind.as_str()))?;
    let sign = &applied.program.messages.sign;
    Ok(Command {
        notification_id,
        kind: template.kind.as_str().to_owned(),
        class: template.class,
        to: Recipient { phone: Some(contact.phone.clone()), ..Recipient::default() },
        sign: sign.clone(),
        template: template.template.clone(),
        params,
        fields: std::collections::BTreeMap::new(),
        language: None,
        text: format!("【{sign}】{body}"),
        not_after: now + Duration::hours(i64::from(template.valid_hours)),
    })
}

#[cfg(test)]
mod tests {
    use jifen_contracts::{
        endpoint::{Language, MemberStatus},
        program::Program,
    };
    use jifen_kernel::{Points, Token};
    use serde_json::json;

    use super::*;
    use crate::domain::occasion::{Facts, Rules};

    fn program() -> AppliedProgram {
        let program: Program = serde_json::from_value(json!({
            "name": "test", "time_zone": "Asia/Shanghai",
            "stores": [{ "code": "SH01", "name": { "zh": "上海浦东新区世纪大道一号汽车销售服务旗舰店", "en": "One" } }],
            "earn": { "rates": {}, "first_spending": 100 },
            "expiry": { "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 },
            "tiers": [{ "code": "silver", "name": { "zh": "银卡会员", "en": "Silver" }, "from": 0 }],
            "campaigns": [],
            "messages": { "sign": "会员中心", "templates": [
                { "kind": "points_earned", "class": "service", "template": "POINTS", "valid_hours": 24,
                  "text": "在{{ store_name }}获得{{ points }}积分（奖励{{ bonus }}），可用{{ balance }}。" },
                { "kind": "tier_upgraded", "class": "promotion", "template": "TIER", "valid_hours": 72, "text": "升级为{{ tier_name }}" },
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

    fn contact(consents: &[&str]) -> Contact {
        let consents = consents.iter().map(ToString::to_string).collect();
        Contact {
            member_id: MemberId(Uuid::from_u128(1)),
            phone: "+8613800138000".to_owned(),
            consents,
            wechat_openid: None,
            language: Language::Zh,
            status: MemberStatus::Active,
        }
    }

    fn decide(occasion: &Occasion, contact: Option<&Contact>) -> Result<Send, BadOccasion> {
        decide_send(occasion, &program(), contact, Uuid::from_u128(9), "2026-10-01T00:00:00Z".parse().expect("instant"))
    }

    #[test]
    fn a_command_holds_all_that_a_gateway_needs() {
        let send = decide(&earned(), Some(&contact(&["sms:service"]))).expect("send");
        assert_eq!((send.program_version, send.template.as_str(), send.kind), (3, "POINTS", MessageKind::PointsEarned));
        let Outcome::Commanded(command) = send.outcome else { panic!("{send:?}") };
        assert_eq!(command.text, "【会员中心】在上海浦东新区世纪大道一号汽车销售服务旗舰获得3000积分（奖励1500），可用3100。");
        assert_eq!((command.notification_id, command.to.phone.as_deref()), (Uuid::from_u128(9), Some("+8613800138000")));
        assert_eq!(command.not_after.to_rfc3339(), "2026-10-02T00:00:00+00:00");
        assert_eq!((command.kind.as_str(), command.class), ("points_earned", MessageClass::Service));
        let names: Vec<&str> = command.params.keys().map(String::as_str).collect();
        let mut promised = MessageKind::PointsEarned.params().to_vec();
        promised.sort_unstable();
        assert_eq!(names, promised);
        assert!(command.params.values().all(|value| value.chars().count() <= 20), "{:?}", command.params);
    }

    #[test]
    fn without_consent_or_contact_nothing_is_sent() {
        let outcome = |occasion: &Occasion, contact: Option<&Contact>| decide(occasion, contact).expect("send").outcome;
        assert_eq!(outcome(&earned(), None), Outcome::Suppressed(Why::NoContact));
        assert_eq!(outcome(&earned(), Some(&contact(&["sms:promotion"]))), Outcome::Suppressed(Why::NoConsent));
        assert_eq!(outcome(&upgraded("silver"), Some(&contact(&["sms:service"]))), Outcome::Suppressed(Why::NoConsent));
        assert!(matches!(outcome(&upgraded("silver"), Some(&contact(&["sms:promotion"]))), Outcome::Commanded(_)));
    }

    #[test]
    fn what_the_named_version_does_not_know_is_an_error() {
        let reachable = contact(&["sms:service", "sms:promotion"]);
        assert_eq!(decide(&upgraded("gold"), Some(&reachable)), Err(BadOccasion::UnknownTier("gold".to_owned())));
        let welcome = occasion(Facts::Welcome { member_no: "M1".to_owned() });
        assert_eq!(decide(&welcome, Some(&reachable)), Err(BadOccasion::NoTemplate("welcome")));
    }

    #[test]
    fn a_store_that_left_the_program_is_told_by_its_code() {
        let mut occasion = earned();
        occasion.store = StoreCode::try_new("SH99").expect("store");
        let send = decide(&occasion, Some(&contact(&["sms:service"]))).expect("send");
        let Outcome::Commanded(command) = send.outcome else { panic!("{send:?}") };
        assert_eq!(command.params["store_name"], "SH99");
    }
}
