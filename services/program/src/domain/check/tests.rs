//! Each row spoils the default program in one place and names what must be found.

use jifen_contracts::{
    endpoint::ProgramFinding,
    program::{ExpiryMode, PendingRule, Weekday},
};
use jifen_kernel::Token;
use proptest::prelude::*;

use super::*;
use crate::preset;

mod messages;

fn points() -> Files {
    preset("points").expect("preset")
}

/// The default program with one text of a file replaced.
fn spoiled(file: &str, from: &str, to: &str) -> Files {
    let mut files = points();
    let content = files.get_mut(file).expect(file);
    assert!(content.contains(from), "{file} has no {from:?}");
    *content = content.replacen(from, to, 1);
    files
}

fn with(file: &str, content: &str) -> Files {
    let mut files = points();
    files.insert(file.to_owned(), content.to_owned());
    files
}

fn shown(findings: &[ProgramFinding]) -> Vec<String> {
    let one = |f: &ProgramFinding| format!("{}{}:{} {}: {}", if f.warning { "warning " } else { "" }, f.file, f.line, f.key, f.message);
    findings.iter().map(one).collect()
}

/// Asserts that exactly one finding stands there, beginning with `expected` up to its colon and containing the rest.
fn expect_one(files: &Files, expected: &str, containing: &str) {
    let findings = match check(files) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    };
    let lines = shown(&findings);
    assert!(lines.len() == 1 && lines[0].starts_with(expected) && lines[0].contains(containing), "{expected} … {containing}: {lines:#?}");
}

const CAMPAIGNS: &str = r#"
[[campaign]]
code = "double_week"
name = { zh = "国庆双倍积分", en = "Double points" }
factor = "2"
from = "2026-10-01"
to = 2026-10-07
"#;

#[test]
fn a_campaign_is_read_with_its_dates_in_either_form() {
    let content = format!("{CAMPAIGNS}weekdays = [\"sat\", \"sun\"]\nstores = [\"SH01\"]\ncategories = [\"repair\"]\nbudget = 10_000\n");
    let (program, warnings) = check(&with("campaigns.toml", &content)).expect("program");
    assert_eq!(warnings, []);
    let campaign = &program.campaigns[0];
    assert_eq!((campaign.code.as_str(), campaign.factor.expect("a factor").basis_points()), ("double_week", 20_000));
    assert_eq!((campaign.from.to_string().as_str(), campaign.to.to_string().as_str()), ("2026-10-01", "2026-10-07"));
    assert_eq!(campaign.weekdays, [Weekday::Sat, Weekday::Sun]);
    assert_eq!((campaign.stores[0].as_str(), campaign.categories[0].as_str()), ("SH01", "repair"));
    assert_eq!(campaign.budget.map(|budget| budget.0), Some(10_000));
    let (program, _) = check(&with("campaigns.toml", "")).expect("an empty file is no campaign");
    assert_eq!(program.campaigns, []);
}

#[test]
fn other_ways_of_writing_the_same_are_read_too() {
    let dotted = "name = 'x'\r\ntime_zone = 'Asia/Shanghai'\r\n";
    assert!(check(&with("program.toml", dotted)).is_ok());
    let stores = "[[store]]\ncode = 'A'\nname.zh = '一店'\nname.en = 'One'\nbrand = 'audi'\n";
    let (program, _) = check(&with("stores.toml", stores)).expect("dotted keys");
    assert_eq!((program.stores[0].name.zh.as_str(), program.stores[0].brand.as_ref().map(Token::as_str)), ("一店", Some("audi")));
    let inline = "store = [{ code = 'A', name = { zh = '一店', en = 'One' } }]\n";
    assert_eq!(check(&with("stores.toml", inline)).expect("inline").0.stores.len(), 1);
    let rates = "first_spending = 0\nrates.repair = 1\nrates.parts = '1.2'\n";
    assert_eq!(check(&with("earn.toml", rates)).expect("dotted").0.earn.rates.len(), 2);
    let exact = spoiled("expiry.toml", "\"end_of_month\"", "\"exact_day\"");
    assert_eq!(check(&exact).expect("program").0.expiry.mode, ExpiryMode::ExactDay);
}

