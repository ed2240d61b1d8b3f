//! What staff do: adjustments alone and with a second person, frozen accounts.

use futures_util::future::join_all;
use jifen_contracts::{
    Problem, code,
    endpoint::{
        AccountFreeze, AccountUnfreeze, AdjustmentApprove, AdjustmentCreate, AdjustmentCreateRequest, AdjustmentDecisionRequest,
        AdjustmentList, AdjustmentReject, AdjustmentReply, AdjustmentState, AdjustmentsRequest, FreezeReply, FreezeRequest, HoldCapture,
        HoldCaptureRequest, HoldCreate, HoldCreateRequest, HoldExtend, HoldExtendRequest, HoldRelease, HoldReleaseRequest, QuoteGet,
        QuoteRequest, Staff,
    },
    event::{AccrualSettled, Adjusted, Frozen, Unfrozen},
};
use jifen_kernel::{Money, Points};
use jifen_runtime::ask;
use uuid::Uuid;

use crate::support::{Bench, grant};

type Nats = async_nats::Client;

fn staff(staff_id: &str, role: &str) -> Staff {
    Staff { staff_id: staff_id.to_owned(), role: role.to_owned() }
}

async fn adjust(nats: &Nats, operation: &str, points: i64, by: Staff) -> Result<AdjustmentReply, Problem> {
    let request = AdjustmentCreateRequest {
        operation_id: operation.to_owned(),
        store: "SH01".to_owned(),
        member_no: "M1".to_owned(),
        points: Points(points),
        reason: "correction".to_owned(),
        note: Some("two hours of waiting".to_owned()),
        by,
    };
    ask::<AdjustmentCreate>(nats, &request).await
}

fn decision(operation: &str, adjustment_id: Uuid, by: Staff) -> AdjustmentDecisionRequest {
    AdjustmentDecisionRequest { operation_id: operation.to_owned(), adjustment_id, by }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Problem>) -> String {
    answer.expect_err("refused").code
}

