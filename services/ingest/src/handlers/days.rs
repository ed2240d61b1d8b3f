//! The comparison of stores' days with what arrived of them: when a close is accepted, and whenever somebody asks. Late documents
//! change the answer.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    document::{DayClose, Invoice, Refund, StoreDocument},
    event::{DayClosed, DayCompared},
};
use jifen_kernel::{Money, StoreCode};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;

use super::intake::place_of;
use crate::{
    domain::{
        bill::{Bill, refund_sum},
        content::{Content, is_correction},
        day::{Arrived, compare, numbers_of},
        fate::DocumentKey,
        received::Received,
    },
    store::days::{self, Day, OfDay},
};

/// What is known of these days.
pub async fn compare_days(cx: &Ctx, tx: &mut PgConnection, wanted: &BTreeSet<Day>) -> Result<BTreeMap<Day, DayCompared>, Failure> {
    let (mut arrived, mut closes) = (BTreeMap::<(Day, &'static str), Arrived>::new(), BTreeMap::new());
    for one in days::load(tx, wanted).await? {
        if one.kind == DayClose::KIND {
            let close = one.bill.as_deref().and_then(|text| serde_json::from_str::<DayClose>(text).ok());
            closes.extend(close.map(|close| (one.day, (close, one.received_at))));
            continue;
        }
        let kind = if one.kind == Refund::KIND { Refund::KIND } else { Invoice::KIND };
        let sum = sum_of(cx, &one);
        arrived.entry((one.day, kind)).or_default().insert(one.number, sum);
    }
    let none = Arrived::new();
    let arrived_of = |day: &Day, kind| arrived.get(&(day.clone(), kind)).unwrap_or(&none);
    let mut missing = BTreeSet::new();
    for (day, (close, _)) in &closes {
        for (kind, said) in [(Invoice::KIND, Some(&close.invoices)), (Refund::KIND, close.refunds.as_ref())] {
            let numbers = said.and_then(numbers_of).unwrap_or_default();
            let lacking = numbers.into_iter().filter(|number| !arrived_of(day, kind).contains_key(number));
            missing.extend(lacking.map(|number| (day.0.clone(), kind, number)));
        }
    }
    let elsewhere = days::find(tx, &missing).await?;
    let mut compared = BTreeMap::new();
    for day in wanted {
        let Ok(store) = StoreCode::try_new(day.0.as_str()) else { continue };
        let close = closes.get(day);
        let side = |kind: &'static str, said| {
            let of = elsewhere.iter().filter(|((store, of, _), _)| *store == day.0 && of == kind);
            compare(said, arrived_of(day, kind), &of.map(|((.., number), day)| (number.clone(), *day)).collect())
        };
        let (invoices, of_invoices) = side(Invoice::KIND, close.map(|(close, _)| &close.invoices));
        let (refunds, of_refunds) = side(Refund::KIND, close.and_then(|(close, _)| close.refunds.as_ref()));
        let closed_at = close.map(|(_, at)| *at);
        let found = DayCompared {
            store,
            day: day.1,
            closed_at,
            invoices,
            refunds,
            invoice_differences: of_invoices,
            refund_differences: of_refunds,
        };
        compared.insert(day.clone(), found);
    }
    Ok(compared)
}

/// What a document came to. Of one that can't be read any more nothing: its number still counts.
fn sum_of(cx: &Ctx, one: &OfDay) -> Money {
    if let Some(text) = &one.bill {
        return if is_correction(&one.kind) { refund_sum(text) } else { Bill::read(text).map(|bill| bill.sum()).unwrap_or_default() };
    }
    let key = DocumentKey { store: one.day.0.clone(), kind: one.kind.clone(), number: one.number.clone() };
    let opened = one.content.as_ref().and_then(|content| cx.seal.open(content, &place_of(&key)).ok());
    let content = opened.and_then(|bytes| {
        let again = || Received::read(&format!("pos.v1.{}.{}", key.store, key.kind), &bytes).content.ok();
        if is_correction(&one.kind) { again() } else { Content::restore(&one.kind, &bytes) }
    });
    match content {
        Some(Content::Invoice(invoice)) => Bill::of(&invoice).sum(),
        Some(Content::Refund(refund)) => refund.lines.iter().map(|line| line.amount).sum(),
        _ => Money::ZERO,
    }
}

/// Says how the days compare that were just closed.
pub async fn close(cx: &Ctx, tx: &mut PgConnection, closed: &[(Day, Cause)], out: &mut Outbox) -> Result<(), Failure> {
    if closed.is_empty() {
        return Ok(());
    }
    let compared = compare_days(cx, tx, &closed.iter().map(|(day, _)| day.clone()).collect()).await?;
    for (day, cause) in closed {
        let Some(found) = compared.get(day) else { continue };
        let differences = found.invoice_differences.len() + found.refund_differences.len();
        if differences > 0 {
            tracing::warn!(service = cx.service, store = day.0, day = %day.1, differences, "a store's day is not what arrived of it");
        }
        out.event(cause, None, &DayClosed { at: out.now(), compared: found.clone() });
    }
    Ok(())
}
