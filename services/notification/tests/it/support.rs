//! Running copies of notification, a member service that answers for contacts, and what others would publish.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, EventType,
    endpoint::{Contact, Contacts, ContactsReply, ContactsRequest, Empty, Endpoint, Language, MemberStatus, NotificationCounts},
    event::{AccrualSettled, Balance, EntryKind, MemberRegistered, PostedEntry, TierUpgraded},
    notify::Command,
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use jifen_runtime::{Running, ask};
use jifen_testkit::{DEADLINE, Schema, TestEnv, bus, samples, service_config};
use serde_json::json;
use uuid::Uuid;

pub const DURABLES: [(&str, &str); 4] = [
    ("EVENTS", "notification_registered"),
    ("EVENTS", "notification_settled"),
    ("EVENTS", "notification_upgraded"),
    ("GATEWAY_RECEIPTS", "notification_gateway_receipts"),
];

/// Contacts; none for a member whose contact can't be opened.
type Known = Arc<Mutex<HashMap<MemberId, Option<Contact>>>>;

pub struct Bench {
    pub env: TestEnv,
    known: Known,
}

pub fn store() -> StoreCode {
    StoreCode::try_new("SH01").expect("store")
}

pub fn member(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

pub fn phone(number: u128) -> String {
    format!("+86138{number:08}")
}

/// The texts of version `version` say which one they are of.
pub fn program(version: u32) -> AppliedProgram {
    let template = |kind: &str, text: &str| json!({ "kind": kind, "class": "service", "template": kind.to_uppercase(), "valid_hours": 24, "text": format!("{text} v{version}") });
    let program = json!({
        "stores": [{ "code": "SH01", "name": { "zh": "浦东店", "en": "Pudong" } }],
        "tiers": [
            { "code": "regular", "name": { "zh": "普通会员", "en": "Regular" }, "from": 0 },
            { "code": "silver", "name": { "zh": "银卡会员", "en": "Silver" }, "from": 5000 },
        ],
        "messages": { "sign": "会员中心", "templates": [
            template("welcome", "{{ member_no }}@{{ store_name }}"),
            template("points_earned", "{{ points }}+{{ bonus }}={{ balance }}@{{ store_name }}"),
            template("tier_upgraded", "{{ tier_name }}@{{ store_name }}"),
        ] },
    });
    AppliedProgram { effective_from: format!("20{version:02}-01-01").parse().expect("date"), ..samples::program(version, program) }
}

fn at() -> DateTime<Utc> {
    "2026-10-01T02:21:33Z".parse().expect("instant")
}

pub fn registered(number: u128) -> MemberRegistered {
    MemberRegistered {
        status: jifen_contracts::endpoint::MemberStatus::Active,
        member_id: member(number),
        member_no: format!("M{number}"),
        store: store(),
        registered_at: at(),
        phone: jifen_contracts::KeyedHash(format!("1:{number}")),
        vehicles: Vec::new(),
        birthday: None,
    }
}

pub fn settled(number: u128, document: &str, entries: &[(EntryKind, i64)], version: u32) -> AccrualSettled {
    let entry = |(kind, points): &(EntryKind, i64)| PostedEntry {
        entry_id: Uuid::nil(),
        kind: *kind,
        rule: "earn@1".to_owned(),
        category: None,
        points: Points(*points),
        qualifying: true,
        pending: false,
    };
    AccrualSettled {
        source: jifen_contracts::event::AccrualSource::Invoice,
        store: store(),
        document: document.to_owned(),
        member_id: member(number),
        member_no: format!("M{number}"),
        issued_at: at(),
        business_date: "2026-10-01".parse().expect("date"),
        program_version: version,
        vehicle: None,
        visit: true,
        paid_visit: true,
        categories: Vec::new(),
        entries: entries.iter().map(entry).collect(),
        balance: Balance { active: Points(9_000), ..Balance::default() },
    }
}

pub fn upgraded(number: u128, ordinal: i64) -> TierUpgraded {
    let tier = |code| Token::try_new(code).expect("tier");
    TierUpgraded {
        member_id: member(number),
        member_no: format!("M{number}"),
        from: tier("regular"),
        to: tier("silver"),
        ordinal,
        at: at(),
        program_version: 1,
        store: store(),
        document: "R1".to_owned(),
    }
}

impl Bench {
    /// Surroundings in which nobody answers for contacts yet.
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "notification", migrator: &jifen_notification::MIGRATIONS }]).await;
        Self { env, known: Known::default() }
    }

    /// Makes a member known with these consents.
    pub fn knows(&self, number: u128, consents: &[&str]) {
        let consents = consents.iter().map(ToString::to_string).collect();
        let contact = Contact {
            member_id: member(number),
            phone: phone(number),
            consents,
            wechat_openid: None,
            language: Language::Zh,
            status: MemberStatus::Active,
        };
        self.known.lock().expect("lock").insert(contact.member_id, Some(contact));
    }

    /// Makes a member known whose contact the vault can't open.
    pub fn cannot_open(&self, number: u128) {
        self.known.lock().expect("lock").insert(member(number), None);
    }

    /// Answers for contacts from here on, as `member` does.
    pub async fn answer_contacts(&self) {
        let (nats, known) = (self.env.nats("member").await, Arc::clone(&self.known));
        let mut requests = nats.subscribe(Contacts::SUBJECT).await.expect("subscription");
        nats.flush().await.expect("flush");
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let asked: ContactsRequest = serde_json::from_slice(&request.payload).expect("request");
                let (contacts, unreadable) = {
                    let known = known.lock().expect("lock");
                    let contacts = asked.member_ids.iter().filter_map(|id| known.get(id).cloned().flatten()).collect();
                    (contacts, asked.member_ids.into_iter().filter(|id| known.get(id) == Some(&None)).collect())
                };
                let reply = serde_json::to_vec(&ContactsReply { contacts, unreadable }).expect("json");
                nats.publish(request.reply.expect("reply"), reply.into()).await.expect("answer");
            }
        });
    }

    /// A copy that knows version 1.
    pub async fn copy(&self, batch: usize) -> Running {
        let mut config = service_config(&self.env, "notification");
        (config.limits.batch_messages, config.limits.guard_every_s) = (batch, 1);
        let running = jifen_notification::service().start(config).await.expect("notification starts");
        running.cx().programs.learn([program(1)]);
        running
    }

    /// Publishes an event as its service would.
    pub async fn publish<T: EventType>(&self, event: &T) {
        self.publish_all(std::slice::from_ref(event)).await;
    }

    pub async fn publish_all<T: EventType>(&self, events: &[T]) {
        bus::publish(&self.env, events).await;
    }

    /// Publishes gateway receipts on a subject, as they are.
    pub async fn report(&self, channel: &str, receipts: &[String]) {
        let subject = format!("gateway.v1.{channel}.receipt");
        let messages = receipts.iter().map(|receipt| (subject.clone(), receipt.clone().into_bytes()));
        bus::publish_raw(&self.env, &format!("gateway_{channel}"), messages).await;
    }

    /// Waits until the service has read everything and published everything.
    pub async fn settle(&self) {
        bus::idle(&self.env, &DURABLES).await;
        bus::all_published(&self.env, "notification").await;
    }

    /// Every message of a stream that `subject` finds.
    pub async fn messages(&self, stream: &str, subject: &str) -> Vec<serde_json::Value> {
        let stream = self.env.js("local").await.get_stream(stream).await.expect("stream");
        let config = async_nats::jetstream::consumer::pull::OrderedConfig { filter_subject: subject.to_owned(), ..Default::default() };
        let mut consumer = stream.create_consumer(config).await.expect("consumer");
        let count = usize::try_from(consumer.info().await.expect("info").num_pending).expect("count");
        let messages = consumer.messages().await.expect("messages");
        let all = messages.take(count).map(|message| serde_json::from_slice(&message.expect("message").payload).expect("json"));
        tokio::time::timeout(DEADLINE, all.collect()).await.expect("in time")
    }

    /// Every command so far.
    pub async fn commands(&self) -> Vec<Command> {
        let messages = self.messages("NOTIFY", "notify.v1.sms.*").await;
        messages.into_iter().map(|message| serde_json::from_value::<Envelope<Command>>(message).expect("command").data).collect()
    }

    /// The texts of all commands by telephone number and kind, sorted.
    pub async fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self
            .commands()
            .await
            .into_iter()
            .map(|command| format!("{} {} {}", command.to.phone.unwrap_or_default(), command.kind, command.text))
            .collect();
        texts.sort();
        texts
    }

    pub async fn counts(&self) -> BTreeMap<String, i64> {
        ask::<NotificationCounts>(&self.env.nats("operator").await, &Empty {}).await.expect("counts").counts
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.env.pool("notification")).await.expect("number")
    }
}
