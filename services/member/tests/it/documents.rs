//! What stores report: sign-ups and sold cars.

use jifen_contracts::{
    Envelope,
    endpoint::{MemberStatus, MemberUpdate, RegisterRequest},
    event::{MemberCodeIssued, MemberUpdated, VehicleSold},
    receipt::{Receipt, ReceiptStatus},
    subject::{STREAM_EVENTS, STREAM_POS, STREAM_RECEIPTS},
};
use jifen_kernel::{Ids, MemberId, StoreCode};
use jifen_runtime::{
    Running,
    crypto::LookupKind,
    service::{DeadLetterReply, DeadLetterRequest},
};
use jifen_testkit::{bus, publish_pos};
use serde_json::{Value, json};

use super::support::{Bench, application, at, vehicle};

const VIN: &str = "LSVAU2A37N2183294";
const NOW: &str = "2026-10-01T04:00:00Z";

fn sign_up(number: &str, phone: u64) -> Value {
    json!({
        "store": "SH01", "sign_up_no": number, "at": "2026-10-01T10:00:00+08:00", "name": "王小明", "phone": format!("138{phone:08}"),
        "store_confirmed": true,
    })
}

async fn publish(bench: &Bench, documents: &[Vec<u8>]) {
    let js = bench.env.js("SH01").await;
    for document in documents {
        publish_pos(&js, "pos.v1.SH01.sign_up", document.clone()).await.expect("published");
    }
    bus::idle(&bench.env, &[(STREAM_POS, "member_sign_up")]).await;
    bus::all_published(&bench.env, "member").await;
}

fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

/// The receipts so far: number, fate, code, place.
async fn receipts(bench: &Bench, count: usize) -> Vec<(Option<String>, ReceiptStatus, Option<String>, Option<String>)> {
    let read: Vec<(String, Envelope<Receipt>)> = bus::read(&bench.env, STREAM_RECEIPTS, "receipt.v1.SH01", count).await;
    assert_eq!(bus::count(&bench.env, STREAM_RECEIPTS, "receipt.v1.>").await, count, "and no more");
    let shown = |receipt: Receipt| {
        assert_eq!((receipt.kind.as_str(), receipt.sha256.len()), ("sign_up", 64));
        (receipt.document, receipt.status, receipt.code, receipt.pointer)
    };
    read.into_iter().map(|(_, receipt)| shown(receipt.data)).collect()
}

fn receipt(
    number: &str,
    status: ReceiptStatus,
    code: Option<&str>,
    pointer: Option<&str>,
) -> (Option<String>, ReceiptStatus, Option<String>, Option<String>) {
    (Some(number.to_owned()), status, code.map(str::to_owned), pointer.map(str::to_owned))
}