#[test]
fn every_wrong_value_is_found_in_its_line() {
    for (file, from, to, expected, containing) in [
        ("program.toml", "Asia/Shanghai", "Shanghai", "program.toml:4 time_zone", "IANA"),
        ("program.toml", "name = \"售后积分\"", "name = \"\"", "program.toml:3 name", "0 characters"),
        ("program.toml", "name = ", "names = ", "program.toml:3 name:", "is missing"),
        ("stores.toml", "\"SH01\"", "\"sh01\"", "stores.toml:5 store.code", "A-Z"),
        ("stores.toml", "\"SH02\"", "\"SH01\"", "stores.toml:9 store.code", "twice: the first is in line 5"),
        ("stores.toml", ", en = \"Jiading\"", "", "stores.toml:14 store.name", "en is missing"),
        ("stores.toml", "code = \"SH03\"\n", "code = \"SH03\"\ncity = \"x\"\n", "stores.toml:14 store.city", "store has code, name, brand"),
        ("earn.toml", "\"1.5\"             # 保养", "1.5", "earn.toml:8 rates.maintenance", "quotes, \"1.5\""),
        ("earn.toml", "\"1.2\"", "\"-1.2\"", "earn.toml:10 rates.parts", "from 0 to 1000"),
        ("earn.toml", "repair =", "Repair =", "earn.toml:9 rates.Repair", "a-z"),
        ("earn.toml", "first_spending = 100", "first_spending = -1", "earn.toml:5 first_spending", "from 0"),
        ("earn.toml", "[rates]", "[rate]", "earn.toml:0 rates", "[rates]"),
        ("expiry.toml", "24 ", "11 ", "expiry.toml:3 months", "12 to 36"),
        ("expiry.toml", "24 ", "37 ", "expiry.toml:3 months", "12 to 36"),
        ("expiry.toml", "\"end_of_month\"", "\"monthly\"", "expiry.toml:4 mode", "\"end_of_month\", \"exact_day\""),
        ("expiry.toml", "= 30", "= 366", "expiry.toml:5 min_days_after_posting", "0 to 365"),
        ("tiers.toml", "from = 0\n", "from = 1\n", "tiers.toml:7 tier.from", "begin at 0"),
        ("tiers.toml", "20_000", "5_000", "tiers.toml:17 tier.from", "above 5000"),
        ("tiers.toml", "\"gold\"", "\"silver\"", "tiers.toml:15 tier.code", "twice: the first is in line 10"),
        ("tiers.toml", "from = 0\n", "from = -1\n", "tiers.toml:7 tier.from", "from 0"),
        ("tiers.toml", "from = 20_000\n", "", "tiers.toml:15 tier.from", "is missing: write from"),
        ("tiers.toml", "from = 0\n", "from = 0\nany = [{ visits = 1 }]\n", "tiers.toml:8 tier.any", "asks for nothing"),
        ("tiers.toml", "from = 20_000\n", "any = [{ spent = 1 }]\n", "tiers.toml:17 tier.any", "spent is no metric: there are \"points\""),
        ("tiers.toml", "from = 20_000\n", "any = [{ spend = 1.5 }]\n", "tiers.toml:17 tier.any", "value 1 spend must be an amount"),
        ("tiers.toml", "from = 20_000\n", "any = [{ visits = 0 }]\n", "tiers.toml:17 tier.any", "whole number from 1"),
        ("tiers.toml", "from = 20_000\n", "any = [{}]\n", "tiers.toml:17 tier.any", "{ metric = at least"),
        ("tiers.toml", "from = 20_000\n", "any = [{ high_spend_years = 2 }]\n", "tiers.toml:17 tier.any", "needs high_spend"),
        ("tiers.toml", "from = 20_000\n", "any = [{ listed_models = 1 }]\n", "tiers.toml:17 tier.any", "needs listed_series"),
        ("tiers.toml", "[[tier]]\n", "kind = \"weekly\"\n[[tier]]\n", "tiers.toml:4 kind", "\"lifetime\", \"yearly\""),
        ("tiers.toml", "[[tier]]\n", "grace_days = 200\n[[tier]]\n", "tiers.toml:4 grace_days", "0 to 180"),
        ("tiers.toml", "[[tier]]\n", "spend_excludes = [\"tea\"]\n[[tier]]\n", "tiers.toml:4 spend_excludes", "tea is not in earn.toml"),
        ("tiers.toml", "tier = \"gold\"", "tier = \"golden\"", "tiers.toml:", "golden is no tier of this file"),
        ("tiers.toml", "kind = \"priority_service\"", "kind = \"labour_discount\"", "tiers.toml:", "twice for silver"),
        ("tiers.toml", "percent = 10", "percent = 101", "tiers.toml:", "1 to 100"),
        ("tiers.toml", "percent = 10", "months = 6", "tiers.toml:", "write count too"),
        ("tiers.toml", "percent = 10", "worth = 10", "tiers.toml:", "benefit has tier, kind, text, percent, count, months, once"),
        ("messages.toml", "\"会员中心\"", "\"会\"", "messages.toml:5 sign", "2 to 8"),
        ("messages.toml", "\"会员中心\"", "\"【会员】\"", "messages.toml:5 sign", "without brackets"),
        ("messages.toml", "{{ points }}积分，", "{{ member_no }}", "messages.toml:25 message.text", "{{ member_no }} is unknown"),
        ("messages.toml", "\"tier_upgraded\"", "\"welcome\"", "messages.toml:", "twice"),
        ("messages.toml", "\"service\"", "\"promotion\"", "messages.toml:15 message.class", "\"service\""),
        ("messages.toml", "valid_hours = 24", "valid_hours = 73", "messages.toml:27 message.valid_hours", "1 to 72"),
        ("messages.toml", "\"POINTS_EARNED\"", "\"积分\"", "messages.toml:24 message.template", "letters"),
    ] {
        let files = spoiled(file, from, to);
        let findings = check(&files).expect_err(to);
        let lines = shown(&findings);
        assert!(lines.iter().any(|line| line.starts_with(expected) && line.contains(containing)), "{expected} … {containing}: {lines:#?}");
        assert!(findings.iter().all(|finding| finding.file == file), "{lines:#?}");
    }
}

