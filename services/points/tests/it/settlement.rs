//! Settlement: every entry counts once, in an open month; a closed one stays as it was.

use chrono::NaiveDate;
use jifen_kernel::Points;
use jifen_points::{
    Closing, Sealer, Summing,
    settlement::{Month, load},
};
use jifen_runtime::{Running, daily::run_due, job::run_once};
use jifen_testkit::{DEADLINE, eventually};
use uuid::Uuid;

use crate::{seals::Sealing, support::invoice};

fn month(text: &str) -> NaiveDate {
    format!("{text}-01").parse().expect("month")
}

/// Moves points of a member's first lot, as the till and the end of a lot do; only the sums are asked for here, not the hashes.
async fn moved(sealing: &Sealing, member: u128, kind: &str, from: &str, to: &str, points: i64) {
    let sql = "with e as (
                   insert into points.entry (member_id, sequence, entry_id, debit, credit, points, kind, store, document, category, rule, ordinal,
                                             qualifying, pending, lot_id, expires_on, posted_at, hash)
                   select a.member_id, a.sequence + 1, gen_random_uuid(), $3, $4, $5, $2, 'SH02', 'T1', '', $2, (a.sequence + 1)::int, false, false,
                          l.lot_id, l.expires_on, $6, sha256('x')
                   from points.account a cross join lateral (select * from points.lot l where l.member_id = a.member_id order by lot_id limit 1) l
                   where a.member_id = $1 returning member_id, sequence, hash)
               update points.account a set sequence = e.sequence, head = e.hash from e where a.member_id = e.member_id";
    let query = sqlx::query(sql).bind(Uuid::from_u128(member)).bind(kind).bind(from).bind(to).bind(points).bind(sealing.now());
    assert_eq!(query.execute(sealing.bench.env.admin_pool()).await.expect("moved").rows_affected(), 1);
}

async fn seal_and_sum(sealing: &Sealing, copy: &Running) {
    sealing.minute(copy).await;
    run_once(copy.cx(), &Sealer).await.expect("sealed");
    run_once(copy.cx(), &Summing).await.expect("summed");
}

async fn settled(sealing: &Sealing, at: &str) -> Month {
    // As the role that only reads.
    let mut auditor = <sqlx::PgConnection as sqlx::Connection>::connect(&sealing.bench.env.database_url("auditor")).await.expect("auditor");
    load(&mut auditor, month(at)).await.expect("settled")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_month_stays_and_what_is_late_goes_to_the_next_with_a_reference() {
    let sealing = Sealing::start().await;
    let copies = [sealing.copy("a").await, sealing.copy("a").await, sealing.copy("a").await];
    let bench = &sealing.bench;
    let bill = |number: &str, member| invoice(number, member, "repair", "1000.00");
    bench.publish(&(1..=5).map(|member| bill(&format!("R{member}"), member)).collect::<Vec<_>>(), 1).await;
    bench.settled().await;
    seal_and_sum(&sealing, &copies[0]).await;
    moved(&sealing, 1, "hold", "active", "reserved", 400).await;
    moved(&sealing, 1, "capture", "reserved", "redeemed:SH02", 300).await;
    moved(&sealing, 2, "expiry", "active", "expired", 100).await;
    seal_and_sum(&sealing, &copies[1]).await;
    let open = settled(&sealing, "2026-10").await;
    assert!(open.closed.is_none() && open.late.is_empty());
    let pair = &open.settled.pairs[&("SH01".to_owned(), "SH02".to_owned())];
    assert_eq!((pair.spent, pair.due, pair.amount.to_string().as_str()), (Points(300), Points(300), "3.00"));
    let own = &open.settled.stores["SH01"];
    assert_eq!(
        (own.issued, own.breakage, own.liability, own.liability_amount.to_string().as_str()),
        (Points(5_500), Points(100), Points(5_100), "51.00")
    );
    assert_eq!(bench.number("select sum(entries)::bigint - (select count(*) from points.entry) FROM settlement_flow").await, 0);
    // Posted in October, visible only when October is closed.
    moved(&sealing, 2, "expiry", "active", "expired", 7).await;
    let november = "2026-11-04T15:59:00Z".parse().expect("instant");
    sealing.set(november);
    run_due(copies[0].cx(), &Closing).await.expect("looked");
    assert_eq!(bench.number("select count(*) FROM settlement_month").await, 0, "not before its day");
    // One of October's invoices comes in November.
    bench.publish(&[bill("R9", 3)], 1).await;
    bench.settled().await;
    sealing.set("2026-11-04T16:00:00Z".parse().expect("instant"));
    // Every copy closes, and one does.
    close(&sealing, &copies, 1).await;
    let closed = settled(&sealing, "2026-10").await;
    assert!(closed.closed.is_some());
    assert_eq!(closed.settled, open.settled);
    moved(&sealing, 4, "capture", "active", "redeemed:SH02", 50).await;
    seal_and_sum(&sealing, &copies[2]).await;
    seal_and_sum(&sealing, &copies[2]).await;
    assert_eq!(settled(&sealing, "2026-10").await.settled, open.settled, "a closed month never changes");
    let next = settled(&sealing, "2026-11").await;
    assert_eq!((next.settled.stores["SH01"].breakage, next.settled.stores["SH01"].issued), (Points(7), Points(1_000)));
    assert_eq!(next.settled.pairs[&("SH01".to_owned(), "SH02".to_owned())].due, Points(50));
    assert_eq!(next.settled.stores["SH01"].liability, Points(5_100 - 7 + 1_000 - 50));
    let late: Vec<_> = next.late.iter().map(|late| (late.document.as_str(), late.business_month, late.points)).collect();
    assert_eq!(late, [("R9", month("2026-10"), Points(1_000))]);
    assert_eq!(bench.number("select sum(entries)::bigint - (select count(*) from points.entry) FROM settlement_flow").await, 0);
    // The service itself may not change what is closed.
    let pool = bench.env.pool("points");
    for sql in ["update settlement_closed set points = 1", "delete from settlement_month", "delete from settlement_closed"] {
        assert!(sqlx::query(sql).execute(&pool).await.is_err(), "{sql}");
    }
    // Months of downtime are closed in their order.
    sealing.set("2027-03-20T00:00:00Z".parse().expect("instant"));
    close(&sealing, &copies, 5).await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// All copies at once; who finds that another is at it, or that something isn't summed yet, comes again.
async fn close(sealing: &Sealing, copies: &[Running; 3], months: i64) {
    eventually(DEADLINE, || async {
        let [a, b, c] = copies;
        let looks =
            tokio::join!(Box::pin(run_due(a.cx(), &Closing)), Box::pin(run_due(b.cx(), &Closing)), Box::pin(run_due(c.cx(), &Closing)));
        let summed = Box::pin(run_once(a.cx(), &Summing)).await;
        let fine = looks.0.is_ok() && looks.1.is_ok() && looks.2.is_ok() && summed.is_ok();
        (fine && sealing.bench.number("select count(*) FROM settlement_month").await == months).then_some(())
    })
    .await;
}
