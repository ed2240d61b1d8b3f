//! Reopened bills that have to wait themselves.

use jifen_contracts::event::MemberRegistered;
use jifen_ingest::{Documents, MemberNews};
use serde_json::json;

use crate::{
    corrections::{Till, register, replacing, void, voided},
    support::{Bench, VIN, at, bill, handle, message, phone},
};

/// The counter's trick: a bill is issued again to a phone that nobody has, and the points of the old one stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_bill_that_waits_ends_the_old_one_whatever_becomes_of_it() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    for number in [1, 2, 3, 5, 7] {
        register(&bench, &ingest, number).await;
    }
    let owner = message("evt.member.registered.v1.SH01", 20, bench.event_of(&bench.with_vin(bench.registration(20), VIN, "2026-01-01")));
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![owner]).await;
    // Of a customer whom nobody knows: behind the old one, ahead of it, in one batch with it, and of a person's choice.
    till.send("invoice", &bill(1)).await;
    let waiting = till.raw("invoice", &replacing(11, "R00001"));
    handle(&ingest, Documents, vec![waiting.clone()]).await;
    till.send("invoice", &replacing(12, "R00002")).await;
    till.send("invoice", &bill(2)).await;
    let both = vec![till.raw("invoice", &replacing(13, "R00003")), till.raw("invoice", &bill(3))];
    handle(&ingest, Documents, both).await;
    till.send("invoice", &bill(5)).await;
    let mut disagreeing = replacing(15, "R00005");
    disagreeing["customer"] = json!({ "phone": phone(1), "vin": VIN });
    till.send("invoice", &disagreeing).await;
    // In a chain whose middle one waits, too.
    till.send("invoice", &bill(7)).await;
    till.send("invoice", &replacing(17, "R00007")).await;
    till.send("invoice", &replacing(18, "R00017")).await;
    let expected = ["R00001 by R00011", "R00002 by R00012", "R00003 by R00013", "R00005 by R00015", "R00007 by R00017"].map(str::to_owned);
    assert_eq!(voided(&bench, 5).await, expected);
    // Again, by the broker and by the store; and a void of what waits, which waits as well.
    handle(&ingest, Documents, vec![waiting]).await;
    till.send("invoice", &replacing(11, "R00001")).await;
    till.send("void", &void("V11", "R00011")).await;
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%invoice_voided%'").await, 5);
    // R00011 is claimed and voided, R00012 lapses, R00017 is claimed: the old ones stay as they are.
    register(&bench, &ingest, 11).await;
    let mut late = bench.registration(12);
    late.registered_at = at("2026-12-30T16:00:00Z");
    let event = message("evt.member.registered.v1.SH01", 12, bench.event_of(&late));
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![event]).await;
    register(&bench, &ingest, 17).await;
    let all = voided(&bench, 7).await;
    assert!(all.contains(&"R00011 by V11 (a void)".to_owned()) && all.contains(&"R00017 by R00018".to_owned()), "{all:?}");
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%invoice_voided%'").await, 7);
    assert_eq!((bench.documents("lapsed").await, bench.number("select count(*) FROM waiting_correction").await), (1, 0));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

/// A replacement that was refused has not come; handed in again and parked then, it ends the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_bill_that_was_refused_ends_the_old_one_when_it_is_mended() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    register(&bench, &ingest, 1).await;
    till.send("invoice", &bill(1)).await;
    let mut wrong = replacing(11, "R00001");
    wrong["lines"][0]["category"] = json!("valet_parking");
    till.send("invoice", &wrong).await;
    assert_eq!(bench.told(1, 1).await, ["R00011 rejected document.unknown_category"]);
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%invoice_voided%'").await, 0);
    till.send("invoice", &replacing(11, "R00001")).await;
    assert_eq!(bench.told(2, 1).await, ["R00011 parked document.parked"]);
    assert_eq!(voided(&bench, 1).await, ["R00001 by R00011".to_owned()]);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
