//! What is wrong with messages is found in its line, by the limits of those who carry them.

use jifen_contracts::{
    notify::{Channel, MessageClass},
    program::{MessageKind, MessageLimits, TaskKind},
};

use super::*;
use crate::files_of;

/// The default program whose message about points has these lines, too; they begin in line 28.
fn points_with(lines: &str) -> Files {
    spoiled("messages.toml", "valid_hours = 24\n", &format!("valid_hours = 24\n{lines}\n"))
}

fn wechat(fields: &str) -> Files {
    points_with(&format!("wechat = {{ template = \"TM1\", fields = {fields} }}"))
}

#[test]
fn every_preset_tells_all_kinds_in_both_languages() {
    for name in crate::PRESETS {
        let (program, warnings) = check(&preset(name).expect(name)).expect(name);
        assert_eq!(warnings, [], "{name}");
        for kind in MessageKind::ALL {
            let template = program.messages.template(kind).expect("a template");
            assert!(template.text_en.is_some() && template.class == kind.class(), "{kind:?}");
        }
        assert_eq!(program.messages.limits, MessageLimits::default());
    }
}

#[test]
fn ways_limits_and_tasks_are_read_and_written_back() {
    let mut files = points_with(
        "channels = [\"wechat\", \"sms\"]\n\
         wechat = { template = \"TM1\", fields = { number1 = \"points\", thing2 = \"store_name\" }, text = \"{{ points }}积分\" }\n\
         app = { template = \"A1\", text_en = \"{{ points }} points\" }",
    );
    let content = files.get_mut("messages.toml").expect("file");
    *content = content.replace("\"21:00\"", "\"20:30\"").replace("promotions_a_week = 2", "promotions_a_week = 1\nopt_out = \"退订回T\"");
    *content = content.replace("拒收请回复R", "退订回T");
    content.push_str("\n[[task]]\nkind = \"birthday_call\"\nfrom_days = 0\nto_days = 7\ntiers = [\"gold\"]\n");
    let (program, _) = check(&files).expect("program");
    let template = program.messages.template(MessageKind::PointsEarned).expect("template");
    assert_eq!(template.order(), [Channel::Wechat, Channel::Sms]);
    assert_eq!((template.ways.len(), template.ways[&Channel::Wechat].fields["thing2"].as_str()), (2, "store_name"));
    let code = program.messages.template(MessageKind::ActivationCode).expect("template");
    assert_eq!((code.class, code.valid_minutes, code.valid_for().num_minutes()), (MessageClass::Verify, Some(10), 10));
    let limits = &program.messages.limits;
    assert_eq!((limits.quiet_from.to_string().as_str(), limits.promotions_a_week), ("20:30:00", 1));
    assert_eq!((program.messages.tasks[0].kind, program.messages.tasks[0].to_days), (TaskKind::BirthdayCall, 7));
    assert_eq!(check(&files_of(&program)).expect("written files").0, program);
}

#[test]
fn fields_hold_only_what_fits_their_type() {
    for (fields, containing) in [
        ("{ number1 = \"store_name\" }", "store_name doesn't fit into number1"),
        ("{ character_string1 = \"store_name\" }", "doesn't fit"),
        ("{ amount1 = \"store_name\" }", "doesn't fit"),
        ("{ time1 = \"points\" }", "points doesn't fit into time1"),
        ("{ name1 = \"points\" }", "doesn't fit"),
        ("{ phrase1 = \"store_name\" }", "at most 5 Chinese"),
        ("{ letter1 = \"points\" }", "doesn't fit"),
        ("{ phone_number1 = \"points\" }", "doesn't fit"),
        ("{ thing = \"points\" }", "has no number"),
        ("{ things1 = \"points\" }", "no known type"),
        ("{ thing1 = \"member_no\" }", "member_no is unknown: a points_earned message has points"),
        ("{ thing1 = 7 }", "in quotes"),
        ("{}", "1 to 5"),
        (
            "{ thing1 = \"points\", thing2 = \"points\", thing3 = \"points\", thing4 = \"points\", thing5 = \"points\", thing6 = \"points\" }",
            "has 6",
        ),
    ] {
        expect_one(&wechat(fields), "messages.toml:28 message.wechat:", containing);
    }
    assert!(check(&wechat("{ number1 = \"points\", thing2 = \"store_name\", name3 = \"store_name\", amount4 = \"balance\" }")).is_ok());
    let tier = |name: &str| {
        let wechat = "wechat = { template = \"T\", fields = { phrase1 = \"tier_name\" } }";
        let mut files = spoiled("messages.toml", "体验。\"\n", &format!("体验。\"\n{wechat}\n"));
        files.insert("tiers.toml".to_owned(), files["tiers.toml"].replace("银卡会员", name));
        files
    };
    assert!(check(&tier("银卡会员")).is_ok());
    expect_one(&tier("尊贵银卡会员"), "messages.toml:34 message.wechat:", "尊贵银卡会员 doesn't fit into phrase1");
}