#[tokio::test]
async fn a_sign_up_registers_once_and_every_message_has_its_receipt() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let running = bench.copy().await;
    let mut waits = sign_up("S2", 2);
    (waits["store_confirmed"], waits["vin"]) = (false.into(), VIN.into());
    let mut later = sign_up("S1", 1);
    later["at"] = "2026-10-01T02:00:00Z".into();
    let mut other = sign_up("S1", 1);
    other["name"] = "李四".into();
    let mut known = sign_up("S3", 1);
    known["vin"] = "LSVAU2A37N2183295".into();
    let mut taken = sign_up("S4", 4);
    taken["vin"] = VIN.into();
    let mut bad = sign_up("S5", 5);
    bad["consents"] = json!(["sms:service", "fax:service"]);
    let mut future = sign_up("S6", 6);
    future["at"] = "2026-10-02T12:00:01+08:00".into();
    let documents = [sign_up("S1", 1), waits, later, other, known, taken.clone(), bad, future]
        .map(|document| bytes(&document))
        .into_iter()
        .chain([b"\xff{".to_vec()]);
    let documents: Vec<Vec<u8>> = documents.collect();
    publish(&bench, &documents).await;
    let (accepted, rejected) = (ReceiptStatus::Accepted, ReceiptStatus::Rejected);
    let expected = [
        receipt("S1", accepted, None, None),
        receipt("S2", accepted, None, None),
        receipt("S1", ReceiptStatus::Duplicate, Some("document.duplicate"), None),
        receipt("S1", rejected, Some("document.conflict"), None),
        receipt("S3", accepted, None, None),
        receipt("S4", rejected, Some("member.vehicle_taken"), Some("/vin")),
        receipt("S5", rejected, Some("member.bad_consent"), Some("/consents/1")),
        receipt("S6", rejected, Some("document.future_date"), Some("/at")),
        (None, rejected, Some("document.undecodable".to_owned()), None),
    ];
    let mut found = receipts(&bench, expected.len()).await;
    found.sort_by_key(|receipt| expected.iter().position(|wanted| wanted == receipt));
    assert_eq!(found, expected);
    let mut members = bench.announced().await;
    members.sort_by_key(|member| member.data.status == MemberStatus::Registered);
    let states: Vec<MemberStatus> = members.iter().map(|member| member.data.status).collect();
    assert_eq!(states, [MemberStatus::Active, MemberStatus::Registered], "the known phone changed nothing");
    assert_eq!(members[1].data.vehicles[0].owned_since, "2026-10-01".parse().expect("date"));
    assert_eq!(bench.events::<MemberCodeIssued>().await.len(), 1);
    assert_eq!(bench.number("select count(*) from member.sign_up").await, 3);
    assert_eq!(bench.number("select count(*) from member.dead_letter").await, 5, "what was refused is kept");

    // What was refused counts for nothing: the number is free once its reason is gone, for the kept bytes, too.
    let gone = json!({ "operation_id": "sold", "member_no": members[1].data.member_no, "remove_vehicles": [{ "vin": VIN }] });
    bench.ask::<MemberUpdate>(gone).await.expect("removed");
    let letters = dead_letters(&bench, "list", DeadLetterRequest::default()).await.letters;
    let letter = letters.iter().find(|letter| letter.code == "member.vehicle_taken").expect("kept");
    dead_letters(&bench, "retry", DeadLetterRequest { id: Some(letter.id), limit: None }).await;
    bus::all_published(&bench.env, "member").await;
    assert!(receipts(&bench, expected.len() + 1).await.contains(&receipt("S4", accepted, None, None)));
    assert_eq!(bench.members().await, 3);
    let text = serde_json::to_string(&bench.outbox().await).expect("json");
    for value in ["1380000", "王小明", "李四", VIN] {
        assert!(!text.contains(value), "{value} was published");
    }
    assert!(running.stop().await);
}

async fn dead_letters(bench: &Bench, verb: &str, asked: DeadLetterRequest) -> DeadLetterReply {
    let request = serde_json::to_vec(&asked).expect("json");
    let answer = bench.caller.request(format!("api.member.dead_letter.{verb}"), request.into()).await.expect("answer");
    serde_json::from_slice(&answer.payload).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&answer.payload)))
}

/// Over two copies, each document many times: one member, one claim, and a receipt for each message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ups_in_a_crowd_count_once() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let (one, two) = (bench.copy().await, bench.copy().await);
    let documents: Vec<Vec<u8>> = (0..60).map(|place| bytes(&sign_up(&format!("S{}", place % 20), place % 10))).collect();
    publish(&bench, &documents).await;
    assert_eq!(bench.members().await, 10);
    assert_eq!(bench.number("select count(*) from member.sign_up").await, 20);
    let receipts = receipts(&bench, 60).await;
    let count = |status| receipts.iter().filter(|receipt| receipt.1 == status).count();
    assert_eq!((count(ReceiptStatus::Accepted), count(ReceiptStatus::Duplicate)), (20, 40));
    assert!(one.stop().await && two.stop().await);
}

fn sold(
    running: &Running,
    ids: &Ids,
    number: &str,
    vin: &str,
    (member_id, member_no): (MemberId, &str),
    delivered_at: &str,
) -> VehicleSold {
    let store = StoreCode::try_new("SH01").expect("store");
    // As ingest seals it: all services of an installation derive from one key.
    let vin_sealed = running.cx().seal_to("member").seal_text(ids, vin.as_bytes(), &VehicleSold::place_of(&store, number));
    let delivered_at = at(delivered_at);
    VehicleSold {
        store,
        sale_no: number.to_owned(),
        member_id,
        member_no: member_no.to_owned(),
        delivered_at,
        business_date: delivered_at.date_naive(),
        received_at: delivered_at,
        program_version: 1,
        vehicle: running.cx().lookup.hash(LookupKind::Vin, vin),
        vin_sealed,
        series: None,
        price: jifen_kernel::Money::try_new("186000.00").expect("money"),
    }
}