/// Stands at the end of the default file.
const EARNED: &str = r#"
[[interaction]]
kind = "visit"
name = { zh = "到店", en = "Visit" }
points = 5
limit = { count = 1, per = "day" }
[[partner]]
code = "fuel-1"
name = { zh = "加油", en = "Fuel" }
rate = "0.5"
[tier_factors]
gold = "1.2"
"#;

#[test]
fn every_wrong_rule_of_earning_is_found_in_its_line() {
    let file = |added: &str| {
        let mut files = points();
        files.entry("earn.toml".to_owned()).and_modify(|content| *content += added);
        files
    };
    let (program, warnings) = check(&file(EARNED)).expect("program");
    assert_eq!(
        (warnings, program.earn.interactions.len(), program.earn.partners.len(), program.earn.tier_factors.len()),
        (vec![], 9, 1, 1)
    );
    let before = points()["earn.toml"].lines().count();
    for (from, to, line, key, containing) in [
        ("\"visit\"", "\"Visit\"", 3, "interaction.kind", "a-z"),
        ("\"visit\"", "\"survey\"", 3, "interaction.kind", "twice: the first is in line"),
        ("points = 5", "points = 0", 5, "interaction.points", "from 1"),
        ("count = 1", "count = 0", 6, "interaction.limit", "count must be a whole number from 1"),
        ("\"day\"", "\"hour\"", 6, "interaction.limit", "per must be one of \"once\", \"day\""),
        ("count = 1, ", "", 6, "interaction.limit", "count is missing"),
        ("count = 1,", "count = 1, of = 2,", 6, "interaction.limit", "of is unknown"),
        ("limit = {", "within_days = 366\nlimit = {", 6, "interaction.within_days", "0 to 365"),
        ("limit = {", "off = 1\nlimit = {", 6, "interaction.off", "true or false"),
        ("limit = {", "every = 1\nlimit = {", 6, "interaction.every", "unknown key"),
        ("\"fuel-1\"", "\"Fuel 1\"", 8, "partner.code", "1 to 32 of a-z"),
        ("rate = \"0.5\"", "rate = 0.5", 10, "partner.rate", "quotes, \"0.5\""),
        ("rate = \"0.5\"", "rate = \"0.5\"\nbudget = 0", 11, "partner.budget", "from 1"),
        ("gold =", "platinum =", 12, "tier_factors.platinum", "platinum is not in tiers.toml"),
        ("\"1.2\"", "\"0.9\"", 12, "tier_factors.gold", "no accelerator"),
    ] {
        assert!(EARNED.contains(from), "{from}");
        let at = format!("earn.toml:{} {key}:", before + line);
        expect_one(&file(&EARNED.replacen(from, to, 1)), &at, containing);
    }
    let off = |from: &str, to: &str| spoiled("earn.toml", from, to);
    let head = "first_spending = 100 ";
    expect_one(&off("[\"vehicle\"]", "[\"boat\"]"), "earn.toml:6 not_qualifying:", "boat is not in [rates]");
    expect_one(&off(head, &format!("invoice_cap = 0\n{head}")), "earn.toml:5 invoice_cap:", "from 1");
    expect_one(&off(head, &format!("daily_cap = 1.5\n{head}")), "earn.toml:5 daily_cap:", "whole number");
    let below = format!("invoice_cap = 10\ndaily_cap = 5\n{head}");
    expect_one(&off(head, &below), "warning earn.toml:6 daily_cap:", "never reached");
    expect_one(&off("off = true", "off = false"), "warning earn.toml:38 interaction.kind:", "WeChat");
    expect_one(&off("\"about\" }\nwithin", "\"day\" }\nwithin"), "warning earn.toml:29 interaction.within_days:", "per order");
}

