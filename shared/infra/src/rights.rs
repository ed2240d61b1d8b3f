//! Who may say what on NATS: users and rights as one table. The server's configuration is generated from it, for the
//! embedded server and for the operator of another one.
//!
//! What the table keeps apart:
//! - A store publishes its own documents, reads its own receipts and asks its own endpoints, nothing of another store.
//! - A gateway reads the commands of its channel.
//! - A service publishes its own events and answers its own endpoints. Nobody but the provisioner deletes or purges.
//! - Replies go to `_INBOX.<user>.>`, which only that user may read: a reply of `member` carries telephone numbers. Clients
//!   set this prefix ([`inbox_prefix`]); only the user [`LOCAL`], who connects without credentials, has the clients' default.
//! - Members' contacts are asked for by `notification` alone; the content of dead letters, which may hold personal values, is
//!   shown to the operator alone.
//! - A service's durable consumers bear names of the table; whoever else may make consumers on a stream may not touch those:
//!   an acknowledgement in another's name would lose a message.

use jifen_contracts::EventType;
use jifen_contracts::subject::{STREAM_EVENTS, STREAM_GATEWAY_RECEIPTS, STREAM_NOTIFY, STREAM_POS, STREAM_RECEIPTS, STREAMS};
use jifen_kernel::StoreCode;

use crate::keys::Keys;

/// Makes and changes streams and durable consumers, purges: may do everything.
pub const PROVISIONER: &str = "provisioner";
/// The command line: asks and publishes for every store, and looks.
pub const OPERATOR: &str = "operator";
/// What is handed in by HTTP: publishes for every store, reads their receipts, asks what became of a document.
pub const DOOR: &str = "door";
/// Whoever connects to a loopback address without credentials.
pub const LOCAL: &str = "local";

/// What a service reads and says.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name: user, schema, first token of its endpoints.
    pub name: &'static str,
    /// The streams that it consumes.
    pub reads: &'static [&'static str],
    /// What it publishes beside its events.
    pub publishes: &'static [&'static str],
    /// Its durable consumers with their streams: each one that its `inbound.rs` names, and no other (a test compares). The
    /// keeper purges nothing that one of them has not acknowledged, be it there or not.
    pub durables: &'static [(&'static str, &'static str)],
}

/// The services that exist. A new one gets its line here.
pub const SERVICES: &[Service] = &[
    Service {
        name: "ingest",
        reads: &[STREAM_POS, STREAM_EVENTS],
        publishes: &["receipt.v1.>"],
        durables: &[
            (STREAM_POS, "ingest_documents"),
            (STREAM_EVENTS, "ingest_member_registered"),
            (STREAM_EVENTS, "ingest_member_updated"),
            (STREAM_EVENTS, "ingest_member_activated"),
            (STREAM_EVENTS, "ingest_member_lapsed"),
        ],
    },
    Service {
        name: "member",
        reads: &[STREAM_POS, STREAM_EVENTS],
        publishes: &["receipt.v1.>"],
        durables: &[(STREAM_POS, "member_sign_up"), (STREAM_EVENTS, "member_vehicle_sold")],
    },
    Service {
        name: "points",
        reads: &[STREAM_EVENTS],
        publishes: &[],
        durables: &[
            (STREAM_EVENTS, "points_invoice_accepted"),
            (STREAM_EVENTS, "points_invoice_refunded"),
            (STREAM_EVENTS, "points_invoice_voided"),
            (STREAM_EVENTS, "points_accrual_assessed"),
            (STREAM_EVENTS, "points_interaction_recorded"),
            (STREAM_EVENTS, "points_partner_purchase_recorded"),
            (STREAM_EVENTS, "points_bonus_granted"),
            (STREAM_EVENTS, "points_member_activated"),
        ],
    },
    Service {
        name: "campaign",
        reads: &[STREAM_EVENTS],
        publishes: &[],
        durables: &[
            (STREAM_EVENTS, "campaign_earned"),
            (STREAM_EVENTS, "campaign_reversed"),
            (STREAM_EVENTS, "campaign_members"),
            (STREAM_EVENTS, "campaign_tiers"),
        ],
    },
    Service {
        name: "tier",
        reads: &[STREAM_EVENTS],
        publishes: &[],
        durables: &[
            (STREAM_EVENTS, "tier_accrual_settled"),
            (STREAM_EVENTS, "tier_reversed"),
            (STREAM_EVENTS, "tier_vehicle_sold"),
            (STREAM_EVENTS, "tier_member_registered"),
            (STREAM_EVENTS, "tier_member_activated"),
        ],
    },
    Service {
        name: "notification",
        reads: &[STREAM_EVENTS, STREAM_GATEWAY_RECEIPTS],
        publishes: &["notify.v1.>"],
        durables: &[
            (STREAM_EVENTS, "notification_registered"),
            (STREAM_EVENTS, "notification_code_issued"),
            (STREAM_EVENTS, "notification_settled"),
            (STREAM_EVENTS, "notification_reversed"),
            (STREAM_EVENTS, "notification_upgraded"),
            (STREAM_EVENTS, "notification_member_news"),
            (STREAM_EVENTS, "notification_campaign_news"),
            (STREAM_EVENTS, "notification_expiry_news"),
            (STREAM_GATEWAY_RECEIPTS, "notification_gateway_receipts"),
            (STREAM_GATEWAY_RECEIPTS, "notification_gateway_replies"),
        ],
    },
    Service { name: "program", reads: &[], publishes: &[], durables: &[] },
];

