//! Rules back to files: what `check` reads as the same rules. For printing a version, and for applying one with a small change.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
};

use chrono::Datelike;
use jifen_contracts::{
    code::Text,
    program::{
        Benefit, Campaign, Earn, Expiry, Holiday, InteractionRule, Ladder, Membership, Partner, PendingRule, Program, Stacking, Store,
        Tier, TierRequirement, TierValue, TierWay, VehicleAudience,
    },
};
use jifen_kernel::{Rate, Token};
use serde::Serialize;

use super::check::Files;

mod adjustments;
mod messages;
mod redemption;

/// The files of a program, by name; `campaigns.toml` and `holidays.toml` only if they hold something, `redemption.toml`,
/// `adjustments.toml` and `membership.toml` only if they differ from what is usual. `check(files_of(program))` is `program`.
pub fn files_of(program: &Program) -> Files {
    let mut files = Files::from([
        ("program.toml".to_owned(), lines([("name", quoted(&program.name)), ("time_zone", quoted(&program.time_zone))])),
        ("stores.toml".to_owned(), tables("store", program.stores.iter().map(store))),
        ("earn.toml".to_owned(), earn(&program.earn)),
        ("expiry.toml".to_owned(), expiry(&program.expiry)),
        ("tiers.toml".to_owned(), tiers(program)),
        ("messages.toml".to_owned(), messages::written(&program.messages)),
    ]);
    if !program.campaigns.is_empty() || !program.stacking.is_default() {
        let campaigns = tables("campaign", program.campaigns.iter().map(campaign));
        files.insert("campaigns.toml".to_owned(), format!("{}{campaigns}", stacking(&program.stacking)));
    }
    if !program.holidays.is_empty() {
        files.insert("holidays.toml".to_owned(), holidays(&program.holidays));
    }
    if !program.redemption.is_default() {
        files.insert("redemption.toml".to_owned(), redemption::written(&program.redemption));
    }
    if !program.adjustments.is_default() {
        files.insert("adjustments.toml".to_owned(), adjustments::written(&program.adjustments));
    }
    if !program.settlement.is_default() {
        let rules = &program.settlement;
        let keys = [("point_value", quoted(&rules.point_value.to_string())), ("close_day", rules.close_day.to_string())];
        files.insert("settlement.toml".to_owned(), lines(keys));
    }
    if !program.membership.is_default() {
        files.insert("membership.toml".to_owned(), membership(&program.membership));
    }
    files
}

fn expiry(rules: &Expiry) -> String {
    let numbers = |days: &[u32]| format!("[{}]", days.iter().map(u32::to_string).collect::<Vec<_>>().join(", "));
    let days: Vec<String> = rules.days.iter().map(|at| format!("{{ month = {}, day = {} }}", at.month, at.day)).collect();
    let always = [
        ("months", rules.months.to_string()),
        ("mode", word(&rules.mode)),
        ("min_days_after_posting", rules.min_days_after_posting.to_string()),
    ];
    let sometimes = [
        (!days.is_empty()).then(|| ("days", format!("[{}]", days.join(", ")))),
        (rules.reminders != Expiry::usual_reminders()).then(|| ("reminders", numbers(&rules.reminders))),
    ];
    let written = lines(always.into_iter().chain(sometimes.into_iter().flatten()));
    let Some(revival) = rules.revival else { return written };
    let fields = lines([("within_days", revival.within_days.to_string()), ("live_days", revival.live_days.to_string())]);
    format!("{written}[revival]\n{fields}")
}

/// Days, or a review.
fn pending(rule: PendingRule) -> String {
    match rule {
        PendingRule::Days(days) => days.to_string(),
        PendingRule::Review => quoted("review"),
    }
}

fn membership(rules: &Membership) -> String {
    lines(
        [
            ("activation_days", rules.activation_days),
            ("lapse_warning_days", rules.lapse_warning_days),
            ("pending_days", rules.pending_days),
            ("codes_per_phone_day", rules.codes_per_phone_day),
            ("codes_per_store_hour", rules.codes_per_store_hour),
            ("codes_per_group_hour", rules.codes_per_group_hour),
            ("code_minutes", rules.code_minutes),
            ("code_attempts", rules.code_attempts),
        ]
        .map(|(key, value)| (key, value.to_string())),
    )
}