#[test]
fn every_wrong_campaign_is_found_in_its_line() {
    for (line, expected, containing) in [
        ("factor = \"1\"", "campaigns.toml:5 campaign.factor", "no multiplier"),
        ("factor = \"100.5\"", "campaigns.toml:5 campaign.factor", "no multiplier"),
        ("to = 2026-09-30", "campaigns.toml:7 campaign.to", "before the first, 2026-10-01"),
        ("to = 2026-10-07T00:00:00Z", "campaigns.toml:7 campaign.to", "must be a day"),
        ("from = \"2026-2-30\"", "campaigns.toml:6 campaign.from", "must be a day"),
        ("from = \"1999-12-31\"", "campaigns.toml:6 campaign.from", "must be a day"),
        ("code = \"Double\"", "campaigns.toml:3 campaign.code", "a-z"),
        ("stores = [\"SH09\"]", "campaigns.toml:8 campaign.stores", "SH09 is not in stores.toml"),
        ("categories = [\"tea\"]", "campaigns.toml:8 campaign.categories", "tea is not in earn.toml"),
        ("stores = []", "campaigns.toml:8 campaign.stores", "leave the key out"),
        ("weekdays = [\"sat\", \"sat\"]", "campaigns.toml:8 campaign.weekdays", "twice"),
        ("weekdays = [\"saturday\"]", "campaigns.toml:8 campaign.weekdays", "\"mon\""),
        ("budget = 0", "campaigns.toml:8 campaign.budget", "from 1"),
        ("budget = 5.5", "campaigns.toml:8 campaign.budget", "whole number"),
        ("categories = [\"vehicle\"]", "warning campaigns.toml:8 campaign.categories", "earns nothing"),
        ("bonus = 100", "campaigns.toml:8 campaign.bonus", "points = …, from_paid = …"),
        ("bonus = { points = 100, from_paid = \"0\" }", "campaigns.toml:8 campaign.bonus", "from_paid must be above zero"),
        ("bonus = { points = 0, from_paid = \"1\" }", "campaigns.toml:8 campaign.bonus", "points must be"),
        ("bonus = { points = 1, from = \"1\" }", "campaigns.toml:8 campaign.bonus", "from is unknown"),
        ("month_days = [0]", "campaigns.toml:8 campaign.month_days", "-1 for its last"),
        ("lunar = [{ month = 13, day = 1 }]", "campaigns.toml:8 campaign.lunar", "month must be"),
        ("lunar = [{ month = 1 }]", "campaigns.toml:8 campaign.lunar", "day is missing"),
        ("festivals = [\"brand_day\"]", "campaigns.toml:8 campaign.festivals", "brand_day is not in holidays.toml"),
        ("festivals = [\"mid_autumn\"]", "warning campaigns.toml:8 campaign.festivals", "never applies"),
        ("lunar = [{ month = 1, day = 1 }]", "warning campaigns.toml:8 campaign.lunar", "never applies"),
        ("month_days = [31]", "warning campaigns.toml:8 campaign.month_days", "never applies"),
        ("tiers = [\"bronze\"]", "campaigns.toml:8 campaign.tiers", "bronze is not in tiers.toml, which has \"regular\""),
        ("vehicle = {}", "campaigns.toml:8 campaign.vehicle", "or some of these"),
        ("vehicle = { series = [\"朗逸\"], model = 1 }", "campaigns.toml:8 campaign.vehicle", "model is unknown"),
        ("vehicle = { series = [] }", "campaigns.toml:8 campaign.vehicle", "series is empty"),
        ("vehicle = { series = [\"朗逸 \"] }", "campaigns.toml:8 campaign.vehicle", "series value 1 must not begin or end"),
        ("vehicle = { from_months = 0 }", "campaigns.toml:8 campaign.vehicle", "from_months must be a whole number from 1"),
        ("vehicle = { from_months = 36, below_months = 36 }", "campaigns.toml:8 campaign.vehicle", "no car is 36 months old and below 36"),
        ("birthday_month = 1", "campaigns.toml:8 campaign.birthday_month", "true or false"),
        ("exclusive = \"yes\"", "campaigns.toml:8 campaign.exclusive", "true or false"),
        ("member_cap = 0", "campaigns.toml:8 campaign.member_cap", "from 1"),
        ("preheat_days = 2", "campaigns.toml:8 campaign.preheat_days", "3 to 7"),
        ("post_after_days = 0", "campaigns.toml:8 campaign.post_after_days", "1 to 30"),
        ("condition = \"paid >= 1\"", "campaigns.toml:8 campaign.condition", "paid is unknown: a condition may name store, tier"),
        ("condition = \"paid_fen\"", "campaigns.toml:8 campaign.condition", "true or false"),
        ("condition = 5", "campaigns.toml:8 campaign.condition", "text in quotes"),
        ("code = \"tier_accelerator\"", "campaigns.toml:3 campaign.code", "tier_factors in earn.toml"),
        ("priority = 1", "campaigns.toml:8 campaign.priority", "unknown key"),
    ] {
        let key = line.split(' ').next().expect("key");
        let kept: String = CAMPAIGNS
            .lines()
            .map(|old| if old.starts_with(&format!("{key} ")) { line } else { old })
            .fold(String::new(), |all, line| all + line + "\n");
        let content = if kept.contains(line) { kept } else { format!("{CAMPAIGNS}{line}\n") };
        expect_one(&with("campaigns.toml", &content), expected, containing);
    }
    let never = CAMPAIGNS.replace("2026-10-07", "2026-10-02") + "weekdays = [\"sun\"]\n";
    expect_one(&with("campaigns.toml", &never), "warning campaigns.toml:8 campaign.weekdays", "never applies");
    expect_one(&with("campaigns.toml", &format!("{CAMPAIGNS}{CAMPAIGNS}")), "campaigns.toml:10 campaign.code", "first is in line 3");
}

