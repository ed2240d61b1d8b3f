//! What a system has come to, read from outside: balances, tiers, entries and messages, in a form that two systems have alike
//! if they were told the same, whatever ids they gave.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{Client, Heard};

/// A page of entries.
const PAGE: usize = 200;

/// The state of a system at rest. Members are known by the first of their documents, since numbers and ids differ from
/// system to system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// How many are registered.
    pub members: usize,
    /// Balance, tier and what is due when, by member.
    pub accounts: BTreeMap<String, String>,
    /// `member document rule@version kind category points expiry`, sorted; of a first spending neither document nor expiry,
    /// since whichever invoice came first brings it.
    pub entries: Vec<String>,
    /// Messages about registrations and accruals, by kind. Upgrades are left out: a step may be passed on the way, or not.
    pub messages: BTreeMap<String, usize>,
    /// Documents that wait, and why.
    pub parked: BTreeSet<String>,
}

impl Ledger {
    /// Reads the whole system, which is at rest. Every account is checked on the way, and that nobody heard of anything twice.
    pub async fn read(client: &Client) -> Self {
        let events = client.all("EVENTS").await;
        let members: BTreeSet<String> = data(&events, "evt.member.registered.").map(|event| text(event, "member_no")).collect();
        let mut documents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in data(&events, "evt.points.earned.") {
            documents.entry(text(event, "member_no")).or_default().insert(document(event));
        }
        let (mut accounts, mut entries) = (BTreeMap::new(), Vec::new());
        for member_no in &members {
            let known_by = documents.get(member_no).and_then(|own| own.first().cloned());
            let account = Account::read(client, member_no).await;
            account.check(member_no);
            let Some(known_by) = known_by else {
                assert_eq!(account.entries, [] as [Value; 0], "{member_no} has entries, and no document");
                continue;
            };
            entries.extend(account.entries.iter().map(|entry| line(&known_by, entry)));
            accounts.insert(known_by, account.summary());
        }
        entries.sort();
        let messages = messages(&events, &client.all("NOTIFY").await);
        let parked = parked(&client.all("RECEIPTS").await);
        Self { members: members.len(), accounts, entries, messages, parked }
    }

    /// Panics with the first differences where `self` and `other` are not the same.
    pub fn assert_same(&self, other: &Self) {
        assert_eq!(self.members, other.members, "members");
        let accounts = |ledger: &Self| ledger.accounts.iter().map(|(member, account)| format!("{member}: {account}")).collect();
        assert_same_lines("accounts", &accounts(self), &accounts(other));
        // Sorted, and compared with their number: the same line may stand twice.
        assert_same_lines("entries", &self.entries.iter().cloned().collect(), &other.entries.iter().cloned().collect());
        assert_eq!(self.entries, other.entries, "the same entries, but not as often");
        assert_same_lines("parked documents", &self.parked, &other.parked);
        assert_eq!(self.messages, other.messages, "messages");
    }
}

fn assert_same_lines(what: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(found).take(10).collect();
    let too_many: Vec<_> = found.difference(expected).take(10).collect();
    assert!(missing.is_empty() && too_many.is_empty(), "{what}: missing {missing:#?}, not expected {too_many:#?}");
}

/// The content of the events whose subject begins so, each event once: a sender may have to repeat one.
fn data<'a>(events: &'a [Heard], subject: &'a str) -> impl Iterator<Item = &'a Value> {
    let mut seen = BTreeSet::new();
    events.iter().filter(move |event| event.subject.starts_with(subject) && seen.insert(text(&event.json, "id"))).map(Heard::data)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

fn document(value: &Value) -> String {
    format!("{}/{}", text(value, "store"), text(value, "document"))
}

/// A member's account as the endpoints tell it.
#[derive(Debug)]
pub struct Account {
    /// `api.points.account.get`.
    pub account: Value,
    /// `api.tier.standing.get`.
    pub standing: Value,
    /// `api.points.entries.list`, all pages, oldest first.
    pub entries: Vec<Value>,
}

impl Account {
    /// Asks for all of it.
    pub async fn read(client: &Client, member_no: &str) -> Self {
        let who = json!({ "member_no": member_no });
        let account = client.ask("api.points.account.get", &who).await.expect("an account");
        let standing = client.ask("api.tier.standing.get", &who).await.expect("a standing");
        let mut entries: Vec<Value> = Vec::new();
        loop {
            let before = entries.last().map_or(Value::Null, |entry| entry["sequence"].clone());
            let request = json!({ "member_no": member_no, "limit": PAGE, "before": before });
            let page = client.ask("api.points.entries.list", &request).await.expect("entries");
            let page = page["entries"].as_array().expect("a list").clone();
            let more = page.len() == PAGE;
            entries.extend(page);
            if !more {
                break;
            }
        }
        entries.reverse();
        Self { account, standing, entries }
    }

    fn points(&self) -> i64 {
        self.entries.iter().map(|entry| entry["points"].as_i64().expect("points")).sum()
    }

    /// The chain has no gap, and every figure is the sum of the entries.
    pub fn check(&self, member_no: &str) {
        let Self { account, standing, entries } = self;
        let sequences: Vec<i64> = entries.iter().map(|entry| entry["sequence"].as_i64().expect("a sequence")).collect();
        let expected: Vec<i64> = (1..=i64::try_from(entries.len()).expect("a count")).collect();
        assert_eq!(sequences, expected, "the chain of {member_no}");
        assert_eq!(account["sequence"], entries.len(), "{member_no}: {account}");
        let hashes: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["hash"].as_str()).collect();
        assert_eq!(hashes.len(), entries.len(), "every entry of {member_no} has a hash of its own");
        for figure in ["active", "lifetime"] {
            assert_eq!(account[figure], self.points(), "{figure} of {member_no}: {account}");
        }
        for figure in ["pending", "reserved", "debt"] {
            assert_eq!(account[figure], 0, "{figure} of {member_no}: {account}");
        }
        let expiring = account["expiring"].as_array().expect("a list");
        assert_eq!(expiring.iter().map(|lot| lot["points"].as_i64().expect("points")).sum::<i64>(), self.points(), "{account}");
        assert_eq!(standing["qualifying"], self.points(), "{member_no}: {standing}");
        let first = entries.iter().filter(|entry| entry["kind"] == "first_spending").count();
        assert!(first <= 1, "{member_no} had {first} first spendings");
    }

    fn summary(&self) -> String {
        // What is due when moves with the first spending: by day without it, and it alone.
        let mut due: BTreeMap<String, i64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry["kind"] != "first_spending") {
            *due.entry(text(entry, "expires_on")).or_default() += entry["points"].as_i64().expect("points");
        }
        format!("{} points, {}, due {due:?}", self.account["active"], text(&self.standing, "tier"))
    }
}

