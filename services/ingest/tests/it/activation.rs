//! What ingest knows of members: their keys, which change hands, and whether they are activated.

use jifen_contracts::{
    endpoint::MemberStatus,
    event::{
        InteractionRecorded, InvoiceAccepted, MemberActivated, MemberLapsed, MemberRegistered, MemberUpdated, PartnerPurchaseRecorded,
        VehicleKeys,
    },
};
use jifen_ingest::MemberNews;
use jifen_kernel::StoreCode;
use jifen_runtime::crypto::LookupKind;
use serde_json::json;

use crate::support::{Bench, VIN, at, bill, day, document, handle, invoice, member, message, phone};

fn store() -> StoreCode {
    StoreCode::try_new("SH01").expect("store")
}

fn waiting(bench: &Bench, number: u64) -> MemberRegistered {
    MemberRegistered { status: MemberStatus::Registered, ..bench.registration(number) }
}

fn activated(number: u64) -> MemberActivated {
    MemberActivated { member_id: member(number), member_no: format!("M{number}"), store: store(), at: at("2026-10-02T00:00:00Z") }
}

fn lapsed(number: u64) -> MemberLapsed {
    MemberLapsed { member_id: member(number), member_no: format!("M{number}"), store: store(), at: at("2026-10-08T00:00:00Z") }
}

/// The member with the phone of `of_phone` from that day on.
pub fn updated(bench: &Bench, number: u64, of_phone: u64, at_day: &str) -> MemberUpdated {
    MemberUpdated {
        member_id: member(number),
        member_no: format!("M{number}"),
        store: store(),
        at: at(&format!("{at_day}T00:00:00Z")),
        phone: bench.hash(LookupKind::Phone, &phone(of_phone)),
        vehicles: Vec::new(),
        birthday: None,
        birthday_from_year: None,
        status: MemberStatus::Active,
        announced: false,
    }
}