#[test]
fn a_campaign_may_have_a_fixed_bonus_alone_but_not_nothing() {
    let without = CAMPAIGNS.replace("factor = \"2\"\n", "");
    let bonus = format!("{without}bonus = {{ points = 100, from_paid = 500 }}\n");
    let (program, warnings) = check(&with("campaigns.toml", &bonus)).expect("program");
    assert_eq!((program.campaigns[0].factor, warnings), (None, vec![]));
    expect_one(&with("campaigns.toml", &without), "campaigns.toml:3 campaign.factor", "a factor, a bonus, or both");
}

#[test]
fn campaigns_are_combined_as_the_file_says() {
    for (table, expected, containing) in [
        ("mode = \"sum\"", "campaigns.toml:2 stacking.mode", "\"best_of\", \"additive\""),
        ("mode = \"multiplicative\"", "campaigns.toml:2 stacking.mode", "needs a ceiling"),
        ("mode = \"additive\"\nceiling = \"1\"", "campaigns.toml:3 stacking.ceiling", "above 1"),
        ("ceiling = \"3\"", "campaigns.toml:2 stacking.mode", "is missing"),
        ("mode = \"best_of\"\nmost = 3", "campaigns.toml:3 stacking.most", "unknown key: stacking has mode, ceiling"),
    ] {
        expect_one(&with("campaigns.toml", &format!("[stacking]\n{table}\n")), expected, containing);
    }
    expect_one(&with("campaigns.toml", "stacking = 1\n"), "campaigns.toml:1 stacking:", "must be a table [stacking]");
    let (program, _) = check(&with("campaigns.toml", "[stacking]\nmode = \"additive\"\nceiling = \"2.5\"\n")).expect("program");
    assert_eq!(program.stacking.ceiling.map(jifen_kernel::Rate::basis_points), Some(25_000));
}

