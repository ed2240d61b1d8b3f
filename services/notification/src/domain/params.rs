//! A message's parameters: texts within the limits of SMS templates and WeChat subscription messages, so that a gateway maps
//! them one to one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    code::Text,
    endpoint::Language,
    event::AccrualSource,
    program::{ParamForm, Program},
};
use jifen_kernel::{Points, StoreCode, Token};

use super::{
    fields::{Unfit, cut},
    occasion::Facts,
};

/// Digits of a number: the narrowest field holds ten.
const NUMBER_LIMIT: i64 = 9_999_999_999;
/// 亿, the unit in which larger numbers are told.
const HUNDRED_MILLION: i64 = 100_000_000;

/// What an occasion names is not in the version of the program that it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOccasion {
    /// A tier that the ladder doesn't have.
    #[error("tier {0} is not in the program version that the event names")]
    UnknownTier(String),
    /// A text that uses something else than its parameters.
    #[error("the program version's text for {0} can't be rendered")]
    BadText(&'static str),
    /// A value of another form than its field.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// The parameters that [`jifen_contracts::program::MessageKind::params`] promises, in a language.
pub fn params_of(
    facts: &Facts,
    store: &StoreCode,
    program: &Program,
    language: Language,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, String>, BadOccasion> {
    let told = |text: &Text| cut(if language == Language::En { &text.en } else { &text.zh }, ParamForm::Name.chars());
    let word = |zh: &str, en: &str| told(&Text::new(zh, en));
    let code = |code: &str| cut(code, ParamForm::Code.chars());
    let number = |points: Points| number(points, language);
    let tier = |code: &Token| {
        let tier = program.tiers.iter().find(|tier| tier.code == *code).ok_or_else(|| BadOccasion::UnknownTier(code.to_string()))?;
        Ok::<_, BadOccasion>(told(&tier.name))
    };
    // A store may have left the program since; its code still says where.
    let store_name = program.store(store.as_str()).map_or_else(|| store.to_string(), |store| told(&store.name));
    let mut params = vec![("store_name", store_name)];
    match facts {
        Facts::Welcome { member_no } => params.push(("member_no", code(member_no))),
        Facts::ActivationCode { code: digits, until, .. } => {
            let minutes = (*until - now).num_minutes().max(1);
            params.extend([("code", code(digits)), ("minutes", minutes.to_string())]);
        }
        Facts::LapseWarning { member_no, on } => {
            params.extend([("member_no", code(member_no)), ("date", on.pred_opt().unwrap_or(*on).to_string())]);
        }
        Facts::PointsEarned { points, bonus, balance } => {
            params.extend([("points", number(*points)), ("bonus", number(*bonus)), ("balance", number(*balance))]);
        }
        Facts::Rewarded { source, code, points, balance } => {
            let named = code.as_deref().and_then(|code| name_of(*source, code, program));
            let what = named.map_or_else(
                || match source {
                    AccrualSource::PartnerPurchase => word("合作商户", "our partner"),
                    AccrualSource::Grant => word("会员活动", "our campaign"),
                    _ => word("参与", "your contribution"),
                },
                told,
            );
            params.extend([("what", what), ("points", number(*points)), ("balance", number(*balance))]);
        }
        Facts::Expiring { points, on, days, balance } => {
            let days = Points(i64::from(*days));
            params.extend([("points", number(*points)), ("date", on.to_string()), ("days", number(days)), ("balance", number(*balance))]);
        }
        Facts::Expired { points, on, balance } => {
            params.extend([("points", number(*points)), ("date", on.to_string()), ("balance", number(*balance))]);
        }
        Facts::Reversed { points, balance, debt } => {
            params.extend([("points", number(*points)), ("balance", number(*balance)), ("debt", number(*debt))]);
        }
        Facts::TierUpgraded { to } | Facts::TierDowngraded { to } => params.push(("tier_name", tier(to)?)),
        Facts::DowngradeWarning { from, to, on } => {
            params.extend([("tier_name", tier(from)?), ("next_tier_name", tier(to)?), ("date", on.to_string())]);
        }
        Facts::EntitlementGranted { name, count, until } => {
            params.extend([("benefit", told(name)), ("count", count.to_string()), ("date", until.to_string())]);
        }
        Facts::Campaign { name, from, to, .. } => {
            params.extend([("campaign", told(name)), ("date", from.to_string()), ("end_date", to.to_string())]);
        }
        Facts::Birthday { on, offer } => {
            let named = offer.as_ref().and_then(|offer| program.campaigns.iter().find(|campaign| campaign.code == *offer));
            let offer = named.map_or_else(|| word("专属生日祝福等您领取", "a little surprise"), |campaign| told(&campaign.name));
            params.extend([("date", on.to_string()), ("offer", offer)]);
        }
    }
    Ok(params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What the program calls the thing that earned.
fn name_of<'a>(source: AccrualSource, code: &str, program: &'a Program) -> Option<&'a Text> {
    match source {
        AccrualSource::PartnerPurchase => program.earn.partners.iter().find(|partner| partner.code == code).map(|partner| &partner.name),
        AccrualSource::Grant => program.campaigns.iter().find(|campaign| campaign.code.as_str() == code).map(|campaign| &campaign.name),
        _ => program.earn.interactions.iter().find(|rule| rule.kind.as_str() == code).map(|rule| &rule.name),
    }
}

/// Whole, or in whole 亿 (in English: hundreds of millions) where that would be too long: rounded down, never a wrong number.
fn number(points: Points, language: Language) -> String {
    if points.0.abs() <= NUMBER_LIMIT {
        return points.to_string();
    }
    match language {
        Language::Zh => format!("{}亿", points.0 / HUNDRED_MILLION),
        Language::En => format!("{}M", points.0 / HUNDRED_MILLION * 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_told_in_units() {
        for (points, text) in
            [(0, "0"), (1_500, "1500"), (9_999_999_999, "9999999999"), (12_345_678_901, "123亿"), (i64::MAX, "92233720368亿")]
        {
            assert_eq!(number(Points(points), Language::Zh), text);
        }
        assert_eq!(number(Points(12_345_678_901), Language::En), "12300M");
    }
}
