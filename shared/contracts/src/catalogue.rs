//! Every message of the contract, listed once: for the schemas, for AsyncAPI, and for the tests that hold both against
//! types and examples. A new message gets its line in [`catalogue`]; a test finds one that has none.

mod asyncapi;
mod files;
mod openapi;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub use asyncapi::asyncapi;
pub use files::files;
pub use openapi::openapi;

use crate::{
    Envelope, EventType, Problem,
    document::{self, StoreDocument, schema::bare_or_structured},
    endpoint::{self, Endpoint},
    event,
    notify::{COMMAND_TYPE, Command, GatewayReceipt, GatewayReply},
    receipt::{RECEIPT_TYPE, Receipt},
    strict,
};

/// What kind of message it is, which says who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A store to jifen.
    Document,
    /// jifen to a store.
    Receipt,
    /// A service to everybody.
    Event,
    /// jifen to a gateway.
    Command,
    /// A gateway to jifen.
    GatewayReceipt,
    /// A caller to a service.
    Request,
    /// The answer.
    Reply,
    /// The answer that refuses.
    Problem,
}

/// One kind of message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its schema is `schemas/<name>.json`.
    pub name: String,
    /// Who sends it.
    pub family: Family,
    /// Its subject, with parameters in braces; of answers the subject of the request.
    pub address: String,
    /// What it is for.
    pub summary: &'static str,
    /// A request that a store's own user may make, at `<address>.<store>`.
    pub for_stores: bool,
    schema: fn() -> Value,
    decode: fn(&[u8]) -> Result<Value, String>,
}

impl Message {
    /// Its JSON Schema, without the attributes of the file.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Reads a message as its reader does; what was understood comes back in canonical form.
    pub fn decode(&self, bytes: &[u8]) -> Result<Value, String> {
        (self.decode)(bytes)
    }
}

/// Every message.
pub fn catalogue() -> Vec<Message> {
    let mut all = vec![
        Message {
            name: "receipt".to_owned(),
            family: Family::Receipt,
            address: "receipt.v1.{store}".to_owned(),
            summary: "What became of a document. A store may forget the document now.",
            for_stores: false,
            schema: || structured::<Receipt>(&json!({ "const": RECEIPT_TYPE })),
            decode: |bytes| decode_structured::<Receipt>(bytes, RECEIPT_TYPE),
        },
        Message {
            name: "notify.command".to_owned(),
            family: Family::Command,
            address: "notify.v1.{channel}.{store}".to_owned(),
            summary: "One message for one member: send it once, report what happened.",
            for_stores: false,
            schema: || structured::<Command>(&json!({ "const": COMMAND_TYPE })),
            decode: |bytes| decode_structured::<Command>(bytes, COMMAND_TYPE),
        },
        Message {
            name: "gateway.receipt".to_owned(),
            family: Family::GatewayReceipt,
            address: "gateway.v1.{channel}.receipt".to_owned(),
            summary: "How far a gateway came with a command. Bare, or as a structured CloudEvent.",
            for_stores: false,
            schema: from_outside::<GatewayReceipt>,
            decode: |bytes| {
                let opened = document::open(bytes).map_err(|fault| fault.to_string())?;
                canonical(&serde_json::from_value::<GatewayReceipt>(Value::Object(opened.data)).map_err(|e| e.to_string())?)
            },
        },
        Message {
            name: "gateway.reply".to_owned(),
            family: Family::GatewayReceipt,
            address: "gateway.v1.{channel}.reply".to_owned(),
            summary: "What a member answered to a message: an opt-out, say. Bare, or as a structured CloudEvent.",
            for_stores: false,
            schema: from_outside::<GatewayReply>,
            decode: |bytes| {
                let opened = document::open(bytes).map_err(|fault| fault.to_string())?;
                canonical(&serde_json::from_value::<GatewayReply>(Value::Object(opened.data)).map_err(|e| e.to_string())?)
            },
        },
        Message {
            name: "problem".to_owned(),
            family: Family::Problem,
            address: String::new(),
            summary: "An answer that refuses (RFC 9457). The header Nats-Service-Error-Code is set.",
            for_stores: false,
            schema: schema_out::<Problem>,
            decode: decode_bare::<Problem>,
        },
    ];
    all.extend(documents());
    all.extend(events());
    all.extend(endpoints().into_iter().flatten());
    all
}