const HOLIDAYS: &str = r#"[festivals]
brand_day = { zh = "品牌日", en = "Brand day" }
[[holiday]]
day = 2026-10-10
kind = "work"
festival = "brand_day"
[[holiday]]
day = "2026-09-09"
kind = "named"
festival = "brand_day"
"#;

#[test]
fn holidays_are_read_in_the_order_of_their_days() {
    let (program, _) = check(&with("holidays.toml", HOLIDAYS)).expect("program");
    let days: Vec<_> = program.holidays.iter().map(|holiday| (holiday.day.to_string(), holiday.name.en.as_str())).collect();
    assert_eq!(days, [("2026-09-09".to_owned(), "Brand day"), ("2026-10-10".to_owned(), "Brand day")]);
    for (from, to, expected, containing) in [
        ("\"work\"", "\"free\"", "holidays.toml:5 holiday.kind", "\"off\", \"work\", \"named\""),
        ("2026-10-10", "10-10", "holidays.toml:", ""),
        ("festival = \"brand_day\"", "festival = \"other\"", "holidays.toml:6 holiday.festival", "no name in [festivals]"),
        ("kind = \"work\"", "kind = \"work\"\nnote = 1", "holidays.toml:6 holiday.note", "unknown key"),
        ("brand_day = {", "Brand = {", "holidays.toml:2 festivals.Brand", "a-z"),
        ("\"2026-09-09\"", "\"2026-10-10\"", "holidays.toml:8 holiday.day", "twice for brand_day"),
    ] {
        let findings = check(&with("holidays.toml", &HOLIDAYS.replacen(from, to, 1))).expect_err(to);
        let lines = shown(&findings);
        assert!(lines[0].starts_with(expected) && lines[0].contains(containing), "{expected} … {containing}: {lines:#?}");
    }
    let both = format!("{HOLIDAYS}[[holiday]]\nday = \"2026-10-10\"\nkind = \"off\"\nfestival = \"autumn\"\n")
        .replace("[[holiday]]\nday = 2026", "autumn = { zh = \"秋\", en = \"Autumn\" }\n[[holiday]]\nday = 2026");
    expect_one(&with("holidays.toml", &both), "holidays.toml:14 holiday.kind", "a day off and a working day: see line 5");
    let mut without = points();
    without.remove("holidays.toml");
    assert_eq!(check(&without).expect("a program without").0.holidays, []);
}

#[test]
fn a_year_that_is_not_arranged_yet_is_a_warning_where_it_matters() {
    let next = CAMPAIGNS.replace("2026", "2027");
    let check_one =
        |line: &str, expected, containing| expect_one(&with("campaigns.toml", &format!("{next}{line}\n")), expected, containing);
    check_one("festivals = [\"national_day\"]", "warning campaigns.toml:8 campaign.festivals", "no make-up days of 2027");
    check_one("post_after_days = 5", "warning campaigns.toml:8 campaign.post_after_days", "no make-up days of 2027");
    for line in ["post_after_days = 5", "festivals = [\"national_day\"]"] {
        let (_, warnings) = check(&with("campaigns.toml", &format!("{CAMPAIGNS}{line}\n"))).expect("program");
        assert_eq!(warnings, [], "2026 is arranged");
    }
}

