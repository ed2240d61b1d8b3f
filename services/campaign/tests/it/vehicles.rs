//! Campaigns for cars, and what points cost that are worth something else than a fen.

use std::collections::BTreeMap;

use jifen_contracts::{
    endpoint::{CampaignReport, Empty},
    event::{AccrualAssessed, CampaignPreheated, Earned, KeyedHash, MemberActivated, MemberRegistered, MemberUpdated, VehicleKeys},
};
use jifen_kernel::MemberId;
use jifen_runtime::{ask, daily::run_due};
use jifen_testkit::{
    DEADLINE, TestEnv,
    bus::{self, drained, publish, published},
    eventually, samples,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    support::{DURABLE, at, copy_at, earned, number, program_with, read, surroundings},
    wider::{registered, say, say_as},
};

fn car(vin: &str, series: Option<&str>, new_on: &str) -> VehicleKeys {
    VehicleKeys {
        vin: Some(KeyedHash(vin.to_owned())),
        plate: Some(KeyedHash(format!("plate of {vin}"))),
        owned_since: "2026-09-01".parse().expect("a day"),
        series: series.map(str::to_owned),
        new_on: new_on.parse().ok(),
    }
}

fn with_cars(member: u128, cars: Vec<VehicleKeys>) -> MemberRegistered {
    MemberRegistered { vehicles: cars, ..registered(member, None, "SH01") }
}

fn bill(document: &str, member: u128, vehicle: Option<&str>) -> Earned {
    Earned { vehicle: vehicle.map(|key| KeyedHash(key.to_owned())), ..earned(document, member, &[("maintenance", 1_000)]) }
}

fn updated(member: u128, cars: Vec<VehicleKeys>) -> MemberUpdated {
    let MemberRegistered { member_id, member_no, store, phone, .. } = registered(member, None, "SH01");
    let (birthday, birthday_from_year) = (None, None);
    let status = jifen_contracts::endpoint::MemberStatus::Active;
    let at = bus::published_at();
    MemberUpdated { member_id, member_no, store, at, phone, vehicles: cars, birthday, birthday_from_year, status, announced: false }
}

async fn answers(env: &TestEnv) -> BTreeMap<String, Vec<String>> {
    drained::<AccrualAssessed>(env, DURABLE).await.iter().map(|event| read(&event.data)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_for_the_car_on_the_bill_and_costs_what_its_points_are_worth() {
    let env = surroundings().await;
    let lavida = json!({ "code": "lavida", "factor": "2", "vehicle": { "series": ["朗逸"], "from_months": 36 } });
    let worth = json!({ "settlement": { "point_value": "0.005", "close_day": 5 } });
    samples::remember(&env, "campaign", &[program_with(1, &[lavida], worth)]).await;
    let campaign = copy_at(&env, &at("2026-10-01T04:00:00Z")).await;
    let bills = [
        bill("named", 1, Some("v1")),
        bill("by plate", 1, Some("plate of v1")),
        bill("other car", 1, Some("v2")),
        bill("a stranger's car", 1, Some("v3")),
        bill("no car", 1, None),
        bill("too young", 2, None),
        bill("sold since", 3, Some("v5")),
        bill("unknown yet", 4, Some("v6")),
    ];
    let cars = vec![car("v1", Some("朗逸"), "2023-10-01"), car("v2", Some("途观"), "2020-01-01")];
    // What comes late changes nothing; an activation names no cars and takes none away.
    say_as(&env, 3, &[updated(3, Vec::new())]).await;
    say(&env, &[with_cars(1, cars), with_cars(2, vec![car("v4", Some("朗逸"), "2023-10-02")])]).await;
    say(&env, &[with_cars(3, vec![car("v5", Some("朗逸"), "2020-01-01")])]).await;
    let MemberRegistered { member_id, member_no, store, .. } = registered(1, None, "SH01");
    say_as(&env, 2, &[MemberActivated { member_id, member_no, store, at: bus::published_at() }]).await;
    bus::idle(&env, &[("EVENTS", "campaign_members")]).await;
    publish(&env, &bills).await;
    assert_eq!(published::<AccrualAssessed>(&env, 7).await.len(), 7);
    assert_eq!(number(&env, "select count(*) from assessment").await, 7, "the last one waits for its member");
    say(&env, &[with_cars(4, vec![car("v6", Some("朗逸"), "2020-01-01")])]).await;
    let doubled: Vec<String> = answers(&env).await.into_iter().filter(|(_, bonuses)| !bonuses.is_empty()).map(|(bill, _)| bill).collect();
    assert_eq!(doubled, ["by plate", "named", "no car", "unknown yet"]);
    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    // On that day two members have such a car, and a third one the day after.
    assert_eq!((report[0].points.0, report[0].targeted), (4_000, 2));
    assert_eq!(report[0].cost.to_string(), "20.00", "half a fen a point");
    assert_eq!(report[0].roi_basis_points, Some((400_000 - 2_000) * 10_000 / 2_000));
    assert!(campaign.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_such_a_car_is_told_beforehand() {
    let env = surroundings().await;
    let young = json!({
        "code": "young", "factor": "2", "preheat_days": 5, "vehicle": { "series": ["朗逸", "途观"], "from_months": 12, "below_months": 36 },
    });
    samples::remember(&env, "campaign", &[program_with(1, &[young], json!({ "stores": [samples::store("SH01")] }))]).await;
    let clock = at("2026-09-25T04:00:00Z");
    let copy = copy_at(&env, &clock).await;
    // On 1 October 2026: as old as can be, too old by a day, of an age that nobody knows, of another series, two cars of which one is.
    say(
        &env,
        &[
            with_cars(1, vec![car("v1", Some("途观"), "2023-10-02")]),
            with_cars(2, vec![car("v2", Some("途观"), "2023-10-01")]),
            with_cars(3, vec![car("v3", Some("途观"), "")]),
            with_cars(4, vec![car("v4", Some("帕萨特"), "2024-10-01")]),
            with_cars(5, vec![car("v5", None, "2024-10-01"), car("v6", Some("朗逸"), "2025-10-01")]),
        ],
    )
    .await;
    bus::idle(&env, &[("EVENTS", "campaign_members")]).await;
    // The first day of an installation is that of its first look: it comes before the clock moves on.
    for (on, days) in [("2026-09-25T04:00:00Z", 1), ("2026-09-26T04:00:00Z", 2)] {
        clock.set(on.parse().expect("instant"));
        eventually(DEADLINE, || async {
            run_due(copy.cx(), &jifen_campaign::jobs::AnnounceCampaigns).await.expect("a day");
            (number(&env, "select count(*) from job_day where job = 'announce_campaigns' and done_at is not null").await == days)
                .then_some(())
        })
        .await;
    }
    let told = drained::<CampaignPreheated>(&env, "campaign_members").await;
    let members: Vec<MemberId> = told.iter().flat_map(|event| event.data.members.clone()).collect();
    assert_eq!(members, [1, 5].map(|member| MemberId(Uuid::from_u128(member))));
    assert!(copy.stop().await);
}