/// Whose the car is, since when, and how many have one.
async fn owner(bench: &Bench) -> (String, String, i64) {
    let (owner, since): (String, String) = sqlx::query_as(
        "select m.member_no, v.owned_since::text from member.identity i join member.member m using (member_id)
         join member.vehicle v using (member_id) where i.kind = 'vin'",
    )
    .fetch_one(bench.env.admin_pool())
    .await
    .expect("one car");
    (owner, since, bench.number("select count(*) from member.personal where field like 'vin/%'").await)
}

#[tokio::test]
async fn a_sold_car_is_the_last_buyers_in_any_order_and_multiplicity() {
    for order in [[0, 1], [1, 0]] {
        let bench = Bench::start_at(NOW, json!({})).await;
        let (running, ids) = (bench.copy().await, Ids::system());
        // Registered with the wrong customer, plate and all.
        let wrong = RegisterRequest { vehicles: vec![vehicle(Some(VIN), Some("沪AD19283"))], ..application("op-1", 1) };
        bench.must_register(&wrong).await;
        let (first, last) = (bench.must_register(&application("op-2", 2)).await, bench.must_register(&application("op-3", 3)).await);
        let sales = [
            VehicleSold {
                series: Some("朗逸".to_owned()),
                ..sold(&running, &ids, "V1", VIN, (first.member_id, &first.member_no), "2026-09-20T02:00:00Z")
            },
            sold(&running, &ids, "V2", VIN, (last.member_id, &last.member_no), "2026-09-28T02:00:00Z"),
        ];
        for place in order {
            bus::publish_times(&bench.env, [&sales[place]], 2).await;
            bus::idle(&bench.env, &[(STREAM_EVENTS, "member_vehicle_sold")]).await;
        }
        bus::publish_times(&bench.env, &sales, 2).await;
        bus::idle(&bench.env, &[(STREAM_EVENTS, "member_vehicle_sold")]).await;
        assert_eq!(owner(&bench).await, (last.member_no.clone(), "2026-09-28".to_owned(), 1), "{order:?}");
        let told = bench.events::<MemberUpdated>().await;
        let mine = told.iter().rfind(|event| event.data.member_id == last.member_id).expect("told");
        assert_eq!((mine.data.vehicles.len(), mine.data.vehicles[0].plate.is_some()), (1, true), "the plate is the car's");
        let car = &mine.data.vehicles[0];
        assert_eq!(
            (car.series.as_deref(), car.new_on),
            (Some("朗逸"), "2026-09-20".parse().ok()),
            "and so is what any of its sales says of it"
        );
        let mut others = told.iter().filter(|event| event.data.member_id != last.member_id);
        assert!(
            others.clone().count() > 0 && others.next_back().is_some_and(|event| event.data.vehicles.is_empty()),
            "who had it is told, too"
        );
        let text = serde_json::to_string(&bench.outbox().await).expect("json");
        assert!(!text.contains(VIN) && !text.contains("AD19283"));
        // A sale that can't be opened is set aside.
        let mut broken = sold(&running, &ids, "V3", VIN, (first.member_id, &first.member_no), "2026-09-30T02:00:00Z");
        broken.sale_no = "V4".to_owned();
        bus::publish(&bench.env, [&broken]).await;
        bus::idle(&bench.env, &[(STREAM_EVENTS, "member_vehicle_sold")]).await;
        assert_eq!(bench.number("select count(*) from member.dead_letter").await, 1);
        assert!(running.stop().await);
    }
}

/// A fleet customer buys car by car: there is no hundredth one that nobody can record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_has_room_for_its_hundredth_car() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let (running, ids) = (bench.copy().await, Ids::system());
    let fleet = bench.must_register(&application("op-1", 1)).await;
    let vin = |number: usize| format!("LSVAU2A37N2{number:06}");
    let sale = |number: usize| {
        let buyer = (fleet.member_id, fleet.member_no.as_str());
        sold(&running, &ids, &format!("V{number}"), &vin(number), buyer, "2026-09-20T02:00:00Z")
    };
    bus::publish(&bench.env, (1..=120).map(sale).collect::<Vec<_>>().iter()).await;
    bus::idle(&bench.env, &[(STREAM_EVENTS, "member_vehicle_sold")]).await;
    assert_eq!(bench.number("select count(*) from member.vehicle").await, 120);
    assert_eq!(bench.number("select count(*) from member.dead_letter").await, 0);
    assert!(running.stop().await);
}