fn line(member: &str, entry: &Value) -> String {
    let (kind, rule, points) = (text(entry, "kind"), text(entry, "rule"), &entry["points"]);
    if kind == "first_spending" {
        return format!("{member} {rule} {kind} {points}");
    }
    let category = entry["category"].as_str().unwrap_or("-");
    format!("{member} {} {rule} {kind} {category} {points} {}", document(entry), text(entry, "expires_on"))
}

/// Messages by kind. Panics where an event was told twice, or one message has two contents.
fn messages(events: &[Heard], commands: &[Heard]) -> BTreeMap<String, usize> {
    // What happened, by the id of the event that says so. A member's business event has one name, however often it is said.
    let happened: BTreeMap<String, String> = events
        .iter()
        .filter_map(|event| {
            let data = event.data();
            let what = match event.subject.split('.').take(3).collect::<Vec<_>>()[..] {
                ["evt", "member", "registered"] => "registered".to_owned(),
                ["evt", "points", "accrual_settled"] => document(data),
                ["evt", "tier", "upgraded"] => format!("upgrade {}", data["ordinal"]),
                ["evt", "tier", "entitlement_granted"] => format!("entitlement {}", data["entitlement_id"]),
                _ => return None,
            };
            Some((text(&event.json, "id"), format!("{} {what}", text(data, "member_no"))))
        })
        .collect();
    let mut contents: BTreeMap<String, &Value> = BTreeMap::new();
    for command in commands {
        let id = text(command.data(), "notification_id");
        let first = contents.entry(id).or_insert(&command.json);
        assert_eq!(**first, command.json, "one message, one content");
    }
    let mut told = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for command in contents.values() {
        let cause = text(command, "causationid");
        let what = happened.get(&cause).unwrap_or_else(|| panic!("nothing happened that {command} tells"));
        assert!(told.insert(what), "told twice: {what}");
        let kind = text(&command["data"], "kind");
        // How many steps a member took to the same tier, and what each brought, is the order's to say.
        if kind != "tier_upgraded" && kind != "entitlement_granted" {
            *counts.entry(kind).or_default() += 1;
        }
    }
    // And nothing is left untold: every upgrade, and every accrual with points.
    let with_points = |event: &&Value| event["entries"].as_array().is_some_and(|entries| !entries.is_empty());
    let settled = data(events, "evt.points.accrual_settled.").filter(with_points).map(document).collect::<BTreeSet<_>>().len();
    assert_eq!(counts.get("points_earned").copied().unwrap_or(0), settled, "one message an accrual");
    let upgrades = data(events, "evt.tier.upgraded.").count();
    let entitlements =
        data(events, "evt.tier.entitlement_granted.").map(|data| text(data, "entitlement_id")).collect::<BTreeSet<_>>().len();
    assert_eq!(contents.len(), counts.values().sum::<usize>() + upgrades + entitlements, "one message an upgrade and an entitlement");
    counts
}

/// Documents that wait: parked, and not accepted. In whatever order that was said: receipts of two copies may overtake each other.
fn parked(receipts: &[Heard]) -> BTreeSet<String> {
    let with_status = |status: &'static str| receipts.iter().filter(move |receipt| receipt.data()["status"] == status);
    let name = |receipt: &Heard| format!("{} {}", receipt.subject, text(receipt.data(), "document"));
    let accepted: BTreeSet<String> = with_status("accepted").map(name).collect();
    let waits = |receipt: &&Heard| !accepted.contains(&name(receipt));
    with_status("parked").filter(waits).map(|receipt| format!("{}: {}", name(receipt), text(receipt.data(), "code"))).collect()
}
