//! The events that the floor and the naive way read and write: no more of them than they need, and as large as points' own.

use std::borrow::Cow;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What they read of an `invoice_accepted`.
#[derive(Deserialize)]
pub struct Event<'a> {
    #[serde(borrow)]
    traceparent: Cow<'a, str>,
    #[serde(borrow)]
    pub data: Invoice<'a>,
}

/// An accepted invoice.
#[derive(Deserialize)]
pub struct Invoice<'a> {
    #[serde(borrow)]
    pub store: Cow<'a, str>,
    #[serde(borrow)]
    pub invoice_no: Cow<'a, str>,
    pub member_id: Uuid,
    #[serde(borrow)]
    member_no: Cow<'a, str>,
    #[serde(borrow)]
    issued_at: Cow<'a, str>,
    #[serde(borrow)]
    business_date: Cow<'a, str>,
    #[serde(borrow)]
    received_at: Cow<'a, str>,
    program_version: u32,
    #[serde(borrow)]
    pub lines: Vec<Line<'a>>,
}

/// A line of it.
#[derive(Deserialize)]
pub struct Line<'a> {
    #[serde(borrow)]
    pub category: Cow<'a, str>,
    #[serde(borrow)]
    amount: Cow<'a, str>,
}

impl Line<'_> {
    /// A point a yuan.
    pub fn points(&self) -> i64 {
        self.amount.split('.').next().and_then(|yuan| yuan.parse().ok()).unwrap_or(0)
    }
}

#[derive(Serialize)]
struct Category<'a> {
    category: &'a str,
    paid: &'a str,
    base: i64,
}

#[derive(Serialize)]
struct Data<'a> {
    store: &'a str,
    document: &'a str,
    member_id: Uuid,
    member_no: &'a str,
    issued_at: &'a str,
    business_date: &'a str,
    received_at: &'a str,
    program_version: u32,
    categories: Vec<Category<'a>>,
    first_spending: i64,
    visit: bool,
    paid_visit: bool,
}

#[derive(Serialize)]
struct Out<'a> {
    specversion: &'a str,
    id: Uuid,
    source: &'a str,
    r#type: &'a str,
    time: &'a str,
    datacontenttype: &'a str,
    causationid: &'a str,
    correlationid: &'a str,
    storeid: &'a str,
    traceparent: &'a str,
    data: Data<'a>,
}

/// What they announce: as much as `points.earned` says, so that the same bytes are stored and sent.
pub fn earned(event: &Event<'_>, id: Uuid, now: &str) -> Result<Vec<u8>> {
    let invoice = &event.data;
    let categories: Vec<Category<'_>> =
        invoice.lines.iter().map(|line| Category { category: &line.category, paid: &line.amount, base: line.points() }).collect();
    let data = Data {
        store: &invoice.store,
        document: &invoice.invoice_no,
        member_id: invoice.member_id,
        member_no: &invoice.member_no,
        issued_at: &invoice.issued_at,
        business_date: &invoice.business_date,
        received_at: &invoice.received_at,
        program_version: invoice.program_version,
        categories,
        first_spending: 0,
        visit: true,
        paid_visit: true,
    };
    let out = Out {
        specversion: "1.0",
        id,
        source: "/jifen/points",
        r#type: "jifen.points.earned.v1",
        time: now,
        datacontenttype: "application/json",
        causationid: &invoice.invoice_no,
        correlationid: &invoice.invoice_no,
        storeid: &invoice.store,
        traceparent: &event.traceparent,
        data,
    };
    Ok(serde_json::to_vec(&out)?)
}
