//! The same documents come to the same, in any order and however often each is sent, as long as no cap bites; and where one does,
//! it is a hard stop. Four copies of every service work, and sixty-four clients publish at the same time.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use futures_util::future::join_all;
use jifen_e2e::{Client, PATIENCE, System, alone, ledger::Account, today, until};
use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

use crate::documents::{invoice, phone, registration, vin};

/// The same documents four times over, each time of other people and in another order.
const WORLDS: usize = 4;
const PEOPLE: usize = 6;
const PUBLISHERS: usize = 64;
const COPIES: usize = 3;
/// Four copies of every service share the embedded database.
const CONNECTIONS: &str = "3";
/// The budgets that bite.
const OFFER: i64 = 7_000;
const OFFER_A_MEMBER: i64 = 400;
const FUEL: i64 = 900;
/// People and bills of the store where the offer is.
const GUESTS: usize = 30;
const BILLS: usize = 5;

/// Double points without a limit in one store; twice limited in another; a partner with and one without a budget.
async fn apply_rules(system: &System, from: NaiveDate) {
    let folder = system.folder().join("program");
    let folder = folder.to_str().expect("a path");
    system.run(&["program", "get", "--into", folder]).await.ok();
    let file = format!("{folder}/earn.toml");
    let partner = |code: &str, more: &str| {
        format!("[[partner]]\ncode = \"{code}\"\nname = {{ zh = \"伙伴\", en = \"Partner\" }}\nrate = \"0.5\"\n{more}\n")
    };
    let earn = std::fs::read_to_string(&file).expect("the rules of earning");
    let partners = format!("{earn}\n{}{}", partner("fuel-1", &format!("budget = {FUEL}")), partner("wash", ""));
    std::fs::write(&file, partners).expect("written");
    let campaign = |code: &str, store: &str, more: &str| {
        format!(
            "[[campaign]]\ncode = \"{code}\"\nname = {{ zh = \"双倍\", en = \"Double\" }}\nfactor = \"2\"\nfrom = {from}\nto = {}\nstores = [\"{store}\"]\n{more}\n",
            today()
        )
    };
    let limited = format!("budget = {OFFER}\nmember_cap = {OFFER_A_MEMBER}");
    let campaigns = campaign("free", "SH01", "") + &campaign("limited", "SH02", &limited);
    std::fs::write(format!("{folder}/campaigns.toml"), campaigns).expect("written");
    system.run(&["program", "apply", folder, "--effective-from", &from.to_string()]).await.ok();
}

/// A message of a store.
#[derive(Clone)]
struct Sent {
    subject: String,
    bytes: String,
}

fn sent(kind: &str, document: &Value) -> Sent {
    Sent { subject: format!("pos.v1.{}.{kind}", document["store"].as_str().expect("a store")), bytes: document.to_string() }
}

/// Who is who: a number that nobody else in the test has.
fn person(world: usize, number: usize) -> usize {
    world * 100 + number
}

/// What happens to one person of a world: the same in each world but for names and numbers.
fn story(world: usize, number: usize, first: NaiveDate, rng: &mut StdRng) -> Vec<Sent> {
    let who = person(world, number);
    let id = |kind: &str, count: usize| format!("W{world}-{kind}{number}-{count}");
    let at = |rng: &mut StdRng| {
        let (day, hour) = (first + Days::new(rng.random_range(0..20)), rng.random_range(9..18));
        format!("{day}T{hour:02}:30:00+08:00")
    };
    let customer = json!({ "phone": phone(who) });
    let mut all = Vec::new();
    for count in 0..5 {
        let fen: u32 = rng.random_range(100..200_000);
        let yuan = format!("{}.{:02}", fen / 100, fen % 100);
        let category = ["maintenance", "repair", "parts", "other"][rng.random_range(0..4)];
        let mut bill = invoice("SH01", &id("R", count), &at(rng), &customer, category, &yuan);
        if rng.random_bool(0.5) {
            let payer = ["insurance", "warranty", "customer"][rng.random_range(0..3)];
            let line = json!({ "line": 2, "category": "repair", "payer": payer, "amount": "88.80" });
            bill["lines"].as_array_mut().expect("lines").push(line);
        }
        if rng.random_bool(0.5) {
            bill["customer"]["vin"] = vin(who).into();
        }
        all.push(sent("invoice", &bill));
    }
    let interaction = |count: usize, kind: &str, at: String| json!({ "store": "SH01", "interaction_no": id("I", count), "kind": kind, "occurred_at": at, "customer": customer });
    for count in 0..3 {
        all.push(sent("interaction", &interaction(count, "check_in", at(rng))));
    }
    for count in 3..5 {
        let mut review = interaction(count, "review", format!("{}T20:00:00+08:00", first + Days::new(21)));
        review["about"] = id("R", count - 3).into();
        all.push(sent("interaction", &review));
    }
    let purchase = json!({
        "store": "SH01", "purchase_no": id("P", 0), "partner": "wash", "occurred_at": at(rng), "customer": customer, "amount": "301.99",
    });
    all.push(sent("partner_purchase", &purchase));
    let sale = json!({
        "store": "SH01", "sale_no": id("V", 0), "delivered_at": format!("{first}T10:00:00+08:00"), "customer": customer, "vin": vin(who),
        "series": "X5", "price": "186000.00",
    });
    all.push(sent("vehicle_sale", &sale));
    // Half of them are signed up by a document among the others, half at the counter while the others are on their way.
    if number.is_multiple_of(2) {
        let sign_up = json!({
            "store": "SH01", "sign_up_no": id("S", 0), "at": format!("{first}T09:00:00+08:00"), "name": "欧阳晓明", "phone": phone(who),
            "birthday": "1990-05-01", "consents": ["sms:service"], "store_confirmed": true,
        });
        all.push(sent("sign_up", &sign_up));
    }
    all
}