/// The durable consumers that the services have on a stream.
pub fn durables_of(stream: &str) -> impl Iterator<Item = &'static str> + use<'_> {
    SERVICES.iter().flat_map(|service| service.durables).filter(move |(of, _)| *of == stream).map(|(_, durable)| *durable)
}

/// The channels for which a gateway may connect.
pub const CHANNELS: [&str; 4] = ["sms", "wechat", "app", "email"];

/// Answers with members' telephone numbers, and the one service that may ask.
const CONTACTS: (&str, &str) = ("api.member.contacts.>", "notification");
/// Answers with the content of messages.
const DEAD_LETTERS: &str = "api.*.dead_letter.>";

/// What may be published or subscribed. A denied subject stays denied whatever is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Allowed.
    pub allow: Vec<String>,
    /// Denied.
    pub deny: Vec<String>,
}

/// A user and its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name at the server.
    pub name: String,
    /// What it may publish.
    pub publish: Subjects,
    /// What it may subscribe.
    pub subscribe: Subjects,
}

/// What a client needs to connect as a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// What the client must set as prefix of its inboxes, or no reply reaches it.
    pub inbox_prefix: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.user)
    }
}

/// The prefix of the inboxes that only `user` reads.
pub fn inbox_prefix(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// The credentials of `user`.
pub fn credentials(keys: &Keys, user: &str) -> Credentials {
    Credentials { user: user.to_owned(), password: keys.derive(&format!("nats/{user}")), inbox_prefix: inbox_prefix(user) }
}

/// The user of a store: its code, which no other user can have, since theirs are lower case.
pub fn store_user(store: &StoreCode) -> &str {
    store.as_str()
}

/// The user of a channel's gateway.
pub fn gateway_user(channel: &str) -> String {
    format!("gateway_{channel}")
}

/// Every user of an installation with these stores. `prefix` stands before each name: several installations share a
/// server in tests, and user names are the server's.
pub fn users(prefix: &str, stores: &[StoreCode]) -> Vec<User> {
    let mut users: Vec<User> = SERVICES.iter().map(service).collect();
    users.push(user(PROVISIONER, vec![">".into()], vec![]));
    users.push(operator());
    users.push(door());
    users.extend(CHANNELS.into_iter().map(gateway));
    users.extend(stores.iter().map(store));
    for user in &mut users {
        if user.name != CONTACTS.1 && user.name != PROVISIONER {
            user.publish.deny.push(CONTACTS.0.into());
        }
        user.name.insert_str(0, prefix);
        let own = format!("{}.>", inbox_prefix(&user.name));
        user.subscribe.allow.push(own);
    }
    if let Some(provisioner) = users.iter_mut().find(|user| user.name.ends_with(PROVISIONER)) {
        provisioner.subscribe.allow = vec![">".into()];
    }
    let private = users.iter().map(|user| format!("{}.>", inbox_prefix(&user.name))).collect();
    users.push(local(prefix, private));
    users
}

fn user(name: impl Into<String>, publish: Vec<String>, subscribe: Vec<String>) -> User {
    let allow = |allow| Subjects { allow, deny: Vec::new() };
    User { name: name.into(), publish: allow(publish), subscribe: allow(subscribe) }
}

fn service(service: &Service) -> User {
    let Service { name, reads, publishes, .. } = service;
    let mut publish = vec![format!("evt.{name}.>"), "api.>".into(), "_INBOX.>".into()];
    publish.extend(publishes.iter().map(ToString::to_string));
    let said = publishes.iter().filter_map(|subject| jifen_contracts::subject::stream_of(subject)).chain([STREAM_EVENTS]);
    // What it has published it may read again, to see that the broker still has it.
    publish.extend(said.flat_map(|stream| [format!("$JS.API.STREAM.MSG.GET.{stream}"), format!("$JS.API.DIRECT.GET.{stream}.>")]));
    publish.extend(look());
    publish.extend(reads.iter().flat_map(|stream| consume(stream)));
    // The rules are announced to everybody as they are applied: a plain subscription, beside what is consumed.
    let announced = jifen_contracts::event::ProgramApplied::filter();
    user(*name, publish, vec![format!("api.{name}.>"), "$SRV.>".into(), announced])
}

fn operator() -> User {
    let mut publish = open_to_all_stores();
    publish.extend(["$JS.API.STREAM.LIST", "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.NAMES.*"].map(String::from));
    let mut operator = user(OPERATOR, publish, ["receipt.v1.>", "notify.v1.>", "evt.>"].map(String::from).into());
    operator.publish.deny = not_the_services_consumers();
    operator
}

fn door() -> User {
    let publish = ["pos.v1.>", "api.ingest.document.status", "api.ingest.reject.list"].map(String::from);
    user(DOOR, publish.into(), vec!["receipt.v1.*".into()])
}

fn local(prefix: &str, private_inboxes: Vec<String>) -> User {
    let mut publish = open_to_all_stores();
    publish.extend(["gateway.v1.*.receipt", "gateway.v1.*.reply"].map(String::from));
    let subscribe = ["receipt.v1.>", "notify.v1.>", "evt.>", "_INBOX.>"].map(String::from);
    let mut local = user(format!("{prefix}{LOCAL}"), publish, subscribe.into());
    local.publish.deny = not_the_services_consumers();
    local.publish.deny.extend([CONTACTS.0, DEAD_LETTERS].map(String::from));
    local.subscribe.deny = private_inboxes;
    local
}

/// Documents of every store, every endpoint, and consumers on what comes out.
fn open_to_all_stores() -> Vec<String> {
    let mut publish = ["pos.v1.>", "api.>", "$SRV.>"].map(String::from).to_vec();
    publish.extend(look());
    publish.extend([STREAM_RECEIPTS, STREAM_NOTIFY, STREAM_EVENTS].into_iter().flat_map(consume));
    publish
}

fn store(store: &StoreCode) -> User {
    let mut publish = vec![format!("pos.v1.{store}.>"), format!("api.*.*.*.{store}")];
    publish.extend(own_consumer(STREAM_RECEIPTS, store_user(store), &format!("receipt.v1.{store}")));
    user(store_user(store), publish, vec![format!("receipt.v1.{store}")])
}

fn gateway(channel: &str) -> User {
    let name = gateway_user(channel);
    let commands = format!("notify.v1.{channel}.*");
    let mut publish = vec![format!("gateway.v1.{channel}.receipt"), format!("gateway.v1.{channel}.reply")];
    publish.extend(own_consumer(STREAM_NOTIFY, &name, &commands));
    user(name, publish, vec![commands])
}

/// Reading what is there: the account, the streams and their consumers.
fn look() -> Vec<String> {
    let mut subjects = vec!["$JS.API.INFO".to_owned(), "$JS.API.STREAM.NAMES".to_owned()];
    for (stream, _) in STREAMS {
        subjects.extend([format!("$JS.API.STREAM.INFO.{stream}"), format!("$JS.API.CONSUMER.INFO.{stream}.*")]);
    }
    subjects
}

/// Making, reading and removing consumers of any name on a stream.
fn consume(stream: &str) -> Vec<String> {
    let mut subjects = vec![
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.NAMES.{stream}"),
        format!("$JS.API.CONSUMER.LIST.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
        format!("$JS.FC.{stream}.>"),
    ];
    subjects.extend(of_consumer(stream, "*"));
    subjects
}

/// Everything that concerns one consumer (or all, `*`) of a stream.
fn of_consumer(stream: &str, consumer: &str) -> [String; 7] {
    [
        format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>"),
        format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}"),
        format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.{consumer}"),
        format!("$JS.ACK.{stream}.{consumer}.>"),
    ]
}

/// One consumer, named as its user, that can be made with this one filter only: the server holds the filter in the subject
/// of the request against the one in its body.
fn own_consumer(stream: &str, name: &str, filter: &str) -> Vec<String> {
    vec![
        "$JS.API.INFO".into(),
        "$JS.API.STREAM.NAMES".into(),
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.{filter}"),
        format!("$JS.API.CONSUMER.INFO.{stream}.{name}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.{name}"),
        format!("$JS.ACK.{stream}.{name}.>"),
    ]
}

/// The consumers of the services, on the streams where others may make some: looking is allowed, everything else is not.
fn not_the_services_consumers() -> Vec<String> {
    [STREAM_RECEIPTS, STREAM_NOTIFY, STREAM_EVENTS]
        .into_iter()
        .flat_map(|stream| durables_of(stream).flat_map(move |durable| of_consumer(stream, durable)))
        .filter(|subject| !subject.starts_with("$JS.API.CONSUMER.INFO."))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the server matches: `*` is one token, `>` the rest.
    fn covers(pattern: &str, subject: &str) -> bool {
        let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
        loop {
            match (pattern.next(), subject.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(token), Some(word)) if token == "*" || token == word => {}
                _ => return false,
            }
        }
    }

    fn may(subjects: &Subjects, subject: &str) -> bool {
        let covered = |list: &[String]| list.iter().any(|pattern| covers(pattern, subject));
        covered(&subjects.allow) && !covered(&subjects.deny)
    }

    fn table() -> Vec<User> {
        users("", &["SH01", "SH02"].map(|code| StoreCode::try_new(code).expect("store")))
    }

    #[test]
    fn every_right_that_matters() {
        let users = table();
        // (user, subject, may publish, may subscribe)
        let expected = [
            ("SH01", "pos.v1.SH01.invoice", true, false),
            ("SH01", "pos.v1.SH02.invoice", false, false),
            ("SH01", "receipt.v1.SH01", false, true),
            ("SH01", "receipt.v1.SH02", false, false),
            ("SH01", "api.points.account.get.SH01", true, false),
            ("SH01", "api.points.account.get.SH02", false, false),
            ("SH01", "api.points.account.get", false, false),
            ("SH01", "notify.v1.sms.SH01", false, false),
            ("SH01", "_INBOX.SH01.abc", false, true),
            ("SH01", "_INBOX.member.abc", false, false),
            ("SH01", "$JS.API.CONSUMER.CREATE.RECEIPTS.SH01.receipt.v1.SH01", true, false),
            ("SH01", "$JS.API.CONSUMER.CREATE.RECEIPTS.SH01.receipt.v1.*", false, false),
            ("SH01", "$JS.API.CONSUMER.CREATE.RECEIPTS.SH01", false, false),
            ("SH01", "$JS.API.CONSUMER.MSG.NEXT.RECEIPTS.SH02", false, false),
            ("gateway_sms", "notify.v1.sms.SH01", false, true),
            ("gateway_sms", "notify.v1.wechat.SH01", false, false),
            ("gateway_sms", "gateway.v1.sms.receipt", true, false),
            ("gateway_sms", "gateway.v1.wechat.receipt", false, false),
            ("gateway_sms", "gateway.v1.sms.reply", true, false),
            ("gateway_sms", "gateway.v1.wechat.reply", false, false),
            ("points", "evt.points.earned.v1.SH01", true, false),
            ("points", "evt.tier.upgraded.v1.SH01", false, false),
            ("points", "api.points.account.get", true, true),
            ("points", "api.member.member.get", true, false),
            ("points", "api.member.contacts.batch", false, false),
            ("notification", "api.member.contacts.batch", true, false),
            ("operator", "api.member.contacts.batch", false, false),
            ("operator", "api.points.dead_letter.show", true, false),
            ("SH01", "api.member.contacts.batch.SH01", false, false),
            ("local", "api.member.contacts.batch", false, false),
            ("local", "api.points.dead_letter.show", false, false),
            ("points", "receipt.v1.SH01", false, false),
            ("points", "evt.program.applied.v1._", false, true),
            ("points", "evt.member.registered.v1.SH01", false, false),
            ("points", "$JS.API.CONSUMER.CREATE.EVENTS.points.evt.>", true, false),
            ("points", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.points", true, false),
            ("points", "$JS.API.CONSUMER.MSG.NEXT.POS.ingest", false, false),
            ("points", "$JS.API.STREAM.PURGE.EVENTS", false, false),
            ("points", "$JS.API.STREAM.DELETE.EVENTS", false, false),
            ("ingest", "receipt.v1.SH01", true, false),
            ("notification", "notify.v1.sms.SH01", true, false),
            ("operator", "pos.v1.SH01.invoice", true, false),
            ("operator", "$SRV.PING", true, false),
            ("operator", "$JS.API.STREAM.PURGE.EVENTS", false, false),
            ("door", "pos.v1.SH02.invoice", true, false),
            ("door", "receipt.v1.SH02", false, true),
            ("door", "api.ingest.document.status", true, false),
            ("door", "api.member.member.get", false, false),
            ("door", "evt.points.earned.v1.SH01", false, false),
            ("local", "pos.v1.SH02.invoice", true, false),
            ("local", "gateway.v1.sms.receipt", true, false),
            ("local", "api.points.account.get", true, false),
            ("local", "evt.points.earned.v1.SH01", false, true),
            ("local", "_INBOX.Hk2ab.1", false, true),
            ("local", "_INBOX.member.1", false, false),
            ("local", "$JS.API.CONSUMER.CREATE.EVENTS.watcher", true, false),
            ("local", "$JS.API.CONSUMER.CREATE.EVENTS.points_invoice_accepted", false, false),
            ("local", "$JS.API.CONSUMER.DELETE.EVENTS.points_invoice_accepted", false, false),
            ("local", "$JS.ACK.EVENTS.points_invoice_accepted.1.2.3.4.5", false, false),
            ("local", "$JS.ACK.EVENTS.watcher.1.2.3.4.5", true, false),
            ("local", "$JS.API.STREAM.DELETE.EVENTS", false, false),
            ("local", "$JS.API.STREAM.PURGE.NOTIFY", false, false),
            ("provisioner", "$JS.API.STREAM.PURGE.EVENTS", true, true),
        ];
        for (name, subject, publish, subscribe) in expected {
            let user = users.iter().find(|user| user.name == name).expect(name);
            assert_eq!((may(&user.publish, subject), may(&user.subscribe, subject)), (publish, subscribe), "{name} on {subject}");
        }
    }

    #[test]
    fn names_are_different_also_behind_a_prefix() {
        let mut names: Vec<String> = table().into_iter().chain(users("t01_", &[])).map(|user| user.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
