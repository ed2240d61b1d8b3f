//! Running copies of notification, a member service that answers for contacts, and what others would publish.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, EventType, Problem,
    endpoint::{
        ConsentChange, ConsentChangeReply, ConsentChangeRequest, Contact, Contacts, ContactsReply, ContactsRequest, Empty, Endpoint,
        Language, MemberGet, MemberReply, MemberRequest, MemberStatus, NotificationCounts,
    },
    event::{AccrualSettled, Balance, CampaignStarted, EntryKind, MemberRegistered, PostedEntry, TierUpgraded},
    notify::Command,
    program::AppliedProgram,
};
use jifen_kernel::{Clock, ManualClock, MemberId, Points, StoreCode, Token};
use jifen_runtime::{Running, ask, context::ClockHandle};
use jifen_testkit::{DEADLINE, Schema, TestEnv, bus, samples, service_config};
use serde_json::json;
use uuid::Uuid;

pub const DURABLES: [(&str, &str); 9] = [
    ("EVENTS", "notification_registered"),
    ("EVENTS", "notification_code_issued"),
    ("EVENTS", "notification_settled"),
    ("EVENTS", "notification_upgraded"),
    ("EVENTS", "notification_member_news"),
    ("EVENTS", "notification_campaign_news"),
    ("EVENTS", "notification_expiry_news"),
    ("GATEWAY_RECEIPTS", "notification_gateway_receipts"),
    ("GATEWAY_RECEIPTS", "notification_gateway_replies"),
];

/// Contacts; none for a member whose contact can't be opened.
type Known = Arc<Mutex<HashMap<MemberId, Option<Contact>>>>;

pub struct Bench {
    pub env: TestEnv,
    known: Known,
    clock: Option<Arc<ManualClock>>,
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
            { "kind": "activation_code", "class": "verify", "template": "CODE", "valid_hours": 1, "valid_minutes": 10,
              "text": "{{ code }} {{ minutes }}" },
            template("lapse_warning", "{{ member_no }} {{ date }}"),
            template("tier_downgraded", "{{ tier_name }}"),
            template("entitlement_granted", "{{ benefit }} {{ count }} {{ date }}"),
            template("points_expiring", "{{ points }} {{ date }} {{ days }} {{ balance }}"),
            template("points_reversed", "{{ points }} {{ balance }} {{ debt }}"),
            template("points_expired", "{{ points }} {{ date }} {{ balance }}"),
            template("downgrade_warning", "{{ tier_name }}>{{ next_tier_name }} {{ date }}"),
            { "kind": "interaction_earned", "class": "service", "template": "ACT", "valid_hours": 24, "text": "{{ what }} {{ points }}",
              "channels": ["wechat", "sms"], "ways": { "wechat": { "template": "TM1", "fields": { "number1": "points" } } } },
            { "kind": "campaign_preheat", "class": "promotion", "template": "SOON", "valid_hours": 48, "text": "{{ campaign }} {{ date }}" },
            { "kind": "campaign_started", "class": "promotion", "template": "START", "valid_hours": 48, "text": "{{ campaign }}",
              "channels": ["wechat", "sms"], "ways": { "wechat": { "template": "TM2", "fields": { "thing1": "campaign" } } } },
            { "kind": "birthday", "class": "promotion", "template": "BIRTHDAY", "valid_hours": 72, "text": "{{ date }} {{ offer }}" },
        ],
        "tasks": [
            { "kind": "repair_call", "from_days": 3, "to_days": 7 },
            { "kind": "downgrade_call", "from_days": 0, "to_days": 14 },
            { "kind": "birthday_call", "from_days": 4, "to_days": 7, "tiers": ["silver"] },
        ] },
        "campaigns": [{ "code": "birthday_double", "name": { "zh": "生日双倍积分", "en": "Birthday double" }, "factor": "2",
                        "from": "2000-01-01", "to": "2099-12-31", "birthday_month": true }],
    });
    AppliedProgram { effective_from: format!("20{version:02}-01-01").parse().expect("date"), ..samples::program(version, program) }
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