/// What is behind the limits: bills of 100 yuan, purchases of 100 yuan, and as many check-ins of one day as there are bills.
fn rush(first: NaiveDate) -> Vec<Sent> {
    let mut all = Vec::new();
    for guest in 0..GUESTS {
        let customer = json!({ "phone": phone(person(9, guest)) });
        for count in 0..BILLS {
            let (number, at) = (format!("L{guest}-{count}"), format!("{first}T10:00:00+08:00"));
            all.push(sent("invoice", &invoice("SH02", &number, &at, &customer, "repair", "100.00")));
            let purchase = json!({
                "store": "SH02", "purchase_no": number, "partner": "fuel-1", "occurred_at": at, "customer": customer, "amount": "100.00",
            });
            all.push(sent("partner_purchase", &purchase));
            let check_in = json!({
                "store": "SH02", "interaction_no": number, "kind": "check_in", "occurred_at": at, "customer": customer,
            });
            all.push(sent("interaction", &check_in));
        }
    }
    all
}

/// Each publisher is a client of its own.
async fn publish(system: &System, messages: &[Sent]) {
    let url = system.nats_url();
    let parts = messages.chunks(messages.len().div_ceil(PUBLISHERS));
    join_all(parts.map(async |part| {
        let client = Client::connect(&url).await;
        for message in part {
            client.publish(&message.subject, &message.bytes).await;
        }
    }))
    .await;
}

async fn member_no(client: &Client, who: usize) -> String {
    let found = client.ask("api.member.member.search", &json!({ "phone": phone(who) })).await.expect("an answer");
    found["members"][0]["member_no"].as_str().expect("a member").to_owned()
}

/// The chain has no gap, and what is there is what was earned.
fn assert_sound(account: &Account, member_no: &str) {
    let points: i64 = account.entries.iter().map(|entry| entry["points"].as_i64().expect("points")).sum();
    let sequences: Vec<_> = account.entries.iter().map(|entry| entry["sequence"].as_u64().expect("a sequence")).collect();
    assert_eq!(sequences, (1..=account.entries.len() as u64).collect::<Vec<_>>(), "{member_no}");
    assert_eq!((&account.account["active"], &account.account["lifetime"]), (&json!(points), &json!(points)), "{member_no}");
}

/// What a person has, without what names the world: which bill brought the first spending is the order's to say.
async fn outcome(client: &Client, world: usize, number: usize) -> Value {
    let member_no = member_no(client, person(world, number)).await;
    let account = Account::read(client, &member_no).await;
    assert_sound(&account, &member_no);
    let mut entries: Vec<String> = account
        .entries
        .iter()
        .map(|entry| {
            let is_first = entry["kind"] == "first_spending";
            let document = entry["document"].as_str().filter(|_| !is_first).unwrap_or_default();
            // Of several check-ins of a day which is rewarded is the order's to say, too.
            let document = if entry["rule"].as_str().is_some_and(|rule| rule.contains("check_in")) { "" } else { document };
            format!("{} {} {} {}", entry["kind"], entry["points"], document.trim_start_matches(&format!("W{world}-")), entry["rule"])
        })
        .collect();
    entries.sort();
    let pick = |of: &Value, names: &[&str]| names.iter().map(|name| ((*name).to_owned(), of[*name].clone())).collect::<BTreeMap<_, _>>();
    json!({
        "entries": entries, "account": pick(&account.account, &["active", "pending", "reserved", "debt", "lifetime"]),
        "standing": pick(&account.standing, &["tier", "qualifying", "metrics", "benefits"]),
    })
}