fn earn(earn: &Earn) -> String {
    let sometimes = [
        earn.invoice_cap.map(|cap| ("invoice_cap", cap.to_string())),
        earn.daily_cap.map(|cap| ("daily_cap", cap.to_string())),
        (!earn.not_qualifying.is_empty()).then(|| {
            let categories: Vec<String> = earn.not_qualifying.iter().map(|category| quoted(category.as_str())).collect();
            ("not_qualifying", format!("[{}]", categories.join(", ")))
        }),
    ];
    let head = [("first_spending", earn.first_spending.to_string())].into_iter().chain(sometimes.into_iter().flatten());
    let mut parts = vec![lines(head), format!("[rates]\n{}", lines(keyed(&earn.rates)))];
    if !earn.pending.is_empty() {
        parts.push(format!("[pending]\n{}", lines(earn.pending.iter().map(|(category, rule)| (category, pending(*rule))))));
    }
    if !earn.tier_factors.is_empty() {
        parts.push(format!("[tier_factors]\n{}", lines(keyed(&earn.tier_factors))));
    }
    parts.push(tables("interaction", earn.interactions.iter().map(interaction)));
    parts.push(tables("partner", earn.partners.iter().map(partner)));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn keyed(rates: &BTreeMap<Token, Rate>) -> impl Iterator<Item = (&str, String)> {
    rates.iter().map(|(code, rate)| (code.as_str(), quoted(&rate.to_string())))
}

fn interaction(rule: &InteractionRule) -> String {
    let always = [
        ("kind", quoted(rule.kind.as_str())),
        ("name", names(&rule.name)),
        ("points", rule.points.to_string()),
        ("limit", format!("{{ count = {}, per = {} }}", rule.limit.count, word(&rule.limit.per))),
    ];
    let sometimes = [
        rule.within_days.map(|days| ("within_days", days.to_string())),
        rule.off.then(|| ("off", "true".to_owned())),
        rule.pending.map(|rule| ("pending", pending(rule))),
    ];
    lines(always.into_iter().chain(sometimes.into_iter().flatten()))
}

fn partner(partner: &Partner) -> String {
    let always = [("code", quoted(&partner.code)), ("name", names(&partner.name)), ("rate", quoted(&partner.rate.to_string()))];
    lines(always.into_iter().chain(partner.budget.map(|budget| ("budget", budget.to_string()))))
}

fn store(store: &Store) -> String {
    let brand = store.brand.as_ref().map(|brand| ("brand", quoted(brand.as_str())));
    lines([("code", quoted(store.code.as_str())), ("name", names(&store.name))].into_iter().chain(brand))
}

fn tiers(program: &Program) -> String {
    let benefits = program.tiers.iter().flat_map(|tier| tier.benefits.iter().map(|each| benefit(tier, each)));
    let parts = [ladder(&program.ladder), tables("tier", program.tiers.iter().map(tier)), tables("benefit", benefits)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn ladder(ladder: &Ladder) -> String {
    let usual = Ladder::default();
    let list = |values: Vec<String>| format!("[{}]", values.join(", "));
    let tokens = |values: &[Token]| list(values.iter().map(|value| quoted(value.as_str())).collect());
    let keys = [
        (ladder.kind != usual.kind).then(|| ("kind", word(&ladder.kind))),
        (ladder.warning_days != usual.warning_days).then(|| ("warning_days", ladder.warning_days.to_string())),
        (ladder.grace_days != usual.grace_days).then(|| ("grace_days", ladder.grace_days.to_string())),
        (ladder.spend_excludes != usual.spend_excludes).then(|| ("spend_excludes", tokens(&ladder.spend_excludes))),
        (!ladder.participation.is_empty()).then(|| ("participation", tokens(&ladder.participation))),
        ladder.high_spend.map(|amount| ("high_spend", quoted(&amount.to_string()))),
        (!ladder.listed_series.is_empty())
            .then(|| ("listed_series", list(ladder.listed_series.iter().map(|series| quoted(series)).collect()))),
    ];
    lines(keys.into_iter().flatten())
}

fn tier(tier: &Tier) -> String {
    let always = [("code", quoted(tier.code.as_str())), ("name", names(&tier.name))];
    let sometimes = [
        tier.from.map(|from| ("from", from.to_string())),
        (!tier.any.is_empty()).then(|| ("any", format!("[{}]", tier.any.iter().map(way).collect::<Vec<_>>().join(", ")))),
    ];
    lines(always.into_iter().chain(sometimes.into_iter().flatten()))
}

fn way(way: &TierWay) -> String {
    let one = |requirement: &TierRequirement| {
        let at_least = match requirement.at_least {
            TierValue::Count(count) => count.to_string(),
            TierValue::Amount(amount) => quoted(&amount.to_string()),
        };
        format!("{} = {at_least}", requirement.metric.as_str())
    };
    format!("{{ {} }}", way.all.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn benefit(tier: &Tier, benefit: &Benefit) -> String {
    let always = [("tier", quoted(tier.code.as_str())), ("kind", quoted(benefit.kind.as_str())), ("text", names(&benefit.text))];
    let countable = benefit.count.is_some();
    let sometimes = [
        benefit.percent.map(|percent| ("percent", percent.to_string())),
        benefit.count.map(|count| ("count", count.to_string())),
        (countable && benefit.months != 12).then(|| ("months", benefit.months.to_string())),
        (countable && benefit.once).then(|| ("once", "true".to_owned())),
    ];
    lines(always.into_iter().chain(sometimes.into_iter().flatten()))
}

fn stacking(stacking: &Stacking) -> String {
    if stacking.is_default() {
        return String::new();
    }
    let ceiling = stacking.ceiling.map(|ceiling| ("ceiling", quoted(&ceiling.to_string())));
    format!("[stacking]\n{}\n", lines([("mode", word(&stacking.mode))].into_iter().chain(ceiling)))
}

/// Days as one list, a year after the other; names stand once.
pub fn holidays(holidays: &[Holiday]) -> String {
    let mut text = "holiday = [\n".to_owned();
    let mut year = None;
    for holiday in holidays {
        if year.replace(holiday.day.year()) != Some(holiday.day.year()) {
            writeln!(text, "    # {}", holiday.day.year()).expect("a text takes every line");
        }
        let (day, kind, festival) = (holiday.day, word(&holiday.kind), quoted(holiday.festival.as_str()));
        writeln!(text, "    {{ day = \"{day}\", kind = {kind}, festival = {festival} }},").expect("a text takes every line");
    }
    let festivals: BTreeMap<_, _> = holidays.iter().map(|holiday| (&holiday.festival, &holiday.name)).collect();
    text + "]\n\n[festivals]\n" + &lines(festivals.into_iter().map(|(code, name)| (code, names(name))))
}

fn campaign(campaign: &Campaign) -> String {
    let list = |key, values: Vec<String>| (!values.is_empty()).then(|| (key, format!("[{}]", values.join(", "))));
    let flag = |key, set: bool| set.then(|| (key, "true".to_owned()));
    let tokens = |all: &[Token]| all.iter().map(|token| quoted(token.as_str())).collect();
    let fields = [
        Some(("code", quoted(campaign.code.as_str()))),
        Some(("name", names(&campaign.name))),
        campaign.goal.as_ref().map(|goal| ("goal", names(goal))),
        campaign.factor.map(|factor| ("factor", quoted(&factor.to_string()))),
        campaign.bonus.map(|bonus| ("bonus", format!("{{ points = {}, from_paid = \"{}\" }}", bonus.points, bonus.from_paid))),
        Some(("from", campaign.from.to_string())),
        Some(("to", campaign.to.to_string())),
        list("weekdays", campaign.weekdays.iter().map(word).collect()),
        list("month_days", campaign.month_days.iter().map(ToString::to_string).collect()),
        list("festivals", tokens(&campaign.festivals)),
        list("lunar", campaign.lunar.iter().map(|at| format!("{{ month = {}, day = {} }}", at.month, at.day)).collect()),
        flag("birthday_month", campaign.birthday_month),
        list("stores", campaign.stores.iter().map(|store| quoted(store.as_str())).collect()),
        list("categories", tokens(&campaign.categories)),
        list("tiers", tokens(&campaign.tiers)),
        campaign.vehicle.as_ref().map(|cars| ("vehicle", vehicle(cars))),
        campaign.condition.as_ref().map(|condition| ("condition", quoted(condition))),
        campaign.budget.map(|budget| ("budget", budget.to_string())),
        campaign.member_cap.map(|cap| ("member_cap", cap.to_string())),
        flag("exclusive", campaign.exclusive),
        campaign.preheat_days.map(|days| ("preheat_days", days.to_string())),
        campaign.post_after_days.map(|days| ("post_after_days", days.to_string())),
    ];
    lines(fields.into_iter().flatten())
}

fn vehicle(cars: &VehicleAudience) -> String {
    let series = cars.series.iter().map(|series| quoted(series)).collect::<Vec<_>>().join(", ");
    let fields = [
        (!cars.series.is_empty()).then(|| format!("series = [{series}]")),
        cars.from_months.map(|months| format!("from_months = {months}")),
        cars.below_months.map(|months| format!("below_months = {months}")),
    ];
    format!("{{ {} }}", fields.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn names(name: &Text) -> String {
    format!("{{ zh = {}, en = {} }}", quoted(&name.zh), quoted(&name.en))
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A word of a fixed set, as in JSON.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(quoted));
    word.expect("the words of a program serialize as texts")
}

fn lines<K: Display>(fields: impl IntoIterator<Item = (K, String)>) -> String {
    fields.into_iter().fold(String::new(), |mut all, (key, value)| {
        writeln!(all, "{key} = {value}").expect("a text takes every line");
        all
    })
}

fn tables(name: &str, each: impl Iterator<Item = String>) -> String {
    each.map(|fields| format!("[[{name}]]\n{fields}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PRESETS, check, preset};

    #[test]
    fn files_of_a_program_are_read_as_that_program() {
        for name in PRESETS {
            let mut files = preset(name).expect(name);
            let second = check(&files).expect(name).0.tiers[1].code.clone();
            let campaigns = r#"
                [stacking]
                mode = "multiplicative"
                ceiling = "3.5"
                [[campaign]]
                code = "double"
                name = { zh = "双倍\"积分\"", en = 'Double \ points' }
                factor = "1.25"
                from = 2026-10-01
                to = 2026-10-07
                weekdays = ["sat", "sun"]
                stores = ["SH01", "SH02"]
                categories = ["repair"]
                budget = 5000
                [[campaign]]
                code = "everything"
                name = { zh = "全部", en = "Everything" }
                goal = { zh = "目标", en = "Goal" }
                bonus = { points = 100, from_paid = "500.00" }
                from = 2026-10-01
                to = 2026-10-07
                month_days = [1, -1]
                festivals = ["national_day"]
                lunar = [{ month = 8, day = 20 }, { month = 8, day = 21 }]
                birthday_month = true
                tiers = ["TOP"]
                vehicle = { series = ["朗逸", "Tiguan \"L\""], from_months = 12, below_months = 36 }
                condition = "paid_fen >= 100000 && tier != \"silver\""
                member_cap = 500
                exclusive = true
                preheat_days = 5
                post_after_days = 5
                [[campaign]]
                code = "old_cars"
                name = { zh = "老车", en = "Old cars" }
                factor = 2
                from = 2026-10-01
                to = 2026-10-07
                vehicle = { from_months = 60 }
                [[campaign]]
                code = "plain"
                name = { zh = "日常", en = "Plain" }
                factor = 2
                from = "2026-11-01"
                to = "2026-11-01"
            "#;
            let top = check(&files).expect(name).0.tiers.last().expect("a tier").code.clone();
            files.insert("campaigns.toml".to_owned(), campaigns.replace("TOP", top.as_str()));
            files.insert("membership.toml".to_owned(), "activation_days = 14\ncode_attempts = 3\n".to_owned());
            files.insert("settlement.toml".to_owned(), "point_value = \"0.005\"\nclose_day = 3\n".to_owned());
            files.insert("redemption.toml".to_owned(), "points_per_yuan = 50\nreturn_grace_days = 0\n".to_owned());
            let role = "[[role]]\ncode = \"boss\"\nname = { zh = \"店长\", en = \"Boss\" }\nalone = 5\nwith_approval = 10\napproves = 0\n";
            files.insert("adjustments.toml".to_owned(), role.to_owned());
            let stores = files["stores.toml"].replace("code = \"SH02\"", "code = \"SH02\"\nbrand = \"audi\"");
            files.insert("stores.toml".to_owned(), stores);
            let earn = files["earn.toml"].replace("first_spending = 100", "first_spending = 100\ninvoice_cap = 2000\ndaily_cap = 5000")
                + &format!("[tier_factors]\n{second} = \"1.1\"\n")
                + "[[partner]]\ncode = \"fuel-1\"\nname = { zh = \"加油\", en = \"Fuel\" }\nrate = \"0.5\"\n"
                + "budget = 900\n[[partner]]\ncode = \"wash\"\nname = { zh = \"洗车\", en = \"Wash\" }\nrate = 1\n";
            files.insert(
                "earn.toml".to_owned(),
                earn.replace("within_days = 30", "within_days = 30\npending = 3") + "[pending]\nparts = 15\nrepair = \"review\"\n",
            );
            let expiry = "months = 12\nmode = \"calendar\"\nmin_days_after_posting = 30\nreminders = []\n".to_owned()
                + "days = [{ month = 6, day = 30 }, { month = 12, day = 31 }]\n[revival]\nwithin_days = 90\nlive_days = 60\n";
            files.insert("expiry.toml".to_owned(), expiry);
            let (program, _) = check(&files).expect(name);
            assert_eq!(check(&files_of(&program)).expect("written files").0, program);
        }
        let (points, _) = check(&preset("points").expect("preset")).expect("program");
        assert!(!files_of(&points).contains_key("campaigns.toml") && files_of(&points).contains_key("holidays.toml"));
    }
}
