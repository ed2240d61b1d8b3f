//! Audiences, caps and promises, with several copies and in any order.

use std::collections::BTreeMap;

use jifen_contracts::{
    EventType,
    code::Text,
    endpoint::{CampaignReport, Empty},
    envelope,
    event::{
        AccrualAssessed, BonusGranted, CampaignEnded, CampaignPreheated, CampaignStarted, Earned, MemberRegistered, MemberUpdated,
        MonthDay, TierStanding, TierUpgraded,
    },
};
use jifen_kernel::{Ids, MemberId, StoreCode, Token};
use jifen_runtime::{ask, daily::run_due};
use jifen_testkit::{
    DEADLINE,
    bus::{self, drained, publish, publish_raw, published, shuffled},
    eventually, samples,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{DURABLE, at, copy, earned, many, number, program, program_with, read, surroundings};

/// What `member` says of a member born in this month.
pub fn registered(member: u128, month: Option<u32>, store: &str) -> MemberRegistered {
    MemberRegistered {
        member_id: MemberId(Uuid::from_u128(member)),
        member_no: format!("M{member}"),
        store: StoreCode::try_new(store).expect("store"),
        registered_at: bus::published_at(),
        phone: jifen_contracts::event::KeyedHash(String::new()),
        vehicles: Vec::new(),
        birthday: month.map(|month| MonthDay { month, day: 1 }),
        status: jifen_contracts::endpoint::MemberStatus::Active,
    }
}

fn upgraded(member: u128, tier: &str, at: &str) -> TierUpgraded {
    let token = |text: &str| Token::try_new(text).expect("a code");
    serde_json::from_value(json!({
        "member_id": Uuid::from_u128(member), "member_no": "M", "from": "regular", "to": token(tier), "ordinal": 1, "at": at,
        "program_version": 1, "store": "SH01", "document": "R0",
    }))
    .expect("an upgrade")
}

/// Publishes events with the sequence that `member` gives a registration.
pub async fn say<T: EventType>(env: &jifen_testkit::TestEnv, events: &[T]) {
    say_as(env, 1, events).await;
}

/// Publishes events with a sequence.
pub async fn say_as<T: EventType>(env: &jifen_testkit::TestEnv, sequence: i64, events: &[T]) {
    let ids = Ids::system();
    let messages = events.iter().map(|event| {
        let mut envelope = bus::envelope(ids.next(bus::published_at()), bus::published_at(), event);
        envelope.sequence = Some(envelope::sequence_text(sequence));
        (event.subject(), serde_json::to_vec(&envelope).expect("an event"))
    });
    publish_raw(env, T::SERVICE, messages.collect::<Vec<_>>()).await;
}

/// The bonuses of each document.
async fn answers(env: &jifen_testkit::TestEnv) -> BTreeMap<String, Vec<String>> {
    drained::<AccrualAssessed>(env, DURABLE).await.iter().map(|event| read(&event.data)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accrual_waits_for_its_members_birthday_and_takes_the_tier_of_its_time() {
    let env = surroundings().await;
    let campaigns =
        [json!({ "code": "birthday", "factor": "2", "birthday_month": true }), json!({ "code": "gold", "factor": "3", "tiers": ["gold"] })];
    let tier = |code: &str, from| json!({ "code": code, "name": { "zh": code, "en": code }, "from": from });
    let more = json!({
        "tiers": [tier("regular", 0), tier("silver", 5_000), tier("gold", 20_000)],
        "earn": { "rates": {}, "first_spending": 0, "tier_factors": { "silver": "1.2" } },
    });
    let campaign = copy(&env, 500, &[program_with(1, &campaigns, more)]).await;
    // Gold since before noon of the invoice, silver since after it.
    publish(&env, &[upgraded(2, "gold", "2026-10-01T02:00:00Z"), upgraded(3, "silver", "2026-10-01T02:00:00Z")]).await;
    publish(&env, &[upgraded(4, "gold", "2026-10-01T03:00:00Z")]).await;
    bus::idle(&env, &[("EVENTS", "campaign_tiers")]).await;
    let of = |document, member| earned(document, member, &[("maintenance", 1_500)]);
    publish(&env, &[of("R1", 1), of("R2", 2), of("R3", 3), of("R4", 4), of("R5", 5)]).await;
    say(&env, &[registered(1, Some(10), "SH01"), registered(3, None, "SH01"), registered(4, Some(9), "SH01")]).await;
    assert_eq!(published::<AccrualAssessed>(&env, 3).await.len(), 3);
    assert_eq!(number(&env, "select count(*) from assessment").await, 3, "the others wait for their members");
    say(&env, &[registered(2, Some(10), "SH01"), registered(5, Some(10), "SH01")]).await;
    let bonus = |text: &str| vec![text.to_owned()];
    let expected = BTreeMap::from([
        ("R1".to_owned(), bonus("birthday@1 maintenance x20000 1500")),
        ("R2".to_owned(), bonus("gold@1 maintenance x30000 3000")),
        ("R3".to_owned(), bonus("tier_accelerator@1 maintenance x12000 300")),
        ("R4".to_owned(), vec![]),
        ("R5".to_owned(), bonus("birthday@1 maintenance x20000 1500")),
    ]);
    assert_eq!(answers(&env).await, expected);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    assert!(campaign.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_copies_overrun_neither_a_budget_nor_a_members_cap() {
    let env = surroundings().await;
    let fixed = json!({ "code": "fixed", "bonus": { "points": 30, "from_paid": "1" }, "member_cap": 100 });
    let capped = json!({ "code": "capped", "factor": "2", "member_cap": 250, "budget": 7_400 });
    let rules = [program(1, &[capped, fixed])];
    // Thirty members, twenty invoices of 100 points each.
    let events = many(600);
    publish(&env, shuffled(&events, 2)).await;
    let mut copies = Vec::new();
    for _ in 0..4 {
        copies.push(copy(&env, 10, &rules).await);
    }
    assert_eq!(answers(&env).await.len(), 600);
    assert_eq!(number(&env, "select granted from budget where campaign = 'capped'").await, 7_400);
    assert_eq!(number(&env, "select sum(points)::bigint from participation where campaign = 'capped'").await, 7_400);
    let most = "select max(had)::bigint from (select sum(points) as had from participation where campaign = 'capped' group by member_id) m";
    assert_eq!(number(&env, most).await, 250);
    // 30 + 30 + 30 + 10 each, whatever the order.
    assert_eq!(number(&env, "select sum(points)::bigint from participation where campaign = 'fixed'").await, 30 * 100);
    assert_eq!(number(&env, "select count(*) from participation where campaign = 'fixed' and points = 10").await, 30);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    let capped = report.iter().find(|figures| figures.code == "capped").expect("figures");
    assert_eq!((capped.points.0, capped.budget_left.map(|left| left.0), capped.cost.to_string().as_str()), (7_400, Some(0), "74.00"));
    let fixed = report.iter().find(|figures| figures.code == "fixed").expect("figures");
    // Four invoices of 100.00 yuan for each of thirty members: (12,000 - 30) / 30.
    assert_eq!((fixed.members, fixed.revenue.to_string().as_str(), fixed.roi_basis_points), (30, "12000.00", Some(3_990_000)));
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// Exact default 18: end 7 October 2026, five working days: granted on the 13th.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_promised_is_granted_once_on_the_fifth_working_day() {
    let env = surroundings().await;
    let week =
        json!({ "code": "week", "factor": "2", "bonus": { "points": 30, "from_paid": "1" }, "post_after_days": 5, "budget": 1_000_000 });
    let holidays = jifen_rules::seed::holidays(2026..=2026);
    samples::remember(&env, "campaign", &[program_with(1, &[week], json!({ "holidays": holidays }))]).await;
    let clock = at("2026-10-12T15:59:59Z");
    let [one, other] = [crate::support::copy_at(&env, &clock).await, crate::support::copy_at(&env, &clock).await];
    let events = many(700);
    publish(&env, &events).await;
    assert!(answers(&env).await.values().all(Vec::is_empty), "none now");
    assert_eq!(number(&env, "select granted from budget").await, 700 * 130, "and drawn now");
    let job = &jifen_campaign::jobs::GrantPromises;
    run_due(one.cx(), job).await.expect("the 12th");
    assert_eq!(number(&env, "select count(*) from deferred where granted_at is not null").await, 0);
    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    assert_eq!((report[0].points.0, report[0].deferred.0), (700 * 130, 700 * 130));
    clock.set("2026-10-12T16:00:00Z".parse().expect("instant"));
    eventually(DEADLINE, || async {
        let (one, two) = Box::pin(async { tokio::join!(run_due(one.cx(), job), run_due(other.cx(), job)) }).await;
        one.and(two).expect("the 13th");
        (number(&env, "select count(*) from deferred where granted_at is null").await == 0).then_some(())
    })
    .await;
    bus::all_published(&env, "campaign").await;
    let granted = published::<BonusGranted>(&env, 700).await;
    assert_eq!(bus::count(&env, "EVENTS", &BonusGranted::filter()).await, 700, "each once");
    let keys: std::collections::BTreeSet<_> = granted.iter().map(|event| event.data.participation.clone()).collect();
    assert_eq!(keys.len(), 700);
    let first = &granted[0].data;
    assert_eq!(
        (first.points.0, first.business_date.to_string().as_str(), first.qualifying, first.documents.len()),
        (130, "2026-10-13", true, 1)
    );
    // One that arrives late is granted on the next day.
    publish(
        &env,
        &[Earned { received_at: "2026-10-20T00:00:00Z".parse().expect("instant"), ..earned("LATE", 1, &[("maintenance", 100)]) }],
    )
    .await;
    assert_eq!(answers(&env).await.len(), 701);
    clock.set("2026-10-13T16:00:00Z".parse().expect("instant"));
    eventually(DEADLINE, || async {
        run_due(one.cx(), job).await.expect("the 14th");
        (number(&env, "select count(*) from deferred where granted_at is null").await == 0).then_some(())
    })
    .await;
    assert_eq!(published::<BonusGranted>(&env, 701).await[700].data.participation, "SH01:LATE");
    assert!(one.stop().await && other.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_once_before_a_campaign_and_when_it_begins() {
    let env = surroundings().await;
    let week =
        json!({ "code": "week", "factor": "2", "preheat_days": 5, "stores": ["SH01", "SH02"], "name": { "zh": "国庆", "en": "October" } });
    let quiet = json!({ "code": "quiet", "factor": "2" });
    samples::remember(
        &env,
        "campaign",
        &[program_with(1, &[week, quiet], json!({ "stores": [samples::store("SH01"), samples::store("SH02")] }))],
    )
    .await;
    let clock = at("2026-09-25T04:00:00Z");
    let copy = crate::support::copy_at(&env, &clock).await;
    // 1,200 members of one store, 3 of another, 5 of one that the campaign is not for.
    let members: Vec<_> = (0..1_208)
        .map(|member| {
            registered(
                member + 1,
                None,
                if member < 1_200 {
                    "SH01"
                } else if member < 1_203 {
                    "SH02"
                } else {
                    "SH03"
                },
            )
        })
        .collect();
    say(&env, &members).await;
    bus::idle(&env, &[("EVENTS", "campaign_members")]).await;
    let job = &jifen_campaign::jobs::AnnounceCampaigns;
    let days = async |on: &str, done: &'static str, expected: i64| {
        clock.set(on.parse().expect("instant"));
        eventually(DEADLINE, || async {
            run_due(copy.cx(), job).await.expect("a day");
            (number(&env, done).await == expected).then_some(())
        })
        .await;
    };
    let done = "select count(*) from job_day where job = 'announce_campaigns' and done_at is not null";
    // The first day of an installation is that of its first look: it comes before the clock moves on.
    days("2026-09-25T04:00:00Z", done, 1).await;
    days("2026-09-27T04:00:00Z", done, 3).await;
    let told = drained::<CampaignPreheated>(&env, "campaign_members").await;
    let lists: Vec<_> = told.iter().map(|event| (event.data.store.as_str(), event.data.members.len())).collect();
    assert_eq!(lists, [("SH01", 500), ("SH01", 500), ("SH01", 200), ("SH02", 3)]);
    assert_eq!(told[0].data.name, Text::new("国庆", "October"));
    days("2026-10-09T04:00:00Z", done, 15).await;
    assert_eq!(drained::<CampaignPreheated>(&env, "campaign_members").await.len(), 4, "once");
    let started = drained::<CampaignStarted>(&env, "campaign_members").await;
    let named: usize = started.iter().filter(|event| event.data.campaign.as_str() == "week").map(|event| event.data.members.len()).sum();
    let quiet: Vec<_> =
        started.iter().filter(|event| event.data.campaign.as_str() == "quiet").map(|event| event.data.members.len()).collect();
    assert_eq!((named, quiet), (1_203, vec![0]), "an offer without a notice is told to nobody");
    assert_eq!(drained::<CampaignEnded>(&env, "campaign_members").await.len(), 2);
    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    let targeted: BTreeMap<_, _> = report.iter().map(|figures| (figures.code.as_str(), figures.targeted)).collect();
    assert_eq!(targeted, BTreeMap::from([("week", 1_203), ("quiet", 1_208)]));
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_registered_and_rose_before_this_service_was_there_is_known_by_what_is_said_once_more() {
    let env = surroundings().await;
    let campaigns =
        [json!({ "code": "birthday", "factor": "2", "birthday_month": true }), json!({ "code": "gold", "factor": "3", "tiers": ["gold"] })];
    let tier = |code: &str, from| json!({ "code": code, "name": { "zh": code, "en": code }, "from": from });
    let more = json!({ "tiers": [tier("regular", 0), tier("gold", 20_000)] });
    let campaign = copy(&env, 500, &[program_with(1, &campaigns, more)]).await;
    let said = |number: u128, month, from_year| MemberUpdated {
        member_id: MemberId(Uuid::from_u128(number)),
        member_no: format!("M{number}"),
        store: StoreCode::try_new("SH01").expect("store"),
        at: bus::published_at(),
        phone: jifen_contracts::event::KeyedHash(String::new()),
        vehicles: Vec::new(),
        birthday: Some(MonthDay { month, day: 1 }),
        birthday_from_year: from_year,
        status: jifen_contracts::endpoint::MemberStatus::Active,
        announced: true,
    };
    // The second's birthday counts from next year; what counted before nobody knows any more. The third's registration is known.
    say(&env, &[registered(3, Some(10), "SH01")]).await;
    bus::idle(&env, &[("EVENTS", "campaign_members")]).await;
    say(&env, &[said(1, 10, None), said(2, 10, Some(2027)), said(3, 5, Some(2027))]).await;
    let standing = json!({
        "member_id": Uuid::from_u128(2), "member_no": "M2", "tier": "gold", "ordinal": 4, "since": "2026-09-01T00:00:00Z",
        "program_version": 1, "store": "SH01",
    });
    publish(&env, &[serde_json::from_value::<TierStanding>(standing).expect("a standing")]).await;
    bus::idle(&env, &[("EVENTS", "campaign_members"), ("EVENTS", "campaign_tiers")]).await;
    let of = |document, member| earned(document, member, &[("maintenance", 1_500)]);
    publish(&env, &[of("R1", 1), of("R2", 2), of("R3", 3)]).await;
    let answers = answers(&env).await;
    let bonus = |document: &str| answers[document].join(", ");
    assert_eq!(bonus("R1"), "birthday@1 maintenance x20000 1500");
    assert_eq!(bonus("R2"), "gold@1 maintenance x30000 3000");
    assert_eq!(bonus("R3"), "birthday@1 maintenance x20000 1500", "what is known stays");
    assert!(campaign.stop().await);
}