async fn bonus_of(client: &Client, campaign: &str) -> i64 {
    let report = client.ask("api.campaign.campaign.report", &json!({})).await.expect("a report");
    let of_code = report["campaigns"].as_array().expect("campaigns").iter().filter(|of| of["code"] == campaign);
    of_code.map(|of| of["points"].as_i64().expect("points")).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_comes_to_the_same_and_limits_hold_under_four_copies_and_sixty_four_publishers() {
    let _alone = alone().await;
    let first = today() - Days::new(25);
    let mut system = System::new().with("JIFEN_CONNECTIONS", CONNECTIONS);
    system.start().await;
    apply_rules(&system, first).await;
    for _ in 0..COPIES {
        system.add_copy().await;
    }
    let client = system.client().await;
    let mut messages = Vec::new();
    for world in 0..WORLDS {
        // The same story for all worlds; then an order and repeats of its own.
        let mut rng = StdRng::seed_from_u64(7);
        let all: Vec<Sent> = (0..PEOPLE).flat_map(|number| story(world, number, first, &mut rng)).collect();
        let mut order = StdRng::seed_from_u64(100 + u64::try_from(world).expect("small"));
        let mut often: Vec<Sent> = all.iter().flat_map(|one| std::iter::repeat_n(one.clone(), order.random_range(1..=3))).collect();
        often.shuffle(&mut order);
        messages.push(often);
    }
    let mut order = StdRng::seed_from_u64(99);
    let mut twice: Vec<Sent> = rush(first).into_iter().flat_map(|one| [one.clone(), one]).collect();
    twice.shuffle(&mut order);
    messages.push(twice);
    let register = async {
        let counter = (0..WORLDS).flat_map(|world| (1..PEOPLE).step_by(2).map(move |number| (person(world, number), "SH01")));
        let guests = (0..GUESTS).map(|guest| (person(9, guest), "SH02"));
        for (who, store) in counter.chain(guests) {
            let mut request = registration(who, store);
            request["vehicles"] = json!([]);
            client.ask("api.member.member.register", &request).await.expect("registered");
        }
    };
    let all: Vec<Sent> = interleaved(messages);
    tokio::join!(publish(&system, &all), register);
    system.quiet(&client).await;

    // What waits for its order is looked at once a second, and later more seldom.
    let reviews = json!({ "source": "interaction", "store": "SH01" });
    for (world, number, count) in (0..WORLDS).flat_map(|world| (0..PEOPLE).flat_map(move |number| [(world, number, 3), (world, number, 4)]))
    {
        let mut request = reviews.clone();
        request["member_no"] = member_no(&client, person(world, number)).await.into();
        request["document"] = format!("W{world}-I{number}-{count}").into();
        until("a review is rewarded", PATIENCE, async || client.ask("api.points.entry.explain", &request).await.ok()).await;
    }
    system.quiet(&client).await;
    for number in 0..PEOPLE {
        let expected = outcome(&client, 0, number).await;
        assert!(expected["entries"].as_array().expect("entries").len() >= 10, "{expected:#}");
        for world in 1..WORLDS {
            assert_eq!(outcome(&client, world, number).await, expected, "person {number} of world {world}");
        }
    }
    limits_hold(&client).await;
    // What is known of members may be said once more at any time: whoever knows it has nothing to do, and nobody is told of it.
    let commands = client.all("NOTIFY").await.len();
    let said = system.run(&["replay"]).await.ok();
    assert!(said.contains(&format!("members: {} said once more", WORLDS * PEOPLE + GUESTS)), "{said}");
    system.quiet(&client).await;
    assert_eq!(client.all("NOTIFY").await.len(), commands);
    let doctor = system.run(&["doctor"]).await.ok();
    assert!(doctor.contains("points: 4 running") && doctor.contains("everything is well"), "{doctor}");
    system.stop(Signal::SIGTERM).await;
}

/// All lists at the same time, as far as they reach.
fn interleaved(lists: Vec<Vec<Sent>>) -> Vec<Sent> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest).flat_map(|place| lists.iter().filter_map(move |list| list.get(place).cloned())).collect()
}

/// 12,000 points are due of the offer below the members' cap, and 7,500 of the partner: each is used up to its last point, and nobody has more than the cap.
async fn limits_hold(client: &Client) {
    assert_eq!(bonus_of(client, "limited").await, OFFER);
    let (mut bonus, mut fuel) = (0, 0);
    for guest in 0..GUESTS {
        let member_no = member_no(client, person(9, guest)).await;
        let account = Account::read(client, &member_no).await;
        assert_sound(&account, &member_no);
        let of = |kind: &str| {
            let entries = account.entries.iter().filter(|entry| entry["kind"] == kind);
            entries.map(|entry| entry["points"].as_i64().expect("points")).sum::<i64>()
        };
        assert!(of("bonus") <= OFFER_A_MEMBER, "{member_no}: {}", of("bonus"));
        assert_eq!((of("accrual"), of("first_spending"), of("interaction")), (500, 100, 5), "{member_no}");
        bonus += of("bonus");
        fuel += of("partner");
    }
    assert_eq!((bonus, fuel), (OFFER, FUEL));
}