fn at() -> DateTime<Utc> {
    instant("2026-10-01T02:21:33Z")
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

/// A campaign that began on 1 October 2026, told to these members.
pub fn started(campaign: &str, numbers: impl IntoIterator<Item = u128>) -> CampaignStarted {
    let day = |text: &str| text.parse().expect("day");
    CampaignStarted {
        campaign: Token::try_new(campaign).expect("campaign"),
        version: 1,
        name: jifen_contracts::code::Text::new(campaign, campaign),
        from: day("2026-10-01"),
        to: day("2026-10-31"),
        store: Some(store()),
        members: numbers.into_iter().map(member).collect(),
    }
}

impl Bench {
    /// Surroundings in which nobody answers for contacts yet.
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "notification", migrator: &jifen_notification::MIGRATIONS }]).await;
        Self { env, known: Known::default(), clock: None }
    }

    /// The same with a clock that stands at an instant.
    pub async fn start_at(at: &str) -> Self {
        let clock = Arc::new(ManualClock::new(instant(at)));
        Self { clock: Some(clock), ..Self::start().await }
    }

    /// Moves the clock.
    pub fn set_clock(&self, at: &str) {
        self.clock.as_ref().expect("a manual clock").set(instant(at));
    }

    /// Sends what is due now, through this copy.
    pub async fn send_due(&self, copy: &Running) {
        jifen_runtime::job::run_once(copy.cx(), &jifen_notification::jobs::SendDue).await.expect("due");
        bus::all_published(&self.env, "notification").await;
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

    /// Makes a member known who reads WeChat, too.
    pub fn knows_on_wechat(&self, number: u128, consents: &[&str]) {
        self.knows(number, consents);
        let mut known = self.known.lock().expect("lock");
        let contact = known.get_mut(&member(number)).and_then(Option::as_mut).expect("known");
        contact.wechat_openid = Some(format!("o{number}"));
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

    /// Answers who has a number from here on: `M<number>` of a known member.
    pub async fn answer_members(&self) {
        let (nats, known) = (self.env.nats("member").await, Arc::clone(&self.known));
        let mut requests = nats.subscribe(MemberGet::SUBJECT).await.expect("subscription");
        nats.flush().await.expect("flush");
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let asked: MemberRequest = serde_json::from_slice(&request.payload).expect("request");
                let number = asked.member_no.trim_start_matches('M').parse().expect("number");
                let is_known = known.lock().expect("lock").contains_key(&member(number));
                let reply = MemberReply {
                    member_id: member(number),
                    member_no: asked.member_no,
                    status: MemberStatus::Active,
                    store: "SH01".to_owned(),
                    registered_at: at(),
                    name_masked: String::new(),
                    phone_masked: String::new(),
                    vehicles: 0,
                };
                let mut headers = async_nats::HeaderMap::new();
                let body = if is_known {
                    serde_json::to_vec(&reply)
                } else {
                    headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, "404");
                    serde_json::to_vec(&Problem::new(jifen_contracts::code::MEMBER_UNKNOWN))
                };
                nats.publish_with_headers(request.reply.expect("reply"), headers, body.expect("json").into()).await.expect("answer");
            }
        });
    }

    /// Changes consents from here on, as `member` does, of the phones that are known; gives what it is asked.
    pub async fn change_consents(&self) -> Arc<Mutex<Vec<ConsentChangeRequest>>> {
        let (nats, known, asked) = (self.env.nats("member").await, Arc::clone(&self.known), Arc::new(Mutex::new(Vec::new())));
        let mut requests = nats.subscribe(ConsentChange::SUBJECT).await.expect("subscription");
        nats.flush().await.expect("flush");
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let change: ConsentChangeRequest = serde_json::from_slice(&request.payload).expect("request");
                let found = {
                    let known = known.lock().expect("lock");
                    let is_meant = |contact: &&Contact| {
                        let number = format!("M{}", contact.member_id.0.as_u128());
                        change.phone.as_ref() == Some(&contact.phone) || change.member_no.as_ref() == Some(&number)
                    };
                    known.values().flatten().find(is_meant).map(|contact| contact.member_id)
                };
                heard.lock().expect("lock").push(change);
                let mut headers = async_nats::HeaderMap::new();
                let body = if let Some(member_id) = found {
                    serde_json::to_vec(&ConsentChangeReply { member_id, member_no: String::new(), consents: Vec::new() })
                } else {
                    headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, "404");
                    serde_json::to_vec(&Problem::new(jifen_contracts::code::MEMBER_UNKNOWN))
                };
                nats.publish_with_headers(request.reply.expect("reply"), headers, body.expect("json").into()).await.expect("answer");
            }
        });
        asked
    }

    /// A copy that knows version 1.
    pub async fn copy(&self, batch: usize) -> Running {
        let mut config = service_config(&self.env, "notification");
        (config.limits.batch_messages, config.limits.guard_every_s) = (batch, 1);
        if let Some(clock) = &self.clock {
            config.clock = ClockHandle(Arc::clone(clock) as Arc<dyn Clock>);
        }
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

    /// Publishes an event with its sequence.
    pub async fn publish_in_order<T: EventType>(&self, event: &T, sequence: i64) {
        let id = jifen_kernel::Ids::system().next(bus::published_at());
        let mut envelope = bus::envelope(id, bus::published_at(), event);
        envelope.sequence = Some(jifen_contracts::envelope::sequence_text(sequence));
        let payload = serde_json::to_vec(&envelope).expect("json");
        bus::publish_raw(&self.env, T::SERVICE, [(event.subject(), payload)]).await;
    }

    /// Publishes gateway receipts on a subject, as they are.
    pub async fn report(&self, channel: &str, receipts: &[String]) {
        self.say(channel, "receipt", receipts).await;
    }

    /// Publishes what a channel's gateway says, as it is.
    pub async fn say(&self, channel: &str, what: &str, receipts: &[String]) {
        let subject = format!("gateway.v1.{channel}.{what}");
        let messages = receipts.iter().map(|receipt| (subject.clone(), receipt.clone().into_bytes()));
        bus::publish_raw(&self.env, &format!("gateway_{channel}"), messages).await;
    }

    /// Waits until the service has read everything.
    pub async fn read_all(&self) {
        bus::idle(&self.env, &DURABLES).await;
    }

    /// Waits until the service has read everything and published everything.
    pub async fn settle(&self) {
        self.read_all().await;
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
        self.commands_of("sms").await
    }

    /// Every command of a channel so far.
    pub async fn commands_of(&self, channel: &str) -> Vec<Command> {
        let messages = self.messages("NOTIFY", &format!("notify.v1.{channel}.*")).await;
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