async fn with_points(points: i64) -> (Bench, jifen_runtime::Running, Nats) {
    let bench = Bench::start().await;
    let copy = bench.copy().await;
    bench.publish(&[grant("p1", 1, points)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(1).await;
    let nats = bench.env.nats("local").await;
    (bench, copy, nats)
}

#[tokio::test(flavor = "multi_thread")]
async fn so_much_alone_and_above_that_with_a_second_person() {
    let (bench, copy, nats) = with_points(1_000).await;
    let given = adjust(&nats, "a", 500, staff("S001", "store_manager")).await.expect("posted");
    assert_eq!((given.state, bench.account("M1").await.active.0), (AdjustmentState::Posted, 1_500));
    assert_eq!(bench.account("M1").await.lifetime.0, 1_000, "an adjustment never changes it");
    let taken = adjust(&nats, "b", -1_200, staff("S001", "store_manager")).await.expect("waits");
    assert_eq!((taken.state, bench.account("M1").await.active.0), (AdjustmentState::Waiting, 1_500));
    assert_eq!(refused(adjust(&nats, "c", 10_001, staff("S001", "store_manager")).await), code::ADJUSTMENT_OVER_LIMIT.code);
    assert_eq!(refused(adjust(&nats, "d", 1, staff("S001", "cashier")).await), code::ADJUSTMENT_UNKNOWN_ROLE.code);
    assert_eq!(refused(adjust(&nats, "e", 0, staff("S001", "store_manager")).await), code::POINTS_BAD_AMOUNT.code);
    assert_eq!(refused(adjust(&nats, "f", 1, staff(" ", "store_manager")).await), code::POINTS_BAD_TEXT.code);
    let id = taken.adjustment_id;
    let approve = |operation: &'static str, by| {
        let nats = nats.clone();
        async move { ask::<AdjustmentApprove>(&nats, &decision(operation, id, by)).await }
    };
    assert_eq!(refused(approve("g", staff("s001", "group_manager")).await), code::ADJUSTMENT_OWN.code);
    assert_eq!(refused(approve("h", staff("S002", "store_manager")).await), code::ADJUSTMENT_OVER_LIMIT.code);
    assert_eq!(
        refused(ask::<AdjustmentApprove>(&nats, &decision("i", Uuid::nil(), staff("S002", "group_manager"))).await),
        code::ADJUSTMENT_UNKNOWN.code
    );
    let waiting = AdjustmentsRequest { state: Some(AdjustmentState::Waiting), ..AdjustmentsRequest::default() };
    let listed = ask::<AdjustmentList>(&nats, &waiting).await.expect("a list").adjustments;
    assert_eq!(listed, [taken]);
    // Many decide at once, some for it and some against: one does.
    let decisions = join_all((0..64).map(|number| {
        let nats = nats.clone();
        async move {
            let request = decision(&format!("many-{number}"), id, staff(&format!("B{number}"), "group_manager"));
            if number % 2 == 0 { ask::<AdjustmentApprove>(&nats, &request).await } else { ask::<AdjustmentReject>(&nats, &request).await }
        }
    }))
    .await;
    let done: Vec<&AdjustmentReply> = decisions.iter().flatten().collect();
    assert_eq!(done.len(), 1);
    assert!(decisions.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem.code == code::ADJUSTMENT_RESOLVED.code));
    let left = if done[0].state == AdjustmentState::Posted { 300 } else { 1_500 };
    assert_eq!(bench.account("M1").await.active.0, left);
    let mine = AdjustmentsRequest { member_no: Some("M1".to_owned()), limit: Some(1), ..AdjustmentsRequest::default() };
    let newest = ask::<AdjustmentList>(&nats, &mine).await.expect("a list").adjustments;
    assert_eq!(newest, [done[0].clone()]);
    let older = AdjustmentsRequest { before: Some(id), ..mine };
    assert_eq!(ask::<AdjustmentList>(&nats, &older).await.expect("a list").adjustments, [given]);
    bench.assert_sound().await;
    bench.explain_all("M1").await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_take_from_one_balance_and_none_goes_below_zero() {
    let (bench, copy, nats) = with_points(1_000).await;
    let second = bench.copy().await;
    let answers = join_all((0..64).map(|number| {
        let nats = nats.clone();
        async move { adjust(&nats, &format!("take-{number}"), -300, staff("S001", "store_manager")).await }
    }))
    .await;
    assert_eq!(answers.iter().flatten().count(), 3);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem.code == code::POINTS_INSUFFICIENT.code));
    assert_eq!(bench.account("M1").await.active.0, 100);
    let adjusted: Vec<Adjusted> = bench.published(3).await;
    assert!(adjusted.iter().all(|event| event.points == Points(-300) && event.reason.as_str() == "correction"));
    bench.assert_sound().await;
    for copy in [copy, second] {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_account_earns_and_gets_back_but_gives_nothing() {
    let (bench, copy, nats) = with_points(1_000).await;
    let hold = HoldCreateRequest {
        operation_id: "hold-1".to_owned(),
        store: "SH01".to_owned(),
        member_no: "M1".to_owned(),
        points: Points(400),
        expires_in_s: None,
    };
    let hold_id = ask::<HoldCreate>(&nats, &hold).await.expect("held").hold_id;
    let freeze = |operation: &str| FreezeRequest {
        operation_id: operation.to_owned(),
        member_no: "M1".to_owned(),
        reason: "many bills in a day".to_owned(),
        by: staff("S001", "store_manager"),
    };
    let answers: Vec<Result<FreezeReply, Problem>> = join_all(["f-1", "f-2", "f-3"].map(|operation| {
        let (nats, request) = (nats.clone(), freeze(operation));
        async move { ask::<AccountFreeze>(&nats, &request).await }
    }))
    .await;
    assert_eq!(answers.iter().flatten().filter(|reply| reply.frozen).count(), 1);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem.code == code::POINTS_FROZEN.code));
    assert!(bench.account("M1").await.frozen);

    let frozen = code::POINTS_FROZEN.code;
    assert_eq!(refused(ask::<HoldCreate>(&nats, &HoldCreateRequest { operation_id: "hold-2".to_owned(), ..hold.clone() }).await), frozen);
    let capture = HoldCaptureRequest { operation_id: "c-1".to_owned(), store: None, hold_id, points: None, document: None };
    assert_eq!(refused(ask::<HoldCapture>(&nats, &capture).await), frozen);
    let extend = HoldExtendRequest { operation_id: "x-1".to_owned(), store: None, hold_id, expires_in_s: None };
    assert_eq!(refused(ask::<HoldExtend>(&nats, &extend).await), frozen);
    let bill = Money::try_new("5").expect("money");
    let quote = QuoteRequest { store: None, bill, member_no: Some("M1".to_owned()), points: None, offset: None };
    assert_eq!(refused(ask::<QuoteGet>(&nats, &quote).await), frozen);
    assert_eq!(refused(adjust(&nats, "a-1", -1, staff("S001", "store_manager")).await), frozen);
    // It earns, is given, and gets back.
    adjust(&nats, "a-2", 50, staff("S001", "store_manager")).await.expect("given");
    bench.publish(&[grant("p2", 1, 7)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(2).await;
    let back = ask::<HoldRelease>(&nats, &HoldReleaseRequest { operation_id: "r-1".to_owned(), store: None, hold_id }).await.expect("back");
    assert_eq!((back.active.0, back.reserved.0), (1_057, 0));

    let unfrozen = ask::<AccountUnfreeze>(&nats, &freeze("u-1")).await.expect("unfrozen");
    assert!(!unfrozen.frozen && !bench.account("M1").await.frozen);
    assert_eq!(refused(ask::<AccountUnfreeze>(&nats, &freeze("u-2")).await), code::POINTS_NOT_FROZEN.code);
    ask::<HoldCreate>(&nats, &HoldCreateRequest { operation_id: "hold-3".to_owned(), ..hold }).await.expect("held again");
    let (frozen, unfrozen): (Vec<Frozen>, Vec<Unfrozen>) = tokio::join!(bench.published(1), bench.published(1));
    assert_eq!((frozen[0].member_no.as_str(), unfrozen[0].member_id), ("M1", frozen[0].member_id));
    bench.assert_sound().await;
    assert!(copy.stop().await);
}