#[test]
fn every_other_slip_is_found_in_its_line() {
    for (lines, expected, containing) in [
        ("channels = [\"wechat\", \"sms\"]", "messages.toml:28 message.channels:", "wechat = { template"),
        ("channels = [\"fax\"]", "messages.toml:28 message.channels:", "\"sms\", \"wechat\""),
        ("channels = [\"sms\", \"sms\"]", "messages.toml:28 message.channels:", "twice"),
        ("wechat = { template = \"T\" }", "messages.toml:28 message.wechat:", "no fields"),
        ("app = { template = \"T\", fields = { thing1 = \"points\" } }", "messages.toml:28 message.app:", "fields is unknown"),
        ("email = { template = \"T\", text = \"{{ code }}\" }", "messages.toml:28 message.email:", "{{ code }} is unknown"),
        ("email = \"T\"", "messages.toml:28 message.email:", "must be { template"),
        ("valid_minutes = 10", "messages.toml:28 message.valid_minutes:", "beside valid_hours"),
    ] {
        expect_one(&points_with(lines), expected, containing);
    }
    for (from, to, expected, containing) in [
        ("\"21:00\"", "\"9 pm\"", "messages.toml:9 limits.quiet_from:", "21:00"),
        ("promotions_a_week = 2", "promotions_a_week = 22", "messages.toml:11 limits.promotions_a_week:", "0 to 21"),
        ("promotions_a_week = 2", "per_day = 2", "messages.toml:11 limits.per_day:", "unknown key"),
        ("class = \"verify\"", "class = \"service\"", "messages.toml:39 message.class:", "must be \"verify\""),
        ("valid_minutes = 10", "valid_minutes = 0", "messages.toml:43 message.valid_minutes:", "1 to 1440"),
        ("参加。拒收请回复R", "参加。", "messages.toml:129 message.text:", "must end with \"拒收请回复R\""),
        (". Reply R to opt out", ".", "messages.toml:130 message.text_en:", "must end with"),
        ("text_en = \"You earned {{ points }}", "text_en = \"You earned {{ pts }}", "messages.toml:26 message.text_en:", "{{ pts }}"),
    ] {
        expect_one(&spoiled("messages.toml", from, to), expected, containing);
    }
    let task = |task: &str| {
        let mut files = points();
        files.get_mut("messages.toml").expect("file").extend(["[[task]]\n", task, "\n"]);
        files
    };
    let lines = points()["messages.toml"].lines().count();
    let at = |line: usize, key: &str| format!("messages.toml:{} task.{key}:", lines + line);
    expect_one(&task("kind = \"repair_call\"\nfrom_days = 3\nto_days = 2"), &at(4, "to_days"), "before the first day");
    expect_one(&task("kind = \"wash\"\nfrom_days = 3\nto_days = 4"), &at(2, "kind"), "\"repair_call\"");
    expect_one(&task("kind = \"repair_call\"\nfrom_days = 3\nto_days = 4\ntiers = [\"tin\"]"), &at(5, "tiers"), "tin is not in tiers.toml");
}

#[test]
fn a_kind_of_a_later_release_may_be_missing_and_is_named() {
    let mut files = points();
    let content = files.get_mut("messages.toml").expect("file");
    let birthday = content.find("[[message]]\nkind = \"birthday\"").expect("the last kind");
    content.truncate(birthday);
    assert!(check(&files).is_ok());
    expect_one(&files, "warning messages.toml:0 message:", "\"birthday\": members hear nothing of it");
}