fn documents() -> [Message; 8] {
    [
        a_document::<document::Invoice>("A settled bill. Bare, or as a structured CloudEvent."),
        a_document::<document::Refund>("Some of a settled bill was paid back. Bare, or as a structured CloudEvent."),
        a_document::<document::Void>("A settled bill was cancelled. Bare, or as a structured CloudEvent."),
        a_document::<document::Interaction>("A member did something else than spending. Bare, or as a structured CloudEvent."),
        a_document::<document::VehicleSale>("A car was handed over. Bare, or as a structured CloudEvent."),
        a_document::<document::PartnerPurchase>("A member bought from a partner. Bare, or as a structured CloudEvent."),
        a_document::<document::SignUp>("A customer wants to be a member. Bare, or as a structured CloudEvent."),
        a_document::<document::DayClose>("What a store says it did on a day. Bare, or as a structured CloudEvent."),
    ]
}

fn events() -> Vec<Message> {
    vec![
        an_event::<event::InvoiceAccepted>("An invoice of a known member is in order."),
        an_event::<event::InvoiceRefunded>("Some of an accepted invoice was paid back."),
        an_event::<event::InvoiceVoided>("An accepted invoice counts no longer: cancelled, or replaced by another."),
        an_event::<event::DayClosed>("A store closed its day: what it says against what arrived."),
        an_event::<event::DocumentRejected>("A document was refused; it is kept and can be resubmitted."),
        an_event::<event::InteractionRecorded>("A member did something that a program may reward."),
        an_event::<event::PartnerPurchaseRecorded>("A member bought from a partner."),
        an_event::<event::VehicleSold>("A car was delivered to a member."),
        an_event::<event::MemberRegistered>("A customer became a member."),
        an_event::<event::MemberActivated>("A registration was activated."),
        an_event::<event::MemberLapsed>("A registration was not activated in time."),
        an_event::<event::MemberUpdated>("What others know of a member changed; the whole of it."),
        an_event::<event::MemberCodeIssued>("A code is to be sent to a member's phone; sealed for notification."),
        an_event::<event::MemberLapseWarned>("A registration will lapse unless it is activated before."),
        an_event::<event::MemberConsentChanged>("A member agreed to messages, or does so no longer."),
        an_event::<event::Earned>("An invoice's base is posted; campaign answers every one of these."),
        an_event::<event::AccrualAssessed>("The answer to one earned, also when there is no bonus."),
        an_event::<event::AccrualSettled>("An accrual is complete, base and bonus, as posted."),
        an_event::<event::Reversed>("A correction took back some of what an accrual earned."),
        an_event::<event::Held>("Points are reserved for a redemption in progress."),
        an_event::<event::Captured>("Held points were spent; the rest of the hold came back."),
        an_event::<event::Released>("Held points came back unspent."),
        an_event::<event::Returned>("Spent points came back: the invoice that they paid for was voided."),
        an_event::<event::Adjusted>("Staff corrected an account."),
        an_event::<event::Frozen>("An account was frozen: it earns, and nothing of it can be spent."),
        an_event::<event::Unfrozen>("A frozen account can be spent from again."),
        an_event::<event::Activated>("What was pending can be spent."),
        an_event::<event::Expiring>("Points of a member will end on a day."),
        an_event::<event::Expired>("Points of a member ended unspent."),
        an_event::<event::Revived>("Points that had ended unspent live again, out of breakage."),
        an_event::<event::Flagged>("A person should look at this; nothing waits for it."),
        an_event::<event::Sealed>("A signed Merkle root over the heads of members' chains: an anchor of the ledger."),
        an_event::<event::BudgetExhausted>("The last point of a campaign's budget was granted."),
        an_event::<event::BonusGranted>("A bonus that is no answer to an invoice."),
        an_event::<event::CampaignPreheated>("A campaign begins in a few days; who may take part."),
        an_event::<event::CampaignStarted>("A campaign's first day is there; who may take part."),
        an_event::<event::CampaignEnded>("A campaign's last day is over."),
        an_event::<event::TierUpgraded>("A member reached a higher tier."),
        an_event::<event::TierDowngraded>("A member's year ended below what the tier asks for."),
        an_event::<event::TierStanding>("Where a member stands, said once more."),
        an_event::<event::TierDowngradeWarned>("A member will lose the tier unless something is added."),
        an_event::<event::EntitlementGranted>("A countable benefit is there to be used."),
        an_event::<event::EntitlementUsed>("A store gave a countable benefit, or took that back."),
        an_event::<event::EntitlementExpired>("A countable benefit ended before it was used up."),
        an_event::<event::ProgramApplied>("A version of the rules, whole and immutable."),
        an_event::<event::NotificationDelivered>("A gateway says that the member has the message."),
        an_event::<event::NotificationFailed>("A gateway says that the message will not arrive."),
        an_event::<event::StaffTaskDue>("Staff of a store shall do something for a member."),
    ]
}

