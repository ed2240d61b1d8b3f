//! Applying: once, again, from several sides, wrongly.

use futures_util::future::join_all;
use jifen_contracts::{
    code,
    endpoint::{ProgramCheck, ProgramFiles, ProgramGet, ProgramGetRequest, ProgramList, ProgramsRequest},
};

use crate::support::{Bench, named, preset};

#[tokio::test]
async fn an_applied_program_is_the_next_version_and_a_repeat_is_not() {
    let bench = Bench::start().await;
    let copy = bench.copy().await;
    let files = preset("flat");
    let applied = bench.apply("op-1", "2026-10-01", files.clone()).await.expect("applied");
    assert_eq!((applied.version, applied.unchanged, applied.findings.len()), (2, false, 0));
    // The same operation gets the same answer; another operation with the same rules and day changes nothing.
    assert_eq!(bench.apply("op-1", "2026-10-01", files.clone()).await.expect("repeated"), applied);
    let again = bench.apply("op-2", "2026-10-01", files.clone()).await.expect("again");
    assert_eq!((again.version, again.unchanged), (2, true));
    // The same operation with other content is an error.
    let conflict = bench.apply("op-1", "2026-10-02", files.clone()).await.expect_err("conflict");
    assert_eq!(conflict.code, code::OPERATION_CONFLICT.code);
    // The same rules from a later day are a version of their own.
    assert_eq!(bench.apply("op-3", "2026-11-01", files).await.expect("later").version, 3);
    let announced: Vec<u32> = bench.announced().await.into_iter().map(|event| event.data.0.version).collect();
    assert_eq!((announced, bench.numbers().await), (vec![1, 2, 3], vec![1, 2, 3]));
    let second = bench.ask::<ProgramGet>(ProgramGetRequest { version: Some(2) }).await.expect("version 2");
    assert_eq!((second.version, second.program.name.as_str()), (2, "售后积分（统一费率）"));
    let page = bench.ask::<ProgramList>(ProgramsRequest { after: 2 }).await.expect("page");
    assert_eq!(page.versions.iter().map(|applied| applied.version).collect::<Vec<_>>(), [3]);
    let unknown = bench.ask::<ProgramGet>(ProgramGetRequest { version: Some(9) }).await.expect_err("unknown");
    assert_eq!(unknown.code, code::PROGRAM_UNKNOWN_VERSION.code);
    assert!(copy.stop().await);
}

#[tokio::test]
async fn the_version_in_force_is_the_one_that_began_last() {
    let bench = Bench::start().await;
    let copy = bench.copy().await;
    let in_force = || async { bench.ask::<ProgramGet>(ProgramGetRequest { version: None }).await.expect("in force").version };
    assert_eq!(in_force().await, 1);
    bench.apply("past", "2020-01-01", named("past")).await.expect("past");
    assert_eq!(in_force().await, 2);
    bench.apply("same day", "2020-01-01", named("same day")).await.expect("same day");
    assert_eq!(in_force().await, 3);
    bench.apply("future", "2099-01-01", named("future")).await.expect("future");
    assert_eq!(in_force().await, 3);
    assert!(copy.stop().await);
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_every_finding_and_leaves_nothing() {
    let bench = Bench::start().await;
    let copy = bench.copy().await;
    let mut files = preset("points");
    files.insert("expiry.toml".to_owned(), "months = 1\nmode = \"end_of_month\"\nmin_days_after_posting = 30\nyears = 2\n".to_owned());
    let invalid = bench.apply("bad", "2026-10-01", files.clone()).await.expect_err("invalid");
    assert_eq!((invalid.code.as_str(), invalid.pointer.as_deref()), (code::PROGRAM_INVALID.code, Some("/files")));
    let lines: Vec<&str> = invalid.detail.lines().collect();
    assert!(lines[0].starts_with("expiry.toml:1 months: ") && lines[1].starts_with("expiry.toml:4 years: "), "{lines:?}");
    assert_eq!(lines.len(), 2);
    // A refusal is an answer: it is repeated.
    assert_eq!(bench.apply("bad", "2026-10-01", files.clone()).await.expect_err("repeated"), invalid);
    let checked = bench.ask::<ProgramCheck>(ProgramFiles { files }).await.expect("check");
    assert_eq!(checked.findings.len(), 2);
    assert_eq!(bench.ask::<ProgramCheck>(ProgramFiles { files: preset("demo") }).await.expect("check").findings, []);
    bench.apply("good", "2026-10-01", preset("flat")).await.expect("good");
    for (operation, from) in [("behind", "2026-09-30"), ("too early", "1999-12-31")] {
        let refused = bench.apply(operation, from, preset("demo")).await.expect_err(operation);
        assert_eq!((refused.code.as_str(), refused.pointer.as_deref()), (code::PROGRAM_RETROACTIVE.code, Some("/effective_from")));
    }
    assert_eq!((bench.numbers().await, bench.announced().await.len()), (vec![1, 2], 2));
    assert!(copy.stop().await);
}

#[tokio::test]
async fn applies_from_many_sides_to_two_copies_get_consecutive_versions() {
    let bench = Bench::start().await;
    let copies = tokio::join!(bench.copy(), bench.copy());
    let asked = (0..40).map(|i| {
        let (bench, name) = (&bench, format!("program {i}"));
        async move { bench.apply(&name, "2026-10-01", named(&name)).await.expect("applied").version }
    });
    let mut versions = join_all(asked).await;
    versions.sort_unstable();
    assert_eq!(versions, (2..=41).collect::<Vec<u32>>());
    let mut announced: Vec<u32> = bench.announced().await.into_iter().map(|event| event.data.0.version).collect();
    announced.sort_unstable();
    assert_eq!(announced, (1..=41).collect::<Vec<u32>>());
    assert!(copies.0.stop().await && copies.1.stop().await);
}

#[tokio::test]
async fn of_two_who_began_from_one_version_the_second_is_told() {
    let bench = Bench::start().await;
    let copies = tokio::join!(bench.copy(), bench.copy());
    let both = join_all(["one", "two"].map(|name| bench.apply_after(Some(1), name, "2026-10-01", named(name)))).await;
    let (applied, refused): (Vec<_>, Vec<_>) = both.into_iter().partition(Result::is_ok);
    assert_eq!(applied.len(), 1);
    let problem = refused.into_iter().find_map(Result::err).expect("one is refused");
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), (code::PROGRAM_CHANGED.code, Some("/after")));
    assert!(problem.detail.contains("version 2 is the newest"), "{}", problem.detail);
    assert_eq!(bench.apply_after(Some(2), "again", "2026-10-01", named("three")).await.expect("from the newest").version, 3);
    assert!(copies.0.stop().await && copies.1.stop().await);
}

#[tokio::test]
async fn a_refusal_that_quotes_a_nul_is_an_answer_too() {
    let bench = Bench::start().await;
    let copy = bench.copy().await;
    let mut files = preset("points");
    files.insert("a\0b.toml".to_owned(), String::new());
    let invalid = bench.apply("nul", "2026-10-01", files.clone()).await.expect_err("unknown file");
    assert_eq!(invalid.code, code::PROGRAM_INVALID.code);
    assert_eq!(bench.apply("nul", "2026-10-01", files).await.expect_err("repeated"), invalid);
    assert!(copy.stop().await);
}
