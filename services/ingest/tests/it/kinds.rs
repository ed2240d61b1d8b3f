//! What is no invoice goes the same way: interactions, vehicle sales and partner purchases; sign-ups are not ours.

use jifen_contracts::{
    endpoint::{DocumentRequest, DocumentStatus},
    event::{DocumentRejected, InteractionRecorded, MemberRegistered, PartnerPurchaseRecorded, VehicleSold},
    receipt::Receipt,
};
use jifen_kernel::Money;
use jifen_runtime::{ask, crypto::LookupKind};
use serde_json::{Value, json};

use crate::support::{Bench, KINDS, VIN, at, day, document, member, phone};

fn of(number: u64) -> Value {
    json!({ "phone": phone(number) })
}

/// The document's amount, or what else it says, changed.
fn changed(kind: &str, mut document: Value) -> Value {
    match kind {
        "interaction" => document["about"] = json!("R2"),
        "vehicle_sale" => document["price"] = json!("1"),
        _ => document["amount"] = json!("1"),
    }
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_accepted_and_says_nothing_personal() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(7)]).await;
    bench.settled().await;
    for kind in KINDS {
        bench.publish_as(kind, &[document(kind, "D1", &of(7))]).await;
    }
    assert_eq!(bench.told(0, 3).await, ["D1 accepted"; 3]);

    let interaction = &bench.events::<InteractionRecorded>(1).await[0].data;
    assert_eq!((interaction.member_id, interaction.member_no.as_str(), interaction.interaction_no.as_str()), (member(7), "M7", "D1"));
    assert_eq!((interaction.kind.as_str(), interaction.about.as_deref(), interaction.awaiting_activation), ("review", Some("R1"), false));
    assert_eq!((interaction.occurred_at, interaction.business_date), (at("2026-10-01T02:21:33Z"), day("2026-10-01")));

    let purchase = &bench.events::<PartnerPurchaseRecorded>(1).await[0].data;
    assert_eq!((purchase.member_id, purchase.partner.as_str(), purchase.amount), (member(7), "fuel-1", Money::from_fen(30_000)));
    assert_eq!((purchase.purchase_no.as_str(), purchase.program_version, purchase.business_date), ("D1", 1, day("2026-10-01")));

    let sold = &bench.events::<VehicleSold>(1).await[0].data;
    assert_eq!((sold.member_id, sold.sale_no.as_str(), sold.price), (member(7), "D1", Money::from_fen(18_600_000)));
    assert_eq!((&sold.vehicle, sold.series.as_deref()), (&bench.hash(LookupKind::Vin, VIN), Some("X5")));
    let opened = ingest.cx().seal_to("member").open_text(&sold.vin_sealed, &VehicleSold::place_of(&sold.store, "D1"));
    assert_eq!(opened.as_deref().ok(), Some(VIN.as_bytes()), "its reader opens the VIN");

    let events = "select count(*) FROM outbox where convert_from(payload, 'UTF8') ~ '13800000007|LSVAU2A37N2183294'";
    assert_eq!(bench.number(events).await, 0, "nothing personal is published");
    let asked = DocumentRequest { store: "SH01".into(), kind: "vehicle_sale".into(), document: "D1".into() };
    let status = ask::<DocumentStatus>(&bench.env.nats("local").await, &asked).await.expect("status");
    assert_eq!((status.status.as_str(), status.member_id), ("accepted", Some(member(7))));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_kind_the_same_again_is_a_duplicate_and_other_content_a_conflict() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(1)]).await;
    bench.settled().await;
    for (skip, kind) in [0, 6, 12].into_iter().zip(KINDS) {
        let good = document(kind, "D1", &of(1));
        // The same instant and phone, written otherwise.
        let written = good.to_string().replace("2026-10-01T10:21:33+08:00", "2026-10-01T02:21:33Z").replace("138000", "+86 138-000");
        bench.publish_as(kind, &[good.clone(), serde_json::from_str(&written).expect("json"), changed(kind, good.clone())]).await;
        bench.settled().await;
        let first = ["D1 accepted", "D1 duplicate document.duplicate", "D1 rejected document.conflict"];
        assert_eq!(bench.told(skip, 3).await, first, "{kind}");
        // Numbers are each kind's own, and each store's.
        let mut elsewhere = changed(kind, good.clone());
        elsewhere["store"] = json!("SH02");
        let subject = format!("pos.v1.SH02.{kind}");
        bench.publish_on(&[(subject.as_str(), elsewhere.to_string().into_bytes())]).await;
        bench.publish_as(kind, &[good.clone(), changed(kind, good)]).await;
        bench.settled().await;
        assert_eq!(bench.told(skip + 3, 3).await, first, "{kind}");
    }
    assert_eq!(bench.documents("accepted").await, 6);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_waits_for_its_customer_up_to_the_ninetieth_day() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    for kind in KINDS {
        bench.publish_as(kind, &[document(kind, "EARLY", &of(1)), document(kind, "LATE", &of(2))]).await;
    }
    bench.settled().await;
    let mut waiting = ["EARLY parked document.parked"; 6];
    waiting[3..].fill("LATE parked document.parked");
    assert_eq!(bench.told(0, 6).await, waiting);
    let secret = "select count(*) FROM document where position(convert_to('1380000000', 'UTF8') in content) > 0";
    assert_eq!(bench.number(secret).await, 0, "the content rests sealed");
    // 1 October + 90 days = 30 December, which ends at 16:00 UTC.
    let on = |number, registered_at: &str| MemberRegistered { registered_at: at(registered_at), ..bench.registration(number) };
    bench.register(&[on(1, "2026-12-30T15:59:59Z"), on(2, "2026-12-30T16:00:00Z")]).await;
    bench.settled().await;
    let mut told = ["EARLY accepted"; 6];
    told[3..].fill("LATE rejected document.lapsed");
    assert_eq!(bench.told(6, 6).await, told, "each has its second receipt");
    assert_eq!(bench.events::<VehicleSold>(1).await[0].data.member_id, member(1));
    assert_eq!(bench.events::<InteractionRecorded>(1).await[0].data.member_id, member(1));
    assert_eq!(bench.events::<PartnerPurchaseRecorded>(1).await[0].data.member_id, member(1));
    assert_eq!((bench.documents("accepted").await, bench.documents("lapsed").await, bench.documents("parked").await), (3, 3, 0));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sold_car_says_nothing_of_who_buys_it() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    // The car was another member's: a demonstrator, or a mistake.
    bench.register(&[bench.with_vin(bench.registration(2), VIN, "2026-01-01"), bench.registration(1)]).await;
    bench.settled().await;
    let with_vin = json!({ "phone": phone(1), "vin": VIN, "plate": "沪A12345" });
    let unknown = json!({ "member_no": "M9", "phone": phone(3), "vin": VIN });
    bench.publish_as("vehicle_sale", &[document("vehicle_sale", "KNOWN", &with_vin), document("vehicle_sale", "NEW", &unknown)]).await;
    bench.settled().await;
    assert_eq!(bench.told(0, 2).await, ["KNOWN accepted", "NEW parked document.parked"]);
    assert_eq!(bench.events::<VehicleSold>(1).await[0].data.member_id, member(1));
    // Of other kinds the keys must agree.
    for kind in ["interaction", "partner_purchase"] {
        bench.publish_as(kind, &[document(kind, "BOTH", &with_vin)]).await;
    }
    bench.settled().await;
    assert_eq!(bench.told(2, 2).await, ["BOTH parked document.keys_disagree"; 2]);
    bench.register(&[bench.with_vin(bench.registration(4), "LSVAU2A37N2183295", "2026-01-01"), bench.registration(3)]).await;
    bench.settled().await;
    assert_eq!(bench.told(4, 1).await, ["NEW accepted"]);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_each_kind_is_said_with_its_place() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let cases: [(&str, &str, Value, &str); 14] = [
        ("interaction", "/kind", json!("dance"), "document.unknown_interaction"),
        ("interaction", "/kind", json!("Tanz!"), "document.unknown_interaction"),
        ("interaction", "/about", Value::Null, "document.missing_field"),
        ("interaction", "/occurred_at", json!("2199-10-01T10:21:33Z"), "document.future_date"),
        ("interaction", "/occurred_at", json!("1999-10-01T10:21:33Z"), "document.bad_date"),
        ("interaction", "/customer", json!({}), "document.no_customer"),
        ("vehicle_sale", "/customer", json!({ "vin": VIN }), "document.no_buyer"),
        ("vehicle_sale", "/vin", json!("LSV"), "document.bad_field"),
        ("vehicle_sale", "/price", json!("1.234"), "document.bad_amount"),
        ("vehicle_sale", "/delivered_at", json!("2199-10-01T10:21:33Z"), "document.future_date"),
        ("partner_purchase", "/partner", json!("fuel-2"), "document.unknown_partner"),
        ("partner_purchase", "/amount", json!(300), "document.bad_amount"),
        ("partner_purchase", "/occurred_at", json!("2199-10-01T10:21:33Z"), "document.future_date"),
        ("partner_purchase", "/store", json!("SH02"), "document.store_mismatch"),
    ];
    for (kind, pointer, value, _) in &cases {
        let mut wrong = document(kind, "D1", &of(1));
        *wrong.pointer_mut(pointer).expect("a place") = value.clone();
        bench.publish_as(kind, &[wrong]).await;
    }
    let receipts = bench.receipts(cases.len()).await;
    let told = |receipt: &Receipt| {
        assert_eq!((receipt.status.as_str(), receipt.document.as_deref()), ("rejected", Some("D1")), "{receipt:?}");
        (receipt.kind.clone(), receipt.pointer.clone().unwrap_or_default(), receipt.code.clone().unwrap_or_default())
    };
    // Receipts of two commits may overtake each other.
    let mut told: Vec<_> = receipts.iter().map(|(_, receipt)| told(receipt)).collect();
    let mut due: Vec<_> =
        cases.iter().map(|(kind, pointer, _, code)| ((*kind).to_owned(), (*pointer).to_owned(), (*code).to_owned())).collect();
    told.sort();
    due.sort();
    assert_eq!(told, due);
    assert_eq!(bench.events::<DocumentRejected>(cases.len()).await.len(), cases.len());
    // Nothing of them is in the way of good ones.
    for kind in KINDS {
        bench.publish_as(kind, &[document(kind, "D1", &of(1))]).await;
    }
    assert_eq!(bench.told(cases.len(), 3).await, ["D1 parked document.parked"; 3]);
    bench.settled().await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_is_passed_over_unread() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let good = json!({ "store": "SH01", "sign_up_no": "S1", "at": "2026-10-01T10:21:33+08:00", "name": "王小明", "phone": phone(1) });
    let sign_up = "pos.v1.SH01.sign_up";
    let sent: [(&str, Vec<u8>); 5] = [
        (sign_up, good.to_string().into_bytes()),
        (sign_up, b"\xff{".to_vec()),
        (sign_up, vec![b' '; 300 * 1024]),
        ("pos.v1.nowhere.sign_up", b"{}".to_vec()),
        ("pos.v1.SH01.invoice", crate::support::bill(1).to_string().into_bytes()),
    ];
    bench.publish_on(&sent).await;
    bench.settled().await;
    assert_eq!(bench.told(0, 1).await, ["R00001 parked document.parked"], "the others' receipts are the member service's");
    let state = "select (select count(*) from ingest.reject) + (select count(*) from ingest.arrival) + count(*) FROM outbox";
    assert_eq!(bench.number(state).await, 1);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
