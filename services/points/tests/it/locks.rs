//! Accounts are locked once in a transaction, in the order of their members: whatever two batches touch, none waits for the other while
//! that one waits for it.

use jifen_contracts::{
    endpoint::{HoldCaptureRequest, HoldCreateRequest},
    event::{InvoiceAccepted, InvoiceVoided},
};
use jifen_kernel::Points;
use jifen_points::{BonusGrantedHandler, CaptureHold, CreateHold, InvoiceAcceptedHandler, InvoiceVoidedHandler};
use jifen_runtime::{Job, job::run_once};
use jifen_testkit::{DEADLINE, eventually};
use uuid::Uuid;

use crate::{
    batches::Ledger,
    support::{grant, invoice, member, program, store},
};

fn void(of: &InvoiceAccepted, number: &str) -> InvoiceVoided {
    InvoiceVoided {
        store: store(),
        void_no: number.to_owned(),
        invoice_no: of.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        voided_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: of.program_version,
        replaced: false,
    }
}

/// Runs a batch that needs members 3 and 5 while somebody holds 3: it waits for that one without holding 5.
async fn locks_both_at_once(ledger: &Ledger, batch: &impl Job) {
    let pool = ledger.bench.env.admin_pool();
    let lock = "select member_id from points.account where member_id = $1 for update";
    let mut other = pool.begin().await.expect("begin");
    sqlx::query(lock).bind(member(3).0).execute(&mut *other).await.expect("locked");
    let meanwhile = async {
        eventually(DEADLINE, || async {
            let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
                           and query like '%from account where member_id%'";
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.expect("waiting");
            (waiting == 1).then_some(())
        })
        .await;
        let sql = format!("{lock} nowait");
        let free = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(member(5).0).execute(&mut *other).await;
        other.rollback().await.expect("let go");
        free
    };
    let (done, free) = tokio::join!(Box::pin(run_once(ledger.cx(), batch)), meanwhile);
    done.expect("done");
    free.expect("who waits for the first of two accounts holds none");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_earned_and_who_spent_are_locked_at_once() {
    let ledger = Ledger::start("2026-10-09T02:20:00Z".parse().expect("instant"), &[program(1)]).await;
    let (earned, spent) = (invoice("R5", 5, "repair", "100.00"), invoice("R3", 3, "repair", "100.00"));
    ledger.handle(InvoiceAcceptedHandler, std::slice::from_ref(&earned)).await;
    ledger.handle(BonusGrantedHandler, &[grant("p", 3, 1_000)]).await;
    // Member 3 pays a bill that isn't posted, which is voided together with the one that member 5 earned from.
    let hold = HoldCreateRequest {
        operation_id: "H".to_owned(),
        store: "SH01".to_owned(),
        member_no: "M3".to_owned(),
        points: Points(400),
        expires_in_s: None,
    };
    let hold_id: Uuid = ledger.ask(CreateHold, vec![hold]).await.1[0].hold_id;
    let capture =
        HoldCaptureRequest { operation_id: "C".to_owned(), store: None, hold_id, points: None, document: Some(spent.invoice_no.clone()) };
    ledger.ask(CaptureHold, vec![capture]).await;
    let voids = [void(&earned, "V5"), void(&spent, "V3")];
    locks_both_at_once(&ledger, &Ledger::batch(InvoiceVoidedHandler, &voids)).await;
    let active = ledger.bench.number("select sum(active)::bigint FROM account where member_no in ('M3', 'M5')").await;
    assert_eq!(active, 1_000, "what was earned is gone, what was spent is back");
    assert_eq!(ledger.bench.number("select count(*) FROM hold where returned_at is not null").await, 1);
    ledger.close().await;
}
