//! What the domain's tests are given.

use std::collections::BTreeMap;

use chrono::DateTime;
use jifen_contracts::{
    code::Text,
    document::{Interaction, Invoice, PartnerPurchase, Refund, StoreDocument, VehicleSale, Void},
    program::{
        AppliedProgram, Earn, Expiry, ExpiryMode, InteractionRule, Limit, Membership, Messages, Partner, Period, Program, Stacking, Store,
    },
};
use jifen_kernel::{MemberId, Points, Rate, StoreCode, Token};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    content::Content,
    customer::{Key, Owner},
};

/// A bill of 800 as a store sends it.
pub fn document(number: &str) -> Value {
    json!({
        "store": "SH01", "invoice_no": number, "issued_at": "2026-10-01T10:21:33+08:00",
        "customer": {"phone": "13800138000"},
        "lines": [{"line": 1, "category": "maintenance", "payer": "customer", "amount": "800.00"}],
    })
}

/// The same, read.
pub fn invoice(number: &str) -> Invoice {
    Invoice::read(document(number).as_object().expect("object")).expect("invoice")
}

fn read<T: StoreDocument>(data: &Value) -> T {
    T::read(data.as_object().expect("object")).expect("a document")
}

/// A review of R1, on 1 October 2026.
pub fn interaction(number: &str) -> Content {
    let data = json!({
        "store": "SH01", "interaction_no": number, "kind": "review", "occurred_at": "2026-10-01T10:21:33+08:00",
        "customer": {"phone": "13800138000"}, "about": "R1",
    });
    Content::Interaction(read::<Interaction>(&data))
}

/// A car handed over on that day.
pub fn sale(number: &str) -> Content {
    let data = json!({
        "store": "SH01", "sale_no": number, "delivered_at": "2026-10-01T10:21:33+08:00", "customer": {"phone": "13800138000"},
        "vin": "LSVAU2A37N2183294", "series": "X5", "price": "186000.00",
    });
    Content::VehicleSale(read::<VehicleSale>(&data))
}

/// Fuel of that day.
pub fn purchase(number: &str) -> Content {
    let data = json!({
        "store": "SH01", "purchase_no": number, "partner": "fuel-1", "occurred_at": "2026-10-01T10:21:33+08:00",
        "customer": {"phone": "13800138000"}, "amount": "300.00",
    });
    Content::PartnerPurchase(read::<PartnerPurchase>(&data))
}

/// A refund of 3 October on one line.
pub fn refund(number: &str, invoice: &str, line: u32, amount: &str) -> Content {
    let data = json!({
        "store": "SH01", "refund_no": number, "invoice_no": invoice, "refunded_at": "2026-10-03T10:21:33+08:00",
        "lines": [{"line": line, "amount": amount}],
    });
    Content::Refund(read::<Refund>(&data))
}

/// A void of that day.
pub fn void(number: &str, invoice: &str) -> Content {
    let data = json!({"store": "SH01", "void_no": number, "invoice_no": invoice, "voided_at": "2026-10-03T10:21:33+08:00"});
    Content::Void(read::<Void>(&data))
}

fn rule(kind: &str, per: Period, within_days: Option<u32>) -> InteractionRule {
    let kind = Token::try_new(kind).expect("token");
    InteractionRule {
        kind,
        name: Text::new("互动", "interaction"),
        points: Points(50),
        limit: Limit { count: 1, per },
        within_days,
        off: false,
        pending: None,
    }
}

/// Rules of two stores: reviews of an order, check-ins, and a partner.
pub fn applied(version: u32, effective_from: &str) -> AppliedProgram {
    let rates: BTreeMap<Token, Rate> = [("maintenance", "1.5"), ("repair", "1.0")]
        .map(|(category, rate)| (Token::try_new(category).expect("token"), Rate::try_new(rate).expect("rate")))
        .into();
    let interactions = vec![rule("review", Period::About, Some(30)), rule("check_in", Period::Day, None)];
    let rate = Rate::try_new("0.5").expect("rate");
    let partners = vec![Partner { code: "fuel-1".to_owned(), name: Text::new("加油", "fuel"), rate, budget: None }];
    let store = |code: &str| Store { code: StoreCode::try_new(code).expect("store"), name: Text::new(code, code), brand: None };
    AppliedProgram {
        version,
        hash: String::new(),
        effective_from: effective_from.parse().expect("date"),
        applied_at: DateTime::UNIX_EPOCH,
        program: Program {
            name: "test".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            stores: vec![store("SH01"), store("SH02")],
            earn: Earn { rates, first_spending: Points(100), interactions, partners, ..Earn::default() },
            expiry: Expiry {
                months: 24,
                mode: ExpiryMode::EndOfMonth,
                min_days_after_posting: 30,
                days: Vec::new(),
                reminders: Expiry::usual_reminders(),
                revival: None,
            },
            tiers: Vec::new(),
            ladder: jifen_contracts::program::Ladder::default(),
            campaigns: Vec::new(),
            stacking: Stacking::default(),
            holidays: Vec::new(),
            membership: Membership::default(),
            redemption: jifen_contracts::program::Redemption::default(),
            settlement: jifen_contracts::program::Settlement::default(),
            adjustments: jifen_contracts::program::Adjustments::default(),
            messages: Messages { sign: "积分".to_owned(), ..Messages::default() },
        },
    }
}

/// A key by its plain text.
pub fn key(text: &str) -> Key {
    Key(text.to_owned())
}

/// A member who registered on 1 September 2026 and, if it is a vehicle's key, owns the vehicle since `owned_since`.
pub fn owner(member: u128, owned_since: Option<&str>) -> Owner {
    Owner {
        member_id: MemberId(Uuid::from_u128(member)),
        member_no: format!("M{member}"),
        owned_since: owned_since.map(|day| day.parse().expect("date")),
        known_at: "2026-09-01T00:00:00Z".parse().expect("instant"),
        awaiting_activation: false,
    }
}
