//! Requests: mutating ones count once for ever, and nothing that is asked ends the service.

use futures_util::future::join_all;
use jifen_contracts::{Problem, code, endpoint::Endpoint};
use jifen_runtime::ask;
use serde_json::json;

use crate::{
    bench::{Bench, ask_raw},
    probe::{Give, GiveRequest, Given, Look, LookRequest, POINTS},
    trouble::Trouble::{Defect, Panic, Retry, Transient},
};

fn give(operation: &str, key: &str) -> GiveRequest {
    GiveRequest { operation_id: operation.to_owned(), key: key.to_owned(), store: None, refuse: None }
}

fn given(key: &str, times: i64) -> Given {
    Given { key: key.to_owned(), times, store: None }
}

fn code_of<T: std::fmt::Debug>(answer: Result<T, Problem>) -> String {
    answer.expect_err("refused").code
}

impl Bench {
    async fn give(&self, request: &GiveRequest) -> Result<Given, Problem> {
        ask::<Give>(&self.operator, request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_has_one_effect_and_one_answer_whoever_asks_and_how_often() {
    let bench = Bench::start(POINTS).await;
    let copies = [bench.copy().await, bench.copy().await];
    let request = give("op", "k");
    let answers = join_all((0..32).map(|_| bench.give(&request))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(given("k", 1))), "{answers:?}");
    assert_eq!(bench.give(&request).await, Ok(given("k", 1)), "a later repeat");
    assert_eq!(code_of(bench.give(&give("op", "other")).await), code::OPERATION_CONFLICT.code);
    // Two contents at once: one of them is the operation, the other a conflict.
    let (one, other) = (give("race", "one"), give("race", "other"));
    let answers = join_all((0..32).map(|caller| bench.give(if caller % 2 == 0 { &one } else { &other }))).await;
    let conflicts = answers.iter().filter(|answer| answer.as_ref().is_err_and(|problem| problem.code == code::OPERATION_CONFLICT.code));
    assert_eq!(conflicts.count(), 16, "{answers:?}");
    // Different operations are different, also on one key and all at once.
    let many: Vec<GiveRequest> = (0..64).map(|number| give(&format!("many-{number}"), "many")).collect();
    let mut times: Vec<i64> =
        join_all(many.iter().map(|request| bench.give(request))).await.into_iter().map(|answer| answer.expect("given").times).collect();
    times.sort_unstable();
    assert_eq!(times, (1..=64).collect::<Vec<i64>>());
    bench.quiet().await;
    assert_eq!(bench.number("select sum(times)::bigint from tally").await, 1 + 1 + 64);
    assert_eq!(bench.done().await.len(), 66, "what was announced with them, too");
    for copy in copies {
        assert!(copy.stop().await);
    }
    let copy = bench.copy().await;
    assert_eq!(bench.give(&request).await, Ok(given("k", 1)), "for ever");
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_answer_and_trouble_is_none() {
    let bench = Bench::start(POINTS).await;
    let copy = bench.copy().await;
    let refused = GiveRequest { refuse: Some("for good".to_owned()), ..give("refused", "k") };
    let first = bench.give(&refused).await.expect_err("refused");
    assert_eq!((first.code.as_str(), first.pointer.as_deref()), (code::MEMBER_UNKNOWN.code, Some("/key")));
    assert_eq!(bench.give(&refused).await, Err(first), "repeated as it was");
    assert_eq!(bench.number("select count(*) from operation where refused").await, 1);

    // What time may cure is not remembered, whether the handler says so or fails.
    let later = GiveRequest { refuse: Some("later".to_owned()), ..give("later", "later") };
    bench.troubles.cause("later", Retry(1));
    assert_eq!(code_of(bench.give(&later).await), code::SERVICE_UNAVAILABLE.code);
    assert_eq!(bench.give(&later).await, Ok(given("later", 1)));
    bench.troubles.cause("world", Transient(1));
    assert_eq!(code_of(bench.give(&give("world", "world")).await), code::SERVICE_UNAVAILABLE.code);
    assert_eq!(bench.give(&give("world", "world")).await, Ok(given("world", 1)));

    // A request that can't be processed doesn't take those beside it along.
    bench.troubles.cause("defect", Defect);
    bench.troubles.cause("panic", Panic);
    let requests: Vec<GiveRequest> = (0..30).map(|number| give(&format!("k{number}"), &format!("k{number}"))).collect();
    let broken = [give("defect", "defect"), give("panic", "panic")];
    let answers = join_all(requests.iter().chain(&broken).map(|request| bench.give(request))).await;
    assert!(answers[..30].iter().all(|answer| answer.as_ref().is_ok_and(|given| given.times == 1)), "{answers:?}");
    assert!(
        answers[30..].iter().all(|answer| answer.as_ref().is_err_and(|problem| problem.code == code::SERVICE_INTERNAL.code)),
        "{answers:?}"
    );
    bench.troubles.mend("defect");
    bench.troubles.mend("panic");
    for request in &broken {
        assert_eq!(bench.give(request).await, Ok(given(&request.key, 1)));
    }
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let bench = Bench::start(POINTS).await;
    let copy = bench.copy().await;
    let long = "é".repeat(65);
    let wrong = [
        (b"{".to_vec(), code::REQUEST_MALFORMED, None),
        (b"[]".to_vec(), code::REQUEST_MALFORMED, None),
        (Vec::new(), code::REQUEST_MALFORMED, Some("/operation_id")),
        (br#"{"operation_id": "o"}"#.to_vec(), code::REQUEST_MALFORMED, Some("/key")),
        (br#"{"operation_id": "", "key": "k"}"#.to_vec(), code::REQUEST_MALFORMED, Some("/operation_id")),
        (br#"{"operation_id": "a\u0000b", "key": "k"}"#.to_vec(), code::REQUEST_MALFORMED, Some("/operation_id")),
        (json!({ "operation_id": long, "key": "k" }).to_string().into(), code::REQUEST_MALFORMED, Some("/operation_id")),
        (json!({ "operation_id": "o", "key": "k".repeat(256 * 1024) }).to_string().into(), code::REQUEST_TOO_LARGE, None),
    ];
    for (body, expected, pointer) in wrong {
        let text = String::from_utf8_lossy(&body).chars().take(60).collect::<String>();
        let problem = ask_raw(&bench.operator, Give::SUBJECT, body).await.expect_err(&text);
        assert_eq!(
            (problem.code.as_str(), problem.pointer.as_deref(), problem.status),
            (expected.code, pointer, expected.status),
            "{text}"
        );
        assert!(!problem.detail.contains("kkk"), "no value is quoted");
    }
    // A store's own subject means that store, and only what is for stores is served there.
    let store = bench.env.nats("SH01").await;
    let own = format!("{}.SH01", Give::SUBJECT);
    let request = |operation: &str, named: &str| json!({ "operation_id": operation, "key": "k", "store": named }).to_string().into_bytes();
    let problem = ask_raw(&store, &own, request("of another", "SH02")).await.expect_err("mismatch");
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), (code::REQUEST_STORE_MISMATCH.code, Some("/store")));
    let named = ask_raw(&store, &own, request("named", "SH01")).await.expect("named");
    let meant = ask_raw(&store, &own, json!({ "operation_id": "meant", "key": "k" }).to_string().into()).await.expect("meant");
    assert_eq!((&named["store"], &meant["store"]), (&json!("SH01"), &json!("SH01")));
    assert_eq!(
        code_of(ask_raw(&store, &format!("{}.SH01", Look::SUBJECT), br#"{"key": "k"}"#.to_vec()).await),
        code::SERVICE_UNAVAILABLE.code
    );
    assert_eq!(bench.number("select count(*) from operation").await, 2, "nothing refused left anything");

    bench.troubles.cause("panic", Panic);
    let look = |key: &str| LookRequest { key: key.to_owned() };
    assert_eq!(code_of(ask::<Look>(&bench.operator, &look("panic")).await), code::SERVICE_INTERNAL.code);
    assert_eq!(ask::<Look>(&bench.operator, &look("k")).await, Ok(given("k", 2)), "the service lives");
    assert!(copy.stop().await);
}
