//! What is pending too long goes back to who funded it. (DOMAIN exact default 11.)

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_contracts::event::{AccrualSource, CorrectionKind};
use jifen_kernel::clock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step, message::Cause};
use sqlx::PgConnection;

use super::parts::{Part, Parts};
use crate::{
    domain::{
        account::{Account, Entry},
        activation::{decide_lapse, lapses_up_to},
        net::{Correcting, Net},
    },
    handlers::ids,
    outbound,
    store::{
        accounts,
        activations::{self, PendingLot},
        corrections::{self, Left, Standing},
        entries,
    },
};

/// Members of one part.
const PART: i64 = 200;

/// Takes pending points back. Who can't be processed is tried again the next day.
pub struct Lapse(Parts);

impl Default for Lapse {
    fn default() -> Self {
        Self(Parts::new(PART))
    }
}

impl DailyJob for Lapse {
    const NAME: &'static str = "lapse";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let Some(applied) = cx.programs.in_force_at(out.now()) else { return Err(Failure::transient("no program is known yet")) };
        let program = cx.programs.in_force_at(clock::start_of_day(due.day, applied.program.time_zone())).unwrap_or(applied);
        let up_to = lapses_up_to(due.day, program.program.membership.pending_days);
        let part = self.0.begin();
        self.0.watch(part, self.take_back(cx, tx, (due.day, up_to, part), out)).await
    }
}

impl Lapse {
    async fn take_back(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        (day, up_to, part): (NaiveDate, NaiveDate, Part),
        out: &mut Outbox,
    ) -> Result<Step, Failure> {
        let members = activations::list_lapsing(tx, up_to, part).await?;
        if members.is_empty() {
            self.0.done(part, 0);
            return Ok(Step::Done);
        }
        // Load: invoices, then accounts. What was activated meanwhile is pending no longer.
        let ids_of: Vec<_> = members.keys().copied().collect();
        let invoices = activations::list_lapsing_invoices(tx, &ids_of, up_to).await?;
        let mut standing = corrections::load_standing(tx, &invoices).await?;
        let numbers = members.iter().map(|(member, number)| (*member, number.as_str())).collect();
        let mut accounts = accounts::load_locked(tx, &numbers).await?;
        let activated = activations::load(tx, &members.keys().copied().collect()).await?;
        standing.retain(|_, found| !activated.contains(&found.member_id));
        let members: Vec<_> = members.keys().copied().collect();
        // What was posted between the look and the locks.
        let late: Vec<_> = activations::list_lapsing_invoices(tx, &members, up_to).await?;
        let late: Vec<_> = late.into_iter().filter(|key| !standing.contains_key(key)).collect();
        if !late.is_empty() {
            let late = corrections::load_standing(tx, &late).await?;
            standing.extend(late.into_iter().filter(|(_, found)| !activated.contains(&found.member_id)));
        }
        let lots = activations::take_lapsing(tx, &members, up_to).await?;
        let pending = entries::load_pending(tx, &lots.iter().map(PendingLot::key).collect::<Vec<_>>()).await?;
        let days: BTreeMap<_, _> = lots.iter().map(|lot| (lot.lot_id, lot.business_date)).collect();
        // Decide: document by document, as each is announced by itself.
        let mut next_id = ids(cx, out);
        let mut taken = Vec::new();
        let mut kept = Vec::new();
        for (member_id, pending) in pending {
            let account = accounts.get_mut(&member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
            let mut documents: BTreeMap<(AccrualSource, String, String), Vec<_>> = BTreeMap::new();
            for entry in pending {
                let said = &entry.movement;
                documents.entry((said.source, said.store.to_string(), said.document.clone())).or_default().push(entry);
            }
            for found in standing.values_mut().filter(|found| found.member_id == member_id) {
                give_up(cx, account, found)?;
            }
            for pending in documents.into_values() {
                let lapsed = decide_lapse(account, &pending, out.now(), &mut next_id);
                let day = pending.first().and_then(|entry| days.get(&entry.movement.lot_id)).copied().unwrap_or(day);
                let of = |lapse: &Entry| pending.iter().find(|entry| lapse.movement.of_entry == Some(entry.movement.entry_id));
                let pairs: Vec<_> = lapsed.iter().filter_map(|lapse| Some((of(lapse)?, lapse))).collect();
                for entry in
                    pending.iter().filter(|entry| pairs.iter().all(|(moved, _)| moved.movement.entry_id != entry.movement.entry_id))
                {
                    kept.extend(lots.iter().find(|lot| lot.lot_id == entry.movement.lot_id).map(|lot| (lot, entry.movement.points)));
                }
                if let Some(reversed) = outbound::lapsed(account, day, &pairs, out.now()) {
                    out.event(&Cause::default(), Some(account.sequence), &reversed);
                }
                taken.extend(lapsed);
            }
        }
        // Save.
        let left: Vec<_> = standing.into_iter().filter_map(|(key, found)| Some((key, found.left?))).collect();
        if !left.is_empty() {
            corrections::save_left(tx, &left).await?;
        }
        if !kept.is_empty() {
            activations::keep_waiting(tx, &kept, up_to).await?;
        }
        if !taken.is_empty() {
            entries::save_entries(tx, &taken.iter().collect::<Vec<_>>()).await?;
        }
        accounts::save(tx, &accounts).await?;
        self.0.done(part, members.len());
        Ok(Step::More(serde_json::Value::Null))
    }
}

/// An invoice whose points lapse is no spending any longer, and what is corrected of it later moves no point.
fn give_up(cx: &Ctx, account: &mut Account, found: &mut Standing) -> Result<(), Failure> {
    let applied = cx.programs.get(found.program_version).ok_or_else(|| Failure::transient("a program isn't known yet"))?;
    let before = found.left.take().map_or_else(|| Net::of_posted(&found.posted, &applied.program.earn), |left| left.net);
    account.spendings = (account.spendings - i32::from(before.is_spending)).max(0);
    let by = Correcting { kind: CorrectionKind::Lapse, number: found.document.clone() };
    found.left = Some(Left { net: before.lapsed(), by });
    Ok(())
}