fn endpoints() -> Vec<[Message; 2]> {
    vec![
        an_endpoint::<endpoint::Register>("Registers a customer. A known phone answers its member with `existing`. Mutating."),
        an_endpoint::<endpoint::MemberActivate>("Activates a registration with the code sent to its phone. Mutating."),
        an_endpoint::<endpoint::CodeSend>("Sends another code to activate with. Mutating."),
        an_endpoint::<endpoint::ConsentChange>("Grants or takes back one consent. Mutating."),
        an_endpoint::<endpoint::MemberUpdate>("Changes what is known of a member. Mutating."),
        an_endpoint::<endpoint::MemberSearch>("Who has this number, phone, VIN or plate? Personal values are masked."),
        an_endpoint::<endpoint::MemberGet>("Who has this number? Personal values are masked."),
        an_endpoint::<endpoint::MemberList>("Who has these numbers, and is activated? No personal values."),
        an_endpoint::<endpoint::Contacts>("Phones and consents of a batch of members. For notification only."),
        an_endpoint::<endpoint::MemberAnnounce>("Says once more what others know of members, part by part. Mutating."),
        an_endpoint::<endpoint::MemberCounts>("Counts: members."),
        an_endpoint::<endpoint::AccountGet>("A member's account. A member without entries answers zeros."),
        an_endpoint::<endpoint::LotsList>("A member's lots, with what moved their ends."),
        an_endpoint::<endpoint::LotsExtend>("Gives live lots more time. Mutating."),
        an_endpoint::<endpoint::LotsRevive>("Brings back what ended unspent, each lot once. Mutating."),
        an_endpoint::<endpoint::PendingRelease>("Ends the review of a document's pending points: they may be spent. Mutating."),
        an_endpoint::<endpoint::PendingReject>("Refuses a document's points that wait for a review. Mutating."),
        an_endpoint::<endpoint::LotsImport>("Imports opening balances as lots with their own ends, each line once. Mutating."),
        an_endpoint::<endpoint::EntriesList>("A member's ledger entries, newest first."),
        an_endpoint::<endpoint::EntryExplain>("How an entry came about, computed again; or why a document earned nothing."),
        an_endpoint::<endpoint::PointsCounts>(
            "Counts: accounts, entries, points by kind, settled and unsettled accruals, breakage by funding store.",
        ),
        an_endpoint::<endpoint::QuoteGet>("What points pay of a bill, in steps, rounded down."),
        an_endpoint::<endpoint::HoldCreate>("Reserves points for a redemption in progress. Mutating."),
        an_endpoint::<endpoint::HoldCapture>("Spends held points, all or some; the rest comes back. Mutating."),
        an_endpoint::<endpoint::HoldRelease>("Gives held points back. Mutating."),
        an_endpoint::<endpoint::HoldExtend>("Holds points for longer, up to the program's limit. Mutating."),
        an_endpoint::<endpoint::AdjustmentCreate>("Staff gives points or takes some. Mutating."),
        an_endpoint::<endpoint::AdjustmentApprove>("A second person agrees to an adjustment. Mutating."),
        an_endpoint::<endpoint::AdjustmentReject>("A second person refuses an adjustment. Mutating."),
        an_endpoint::<endpoint::AdjustmentList>("Adjustments, newest first."),
        an_endpoint::<endpoint::AccountFreeze>("Freezes an account: it earns, and can't be spent from. Mutating."),
        an_endpoint::<endpoint::AccountUnfreeze>("Ends the freezing of an account. Mutating."),
        an_endpoint::<endpoint::StandingGet>("Where a member stands. A member without entries answers the lowest tier."),
        an_endpoint::<endpoint::TierAnnounce>("Says once more where members stand, part by part. Mutating."),
        an_endpoint::<endpoint::TierCounts>("Counts: members by tier."),
        an_endpoint::<endpoint::EntitlementUse>("A store gives a countable benefit. Mutating."),
        an_endpoint::<endpoint::EntitlementUndo>("A store takes a use back, once. Mutating."),
        an_endpoint::<endpoint::TierInvite>("Invites a member to a tier that may be reached by invitation. Mutating."),
        an_endpoint::<endpoint::TierApprove>("Approves a member's special contribution for a tier that may be reached by one. Mutating."),
        an_endpoint::<endpoint::CampaignReport>("What campaigns have granted."),
        an_endpoint::<endpoint::ProgramList>("Every version of the rules, page by page."),
        an_endpoint::<endpoint::ProgramGet>("One version of the rules."),
        an_endpoint::<endpoint::ProgramCheck>("Checks a program without applying it."),
        an_endpoint::<endpoint::ProgramApply>("Applies a program as the next version. Mutating."),
        an_endpoint::<endpoint::DocumentStatus>("What became of a document?"),
        an_endpoint::<endpoint::DayCompare>("What a store says of its day against what arrived of it by now."),
        an_endpoint::<endpoint::RejectsList>("Rejected documents, newest first."),
        an_endpoint::<endpoint::Assign>("Says whose a document is whose keys point to different members. Mutating."),
        an_endpoint::<endpoint::Resubmit>("Processes a rejected document again, as it was received. Mutating."),
        an_endpoint::<endpoint::IngestCounts>("Counts: documents by fate."),
        an_endpoint::<endpoint::NotificationCounts>("Counts: messages by kind and state."),
        an_endpoint::<endpoint::MessagePreview>("How a message reads in the newest version of the program."),
        an_endpoint::<endpoint::MessageHistory>("What a member was told, and how far it came; no personal value."),
        an_endpoint::<endpoint::MessageOptOut>("Ends messages of one purpose on one way. Mutating."),
    ]
}

