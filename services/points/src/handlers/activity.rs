//! What a paid bill does to a member's other points: sliding ones live on, and what had ended may come back. Costs nothing where the
//! program has neither.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_contracts::{endpoint::LotChangeKind, event::InvoiceAccepted, program::AppliedProgram};
use jifen_kernel::{MemberId, clock};
use jifen_runtime::{Ctx, Failure, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ids;
use crate::{
    domain::{
        expiry::slides_to,
        lot_change::{decide_revival, revives},
        post_invoice::Valued,
    },
    store::{
        accounts::Accounts,
        entries,
        lot_changes::{self, NewChange, Slide},
    },
};

/// What the bills of a batch bring.
#[derive(Default)]
pub struct Activities {
    slides: Vec<Slide>,
    visits: Vec<Visit>,
}

/// A paid visit that may bring back what ended between two days.
struct Visit {
    member_id: MemberId,
    document: (String, String),
    day: NaiveDate,
    from: NaiveDate,
    until: NaiveDate,
    version: u32,
}

impl Activities {
    /// Takes a bill in.
    pub fn add(&mut self, invoice: &InvoiceAccepted, valued: &Valued, applied: &AppliedProgram, out: &Outbox) {
        let (expiry, day) = (&applied.program.expiry, invoice.business_date);
        if let Some(until) = slides_to(expiry, day).filter(|_| valued.base.is_spending) {
            let (store, document) = (invoice.store.clone(), invoice.invoice_no.clone());
            self.slides.push(Slide { member_id: invoice.member_id, store, document, day, until });
        }
        let today = clock::local_date(out.now(), applied.program.time_zone());
        let revival = expiry.revival.filter(|_| valued.base.paid_visit).and_then(|rule| revives(rule, day, today));
        if let Some((from, until)) = revival {
            let document = (invoice.store.to_string(), invoice.invoice_no.clone());
            self.visits.push(Visit { member_id: invoice.member_id, document, day, from, until, version: applied.version });
        }
    }

    /// Moves the ends of lots of locked accounts, behind the batch's own postings. Asks nothing for nothing.
    pub async fn save(self, cx: &Ctx, tx: &mut PgConnection, accounts: &mut Accounts, out: &Outbox) -> Result<(), Failure> {
        if !self.slides.is_empty() {
            lot_changes::slide(tx, &self.slides, out.now()).await?;
        }
        let Some(from) = self.visits.iter().map(|visit| visit.from).min() else { return Ok(()) };
        let members: BTreeMap<MemberId, &Visit> = self.visits.iter().rev().map(|visit| (visit.member_id, visit)).collect();
        let ids_of: Vec<Uuid> = members.keys().map(|member| member.0).collect();
        let ended = lot_changes::load_ended(tx, &ids_of, from).await?;
        let mut next_id = ids(cx, out);
        let (mut changes, mut moved) = (Vec::new(), Vec::new());
        for (member_id, ended) in ended {
            let (Some(visit), Some(account)) = (members.get(&member_id), accounts.get_mut(&member_id)) else { continue };
            let ended: Vec<_> = ended.into_iter().filter(|lot| (visit.from..visit.day).contains(&lot.expires_on)).collect();
            let revived = decide_revival(account, &ended, visit.until, visit.version, out.now(), &mut next_id);
            for before in ended {
                let left = revived.lots.iter().find(|lot| lot.lot_id == before.lot_id);
                changes.push(NewChange {
                    member_id,
                    lot_id: before.lot_id,
                    kind: LotChangeKind::Revival,
                    before: before.expires_on,
                    after: visit.until,
                    added: left.map_or(before.points, |left| left.points),
                    document: Some(visit.document.clone()),
                    staff: None,
                });
            }
            moved.extend(revived.entries);
        }
        lot_changes::save(tx, &changes, out.now()).await?;
        if !moved.is_empty() {
            entries::save_entries(tx, &moved.iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }
}