#[test]
fn files_are_there_once_known_and_toml() {
    let mut files = points();
    files.remove("earn.toml");
    expect_one(&files, "earn.toml:0 :", "missing");
    expect_one(&with("rewards.toml", ""), "rewards.toml:0 :", "unknown file");
    expect_one(&with("expiry.toml", "months = 24\nmode = \n"), "expiry.toml:2 :", "not valid TOML");
    expect_one(&with("expiry.toml", "months = 24\nmonths = 24\n"), "expiry.toml:2 :", "not valid TOML");
    expect_one(&with("stores.toml", "[store]\ncode = 'A'\n"), "stores.toml:1 store:", "[[store]]");
    expect_one(&with("stores.toml", "store = []\n"), "stores.toml:1 store:", "[[store]]");
    expect_one(&with("stores.toml", ""), "stores.toml:0 store:", "at least one");
    expect_one(&with("earn.toml", "first_spending = 1\nrates = 3\n"), "earn.toml:2 rates:", "a table [rates]");
    expect_one(&with("earn.toml", "first_spending = 1\n[rates]\n"), "earn.toml:2 rates:", "is empty");
    expect_one(&with("program.toml", "name = 'a'\ntime_zone = 'UTC'\nsince = 2026-01-01\n"), "program.toml:", "a date can't stand here");
    let unknown = check(&with("program.toml", "name = 'a'\ntime_zone = 'UTC'\n[other]\n[[more]]\n")).expect_err("unknown tables");
    assert_eq!(
        shown(&unknown),
        [
            "program.toml:3 other: unknown key: this file has name, time_zone",
            "program.toml:4 more: unknown key: this file has name, time_zone"
        ]
    );
}

#[test]
fn what_is_odd_but_possible_is_a_warning() {
    for (file, from, to, expected, containing) in [
        ("earn.toml", "insurance_premium = \"0\"", "insurance_premium = \"1\"", "warning earn.toml:18 rates.insurance_premium", "law"),
        ("earn.toml", "stored_value_top_up = \"0\"", "stored_value_top_up = 1", "warning earn.toml:16 rates.stored", "again"),
        ("earn.toml", "maintenance = \"1.5\"", "maintenance = \"15\"", "warning earn.toml:8 rates.maintenance", "points a yuan"),
        ("stores.toml", "浦东旗舰店", "上海浦东新区世纪大道一号汽车销售服务旗舰店", "warning stores.toml:6 store.name", "first 20"),
    ] {
        let files = spoiled(file, from, to);
        assert!(check(&files).is_ok(), "a warning stops nothing: {to}");
        expect_one(&files, expected, containing);
    }
}

#[test]
fn all_findings_come_at_once_in_the_order_of_the_files() {
    let mut files = points();
    files.insert("expiry.toml".to_owned(), "months = 1\nmode = 'x'\nyears = 2\n".to_owned());
    files.insert("earn.toml".to_owned(), "[rates]\nrepair = 1.5\nparts = 'x'\n".to_owned());
    files.insert("campaigns.toml".to_owned(), CAMPAIGNS.replace("\"2\"", "\"0\"") + "categories = [\"tea\"]\n");
    files.remove("program.toml");
    let lines = shown(&check(&files).expect_err("errors"));
    let places: Vec<&str> = lines.iter().map(|line| line.split(": ").next().expect("place")).collect();
    assert_eq!(
        places,
        [
            "program.toml:0 ",
            "earn.toml:0 first_spending",
            "earn.toml:2 rates.repair",
            "earn.toml:3 rates.parts",
            "expiry.toml:1 months",
            "expiry.toml:1 min_days_after_posting",
            "expiry.toml:2 mode",
            "expiry.toml:3 years",
            // Its categories are not judged: earn.toml couldn't be read, which says enough.
            "campaigns.toml:5 campaign.factor",
        ],
        "{lines:#?}"
    );
}

#[test]
fn findings_are_bounded() {
    let many: String = (0..2_000).fold(String::new(), |all, i| all + &format!("k{i} = 1\n"));
    let findings = check(&with("expiry.toml", &many)).expect_err("errors");
    assert_eq!(findings.len(), findings::FINDINGS_KEPT + 1);
    assert!(findings.last().is_some_and(|last| last.message.contains("more findings")));
}

proptest! {
    #[test]
    fn whatever_a_file_holds_check_answers(file in prop::sample::select(FILES.to_vec()), content in "(?s).{0,200}") {
        let _ = check(&with(file, &content));
    }

    #[test]
    fn one_spoiled_character_never_panics(at in 0_usize..600, replaced in prop::sample::select(vec!['"', '[', '{', '=', '\n', '9', '\u{0}', '店'])) {
        for file in FILES {
            let mut files = points();
            // The rest of it is more of the same.
            files.insert("holidays.toml".to_owned(), HOLIDAYS.to_owned());
            let Some(content) = files.get_mut(file) else { continue };
            let mut chars: Vec<char> = content.chars().collect();
            let place = at % chars.len();
            chars[place] = replaced;
            *content = chars.into_iter().collect();
            let _ = check(&files);
        }
    }
}