fn a_document<T: StoreDocument>(summary: &'static str) -> Message {
    Message {
        name: format!("document.{}", T::KIND),
        family: Family::Document,
        address: format!("pos.v1.{{store}}.{}", T::KIND),
        summary,
        for_stores: false,
        schema: from_outside::<T>,
        decode: |bytes| {
            let opened = document::open(bytes).map_err(|fault| fault.to_string())?;
            canonical(&T::read(&opened.data).map_err(|fault| fault.to_string())?)
        },
    }
}

fn an_event<T: EventType + JsonSchema>(summary: &'static str) -> Message {
    Message {
        name: format!("event.{}.{}", T::SERVICE, T::NAME),
        family: Family::Event,
        address: format!("evt.{}.{}.v1.{{store}}", T::SERVICE, T::NAME),
        summary,
        for_stores: false,
        schema: || structured::<T>(&json!({ "const": T::type_name() })),
        decode: |bytes| decode_structured::<T>(bytes, &T::type_name()),
    }
}

fn an_endpoint<E: Endpoint>(summary: &'static str) -> [Message; 2]
where
    E::Request: JsonSchema,
    E::Reply: JsonSchema,
{
    let message = |family, part, schema, decode| Message {
        name: format!("{}.{part}", E::SUBJECT),
        family,
        address: E::SUBJECT.to_owned(),
        summary,
        for_stores: E::FOR_STORES,
        schema,
        decode,
    };
    [
        message(Family::Request, "request", schema_in::<E::Request>, decode_bare::<E::Request>),
        message(Family::Reply, "reply", schema_out::<E::Reply>, decode_bare::<E::Reply>),
    ]
}

/// What others send: a field with a default may be missing.
fn schema_in<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// What jifen sends: a field that is always there can be relied on.
fn schema_out<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// What jifen sends as a structured CloudEvent of this type.
fn structured<T: JsonSchema>(kind: &Value) -> Value {
    let mut schema = schema_out::<Envelope<T>>();
    let mut tighten = |name: &str, constraint: &Value| {
        let property = schema.pointer_mut(&format!("/properties/{name}")).and_then(Value::as_object_mut);
        if let (Some(property), Some(constraint)) = (property, constraint.as_object()) {
            property.extend(constraint.clone());
        }
    };
    tighten("specversion", &json!({ "const": "1.0" }));
    tighten("type", kind);
    tighten("sequence", &json!({ "pattern": "^[0-9]{20}$" }));
    schema
}

/// What others send bare or as a structured CloudEvent.
fn from_outside<T: JsonSchema>() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    generator.subschema_for::<T>();
    let mut schema = bare_or_structured(&T::schema_name());
    schema["$defs"] = Value::Object(generator.take_definitions(true));
    schema
}

fn canonical<T: Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|e| e.to_string())
}

fn decode_bare<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<Value, String> {
    strict::object(bytes).map_err(|e| e.to_string())?;
    canonical(&serde_json::from_slice::<T>(bytes).map_err(|e| e.to_string())?)
}

fn decode_structured<T: DeserializeOwned + Serialize>(bytes: &[u8], kind: &str) -> Result<Value, String> {
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if envelope.kind != kind {
        return Err(format!("type is {}, not {kind}", envelope.kind));
    }
    canonical(&envelope)
}