pub fn owns(bench: &Bench, mut member: MemberUpdated, vin: &str, owned_since: &str) -> MemberUpdated {
    let vin = Some(bench.hash(LookupKind::Vin, vin));
    member.vehicles.push(VehicleKeys { vin, plate: None, owned_since: day(owned_since), series: None, new_on: None });
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_activated_earns_pending_points() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.tell(1, &waiting(&bench, 1)).await;
    bench.settled().await;
    let mut bills = 0;
    let mut awaits = async |documents: &[(&str, &str)]| {
        for (kind, number) in documents {
            bench.publish_as(kind, &[document(kind, number, &json!({ "phone": phone(1) }))]).await;
        }
        bench.settled().await;
        bills += 1;
        bench.events::<InvoiceAccepted>(bills).await[bills - 1].data.awaiting_activation
    };
    assert!(awaits(&[("interaction", "I1"), ("partner_purchase", "P1"), ("invoice", "R1")]).await);
    assert!(bench.events::<InteractionRecorded>(1).await[0].data.awaiting_activation);
    assert!(bench.events::<PartnerPurchaseRecorded>(1).await[0].data.awaiting_activation);
    bench.tell(2, &activated(1)).await;
    bench.settled().await;
    assert!(!awaits(&[("interaction", "I2"), ("invoice", "R2")]).await);
    assert!(!bench.events::<InteractionRecorded>(2).await[1].data.awaiting_activation);
    // Late news say nothing.
    bench.tell(1, &waiting(&bench, 1)).await;
    bench.settled().await;
    assert!(!awaits(&[("invoice", "R3")]).await);
    bench.tell(3, &lapsed(1)).await;
    bench.tell(2, &activated(1)).await;
    bench.settled().await;
    assert!(awaits(&[("invoice", "R4")]).await, "a lapsed registration keeps its number, its points are pending");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_and_an_activation_come_in_any_order() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.publish(&[bill(1), bill(2), bill(3)]).await;
    bench.settled().await;
    let news = |sequence, event: &[u8]| message("evt.member.x.v1.SH01", sequence, event.to_vec());
    let registered = |number| news(1, &bench.news_of(1, &waiting(&bench, number)));
    let activated = |number| news(2, &bench.news_of(2, &activated(number)));
    // The registration first; the activation first; the activation first, and both twice.
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![registered(1)]).await;
    handle(&ingest, MemberNews::<MemberActivated>::new(), vec![activated(1), activated(2), activated(3), activated(3)]).await;
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![registered(2), registered(3), registered(3)]).await;
    handle(&ingest, MemberNews::<MemberActivated>::new(), vec![activated(3)]).await;
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![registered(3)]).await;
    let accepted = bench.accepted(3).await;
    let awaiting = ["R00001", "R00002", "R00003"].map(|number| accepted[number].awaiting_activation);
    assert_eq!(awaiting, [true, false, false], "as far as was known at the release");
    bench.publish(&[invoice("AFTER", json!({ "phone": phone(1) }))]).await;
    assert!(!bench.accepted(4).await["AFTER"].awaiting_activation);
    bench.settled().await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_new_keys_is_found_by_them_and_by_the_old_ones_no_more() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.with_vin(bench.registration(1), VIN, "2026-01-01")]).await;
    bench.settled().await;
    // Waits for the phone that member 1 takes later.
    bench.publish(&[bill(2)]).await;
    bench.settled().await;
    bench.tell(2, &updated(&bench, 1, 2, "2026-10-05")).await;
    bench.settled().await;
    assert_eq!(bench.told(0, 2).await, ["R00002 accepted", "R00002 parked document.parked"]);
    let by = |number: &str, customer| invoice(number, customer);
    bench
        .publish(&[by("OLD", json!({ "phone": phone(1) })), by("NEW", json!({ "phone": phone(2) })), by("CAR", json!({ "vin": VIN }))])
        .await;
    bench.settled().await;
    assert_eq!(bench.told(2, 3).await, ["CAR accepted", "NEW accepted", "OLD parked document.parked"]);
    // The old phone and the car have other owners: registered since, and taken over before the news of the loss came.
    bench.tell(1, &MemberRegistered { registered_at: at("2026-10-06T00:00:00Z"), ..renumbered(&bench, 3, 1) }).await;
    bench.settled().await;
    bench.tell(2, &owns(&bench, updated(&bench, 3, 2, "2026-10-07"), VIN, "2026-09-30")).await;
    bench.settled().await;
    bench.tell(3, &updated(&bench, 1, 4, "2026-10-06")).await;
    bench.settled().await;
    bench.publish(&[by("AGAIN", json!({ "phone": phone(2) })), by("FIRST", json!({ "phone": phone(4) }))]).await;
    bench.settled().await;
    let accepted = bench.accepted(6).await;
    let owner = ["R00002", "NEW", "OLD", "CAR", "AGAIN", "FIRST"].map(|number| accepted[number].member_id);
    assert_eq!(owner, [1, 1, 3, 1, 3, 1].map(member), "the car was the first one's on its day");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

/// Member `number` with the phone of `of_phone`.
fn renumbered(bench: &Bench, number: u64, of_phone: u64) -> MemberRegistered {
    MemberRegistered { phone: bench.hash(LookupKind::Phone, &phone(of_phone)), ..bench.registration(number) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_ahead_of_its_registration_waits_for_it() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.publish(&[bill(1), bill(2)]).await;
    bench.settled().await;
    let (js, durable) = (bench.env.js("provisioner").await, "ingest_member_updated");
    bench.tell(2, &owns(&bench, updated(&bench, 1, 1, "2027-03-01"), VIN, "2026-09-30")).await;
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async {
        let handed = js.get_stream("EVENTS").await.ok()?.consumer_info(durable).await.ok()?;
        (handed.num_redelivered > 0 || handed.delivered.consumer_sequence > 1).then_some(())
    })
    .await;
    assert_eq!(bench.documents("parked").await, 2);
    // The day of the registration counts, not that of the update.
    bench.tell(1, &bench.registration(1)).await;
    bench.settled().await;
    assert_eq!(bench.told(2, 1).await, ["R00001 accepted"]);
    bench.publish(&[invoice("CAR", json!({ "vin": VIN }))]).await;
    assert_eq!(bench.told(3, 1).await, ["CAR accepted"]);
    bench.settled().await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_registration_was_missed_is_known_by_what_is_said_once_more() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.publish(&[bill(1)]).await;
    bench.settled().await;
    let said = MemberUpdated { announced: true, ..updated(&bench, 1, 1, "2026-10-01") };
    bench.tell(4, &said).await;
    bench.tell(4, &said).await;
    assert_eq!(bench.accepted(1).await["R00001"].member_id, member(1));
    bench.settled().await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