#[test]
fn every_wrong_rule_of_expiry_is_found_in_its_line() {
    const HEAD: &str = "months = 24\nmin_days_after_posting = 30\n";
    let (program, warnings) = check(&with("expiry.toml", &format!("{HEAD}mode = \"sliding\"\n"))).expect("program");
    assert_eq!((warnings, program.expiry.reminders.as_slice(), program.expiry.revival), (vec![], [60, 30, 7].as_slice(), None));
    let calendar = "mode = \"calendar\"\ndays = [{ month = 2, day = 29 }, { month = 12, day = 31 }]\nreminders = []\n[revival]\nwithin_days = 90\nlive_days = 60\n";
    let (program, _) = check(&with("expiry.toml", &format!("{HEAD}{calendar}"))).expect("program");
    assert_eq!((program.expiry.days.len(), program.expiry.revival.map(|revival| revival.live_days)), (2, Some(60)));
    for (content, expected, why) in [
        ("mode = \"calendar\"\n", "expiry.toml:3 mode:", "needs days"),
        ("mode = \"exact_day\"\ndays = [{ month = 12, day = 31 }]\n", "expiry.toml:3 mode:", "only with mode"),
        ("mode = \"calendar\"\ndays = [{ month = 2, day = 30 }]\n", "expiry.toml:4 days.day:", "month 2 has no day 30"),
        ("mode = \"calendar\"\ndays = [{ month = 13, day = 1 }, { month = 12, day = 31 }]\n", "expiry.toml:4 days.month:", "1 to 12"),
        ("mode = \"exact_day\"\nreminders = [7, 30]\n", "expiry.toml:4 reminders:", "the largest first"),
        ("mode = \"exact_day\"\nreminders = [0]\n", "expiry.toml:4 reminders:", "from 1 to 180"),
        ("mode = \"exact_day\"\n[revival]\nwithin_days = 90\n", "expiry.toml:5 revival.live_days:", "is missing"),
        ("mode = \"exact_day\"\n[revival]\nwithin_days = 90\nlive_days = 0\n", "expiry.toml:6 revival.live_days:", "from 1"),
        ("mode = \"exact_day\"\n[revival]\nwithin_days = 90\nlive_days = 60\nfor = 1\n", "expiry.toml:7 revival.for:", "unknown key"),
    ] {
        expect_one(&with("expiry.toml", &format!("{HEAD}{content}")), expected, why);
    }
    let before = points()["earn.toml"].lines().count();
    let pending = |added: &str| {
        let mut files = points();
        let table = format!("\n[pending]\n{added}\n");
        files.entry("earn.toml".to_owned()).and_modify(|content| *content += &table);
        files
    };
    let (program, _) = check(&pending("package = 15\nvehicle = \"review\"")).expect("program");
    assert_eq!(program.earn.pending.values().copied().collect::<Vec<_>>(), [PendingRule::Days(15), PendingRule::Review]);
    for (added, key, why) in [
        ("package = 0", "pending.package", "from 1 to 365, or \"review\""),
        ("package = \"later\"", "pending.package", "or \"review\""),
        ("boat = 1", "pending.boat", "boat is not in [rates]"),
    ] {
        expect_one(&pending(added), &format!("earn.toml:{} {key}:", before + 3), why);
    }
}

#[test]
fn membership_is_usual_but_for_what_is_said() {
    let (program, _) = check(&points()).expect("program");
    assert!(program.membership.is_default());
    let (program, _) = check(&with("membership.toml", "activation_days = 14\npending_days = 60\n")).expect("program");
    assert_eq!((program.membership.activation_days, program.membership.pending_days, program.membership.code_attempts), (14, 60, 5));
    for (content, expected, why) in [
        ("activation_days = 0", "membership.toml:1 activation_days:", "from 1 to 90"),
        ("code_minutes = \"10\"", "membership.toml:1 code_minutes:", "whole number"),
        ("activation_days = 1\nlapse_warning_days = 2", "membership.toml:2 lapse_warning_days:", "more than activation_days"),
        ("codes_per_day = 3", "membership.toml:1 codes_per_day:", "unknown key"),
    ] {
        expect_one(&with("membership.toml", content), expected, why);
    }
}

mod spending;
