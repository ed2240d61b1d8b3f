//! What a paid bill does to a member's other points: sliding ones live on, and what had ended may come back. Bills of a batch count one
//! after the other, each behind its own posting. Costs nothing where the program has neither.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    event::{InvoiceAccepted, RevivalCause},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, clock};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{
        account::{Account, Entry},
        activity::{Activity, Ends, LiveLot},
        expiry::slides_to,
        post_invoice::{Posting, Valued},
    },
    outbound,
    store::{
        accounts::Accounts,
        accruals::DocumentKey,
        entries,
        lot_changes::{self, NewChange},
    },
    till::today,
};

/// What the bills of a batch do to the ends of lots.
#[derive(Default)]
pub struct Activities {
    ends: BTreeMap<MemberId, Ends>,
    changes: Vec<NewChange>,
    entries: Vec<Entry>,
}

/// A bill that was posted.
pub struct Bill<'a> {
    /// The bill.
    pub invoice: &'a InvoiceAccepted,
    /// What it is worth.
    pub valued: &'a Valued,
    /// Its rules.
    pub applied: &'a AppliedProgram,
    /// What it gave.
    pub posting: &'a Posting,
    /// What its effects inherit.
    pub cause: &'a Cause,
}

fn activity_of(invoice: &InvoiceAccepted, valued: &Valued, applied: &AppliedProgram, out: &Outbox) -> Option<Activity> {
    let known_on = clock::local_date(out.now(), applied.program.time_zone());
    Activity::of(applied, (invoice.business_date, known_on), valued.base.is_spending, valued.base.paid_visit)
}

impl Activities {
    /// Loads what these bills may move, of locked accounts. Asks nothing for nothing.
    pub async fn load(
        cx: &Ctx,
        tx: &mut PgConnection,
        bills: impl Iterator<Item = (&InvoiceAccepted, &Valued)>,
        accounts: &Accounts,
        out: &Outbox,
    ) -> Result<Self, Failure> {
        let of = |(invoice, valued): (&InvoiceAccepted, &Valued)| {
            let applied = cx.programs.get(invoice.program_version)?;
            Some((invoice.member_id, activity_of(invoice, valued, &applied, out)?))
        };
        let all: Vec<(MemberId, Activity)> = bills.filter_map(of).collect();
        let mut ends: BTreeMap<MemberId, Ends> = all.iter().map(|(member, _)| (*member, Ends::default())).collect();
        let members_of = |wanted: fn(&Activity) -> bool| -> BTreeSet<MemberId> {
            all.iter().filter(|(_, activity)| wanted(activity)).map(|(member, _)| *member).collect()
        };
        let sliding = members_of(|activity| activity.slides_to.is_some());
        if !sliding.is_empty() {
            let holding =
                sliding.iter().filter(|member| accounts.get(member).is_some_and(|account| account.balance.reserved.is_positive()));
            let holding: Vec<Uuid> = holding.map(|member| member.0).collect();
            for (member, live) in lot_changes::load_live(tx, &ids_of(&sliding), &holding).await? {
                ends.entry(member).or_default().live = live;
            }
        }
        if let Some(from) = all.iter().filter_map(|(_, activity)| Some(activity.revives?.0)).min() {
            let reviving = members_of(|activity| activity.revives.is_some());
            for (member, ended) in lot_changes::load_ended(tx, &ids_of(&reviving), from).await? {
                ends.entry(member).or_default().ended = ended;
            }
        }
        Ok(Self { ends, ..Self::default() })
    }

    /// Takes a bill in, behind its posting.
    pub fn add(&mut self, account: &mut Account, bill: &Bill<'_>, out: &mut Outbox, next_id: &mut dyn FnMut() -> Uuid) {
        let Some(ends) = self.ends.get_mut(&account.member_id) else { return };
        // What it gave is there for the next one.
        let spendable = bill.posting.lots.iter().filter(|lot| lot.waits.is_none() && lot.remaining.is_positive());
        ends.live.extend(spendable.map(|lot| LiveLot { lot_id: lot.lot_id, expires_on: bill.valued.expires_on }));
        let Some(activity) = activity_of(bill.invoice, bill.valued, bill.applied, out) else { return };
        let done = ends.decide(account, &activity, out.now(), next_id);
        let document = (bill.invoice.store.to_string(), bill.invoice.invoice_no.clone());
        let by = (RevivalCause::Visit, Some(format!("{}/{}", document.0, document.1)));
        if let Some(revived) = outbound::revived(account, &done, by, activity.version, out.now()) {
            out.event(bill.cause, Some(account.sequence), &revived);
        }
        let change = |moved| NewChange { member_id: account.member_id, moved, document: Some(document.clone()), staff: None };
        self.changes.extend(done.moved.into_iter().map(change));
        self.entries.extend(done.revived.entries);
    }

    /// Writes what was moved, behind the batch's postings. Asks nothing for nothing.
    pub async fn save(self, tx: &mut PgConnection, out: &Outbox) -> Result<(), Failure> {
        lot_changes::save(tx, &self.changes, out.now()).await?;
        if !self.entries.is_empty() {
            entries::save_entries(tx, &self.entries.iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }
}

/// Points of locked accounts were spent, each for a document: where points slide, what is left of them lives on. Asks nothing for nothing.
pub async fn slide_spent(
    tx: &mut PgConnection,
    spent: &[(MemberId, DocumentKey)],
    rules: &AppliedProgram,
    out: &Outbox,
) -> Result<(), Failure> {
    let today = today(rules, out);
    let Some(until) = slides_to(&rules.program.expiry, today).filter(|_| !spent.is_empty()) else { return Ok(()) };
    let activity = Activity { day: today, today, slides_to: Some(until), revives: None, version: rules.version };
    let members = ids_of(&spent.iter().map(|(member, _)| *member).collect());
    let mut live = lot_changes::load_live(tx, &members, &members).await?;
    let mut changes = Vec::new();
    for (member_id, document) in spent {
        let Some(live) = live.get_mut(member_id) else { continue };
        let mut ends = Ends { live: std::mem::take(live), ended: Vec::new() };
        let change = |moved| NewChange { member_id: *member_id, moved, document: Some(document.clone()), staff: None };
        changes.extend(ends.slide(&activity).into_iter().map(change));
        *live = ends.live;
    }
    lot_changes::save(tx, &changes, out.now()).await
}

fn ids_of(members: &BTreeSet<MemberId>) -> Vec<Uuid> {
    members.iter().map(|member| member.0).collect()
}
