//! `redemption.toml` and `adjustments.toml`.

use jifen_kernel::Points;

use super::{check, expect_one, points, with};

#[test]
fn redemption_is_usual_but_for_what_is_said() {
    let (program, _) = check(&points()).expect("program");
    assert!(program.redemption.is_default());
    let (program, _) = check(&with("redemption.toml", "points_per_yuan = 50\nmax_share_percent = 30\n")).expect("program");
    let rules = &program.redemption;
    assert_eq!((rules.points_per_yuan, rules.max_share_percent, rules.step, rules.hold_s), (50, 30, 100, 600));
    for (content, expected, why) in [
        ("step = 0", "redemption.toml:1 step:", "from 1 to"),
        ("step = 10\npoints_per_yuan = 3000", "redemption.toml:1 step:", "not worth whole fen"),
        ("hold_s = 700\nhold_longest_s = 600", "redemption.toml:1 hold_s:", "more than hold_longest_s"),
        ("share = 3", "redemption.toml:1 share:", "unknown key"),
    ] {
        expect_one(&with("redemption.toml", content), expected, why);
    }
}

#[test]
fn who_may_adjust_how_much_is_read_or_refused() {
    const ROLE: &str = "[[role]]\ncode = \"boss\"\nname = { zh = \"店长\", en = \"Boss\" }\nalone = 50\n";
    let (program, _) = check(&points()).expect("program");
    assert!(program.adjustments.is_default());
    let whole = format!("{ROLE}with_approval = 100\napproves = 20\n");
    let (program, _) = check(&with("adjustments.toml", &whole)).expect("program");
    let rules = &program.adjustments;
    assert_eq!((rules.role("boss").map(|role| role.approves), rules.role("advisor")), (Some(Points(20)), None));
    assert!(rules.reason("goodwill").is_some(), "reasons are as usual");
    for (content, expected, why) in [
        (format!("{ROLE}approves = 5\n"), "adjustments.toml:2 role.with_approval:", "is missing"),
        (format!("{ROLE}with_approval = 49\napproves = 0"), "adjustments.toml:5 role.with_approval:", "below alone"),
        (format!("{whole}{whole}"), "adjustments.toml:8 role.code:", "stands there twice"),
        ("[[reason]]\ncode = \"A\"\nname = { zh = \"a\", en = \"a\" }".to_owned(), "adjustments.toml:2 reason.code:", ""),
    ] {
        expect_one(&with("adjustments.toml", &content), expected, why);
    }
}
