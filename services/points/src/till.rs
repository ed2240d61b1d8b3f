//! What requests of tills, the job that ends holds, and voids of invoices have in common: accounts under lock with their lots, the
//! holds that are concerned, one save.
//!
//! Locks: the invoices that captures and voids name ([`crate::store::spent`]), then accounts. A hold is read again under its
//! account's lock: of capture, release and expiry, at whatever copy, the first decides and the others see it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::NaiveDate;
use jifen_contracts::{event::EntryKind, program::AppliedProgram};
use jifen_kernel::{MemberId, clock};
use jifen_runtime::{Ctx, Failure, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{
        account::{Account, Entry},
        hold::{Back, HeldPart, Hold, Moment},
        lots::{LotPart, Lots},
    },
    store::{
        accounts::{self, Accounts},
        accruals::DocumentKey,
        entries, freezes,
        holds::{self, Holds, Moved},
        lot_changes, lots,
    },
};

/// Accounts under lock, and what moves there.
#[derive(Default)]
pub struct Books {
    accounts: Accounts,
    lots: BTreeMap<MemberId, Lots>,
    frozen: BTreeSet<MemberId>,
    holds: Holds,
    parts: HashMap<Uuid, Vec<HeldPart>>,
    entries: Vec<Entry>,
    new_lots: Vec<(MemberId, LotPart)>,
    own_ends: Vec<(MemberId, Uuid)>,
    graces: Vec<(MemberId, Uuid, Uuid)>,
    changed: BTreeSet<Uuid>,
}

/// The rules in force.
pub fn rules(cx: &Ctx, out: &Outbox) -> Result<Arc<AppliedProgram>, Failure> {
    cx.programs.in_force_at(out.now()).ok_or_else(|| Failure::transient("no program in force is known yet"))
}

/// The local day.
pub fn today(rules: &AppliedProgram, out: &Outbox) -> NaiveDate {
    clock::local_date(out.now(), rules.program.time_zone())
}

impl Books {
    /// Locks the accounts of these members, opening those that aren't there, and loads their lots.
    pub async fn of_members(tx: &mut PgConnection, members: &BTreeMap<MemberId, &str>) -> Result<Self, Failure> {
        if members.is_empty() {
            return Ok(Self::default());
        }
        let accounts = accounts::load_locked(tx, members).await?;
        let members: Vec<MemberId> = accounts.keys().copied().collect();
        let frozen = freezes::load(tx, &members).await?;
        let lots = lots::load(tx, &members, &[]).await?;
        Ok(Self { accounts, lots, frozen, ..Self::default() })
    }

    /// Locks the accounts of these holds and reads the holds again.
    pub async fn of_holds(tx: &mut PgConnection, known: &Holds) -> Result<Self, Failure> {
        if known.is_empty() {
            return Ok(Self::default());
        }
        // A hold's account is there: its number is not needed to open it.
        let accounts = accounts::load_locked(tx, &known.values().map(|hold| (hold.member_id, "")).collect()).await?;
        Self::of_locked(tx, accounts, known).await
    }

    /// Reads these holds again, whose accounts are locked, others perhaps with them.
    pub async fn of_locked(tx: &mut PgConnection, mut accounts: Accounts, known: &Holds) -> Result<Self, Failure> {
        let concerned: BTreeSet<MemberId> = known.values().map(|hold| hold.member_id).collect();
        accounts.retain(|member_id, _| concerned.contains(member_id));
        let frozen = freezes::load(tx, &accounts.keys().copied().collect::<Vec<_>>()).await?;
        let ids: Vec<Uuid> = known.keys().copied().collect();
        Ok(Self { accounts, frozen, holds: holds::load(tx, &ids).await?, ..Self::default() })
    }

    /// Loads the lots of the locked accounts, and where the points of these holds are: reserved, or spent for their document.
    pub async fn load_parts(&mut self, tx: &mut PgConnection, kind: EntryKind, of: impl Fn(&Hold) -> bool) -> Result<(), Failure> {
        let key = |hold: &Hold| -> DocumentKey {
            let held = || hold.hold_id.to_string();
            let document = if kind == EntryKind::Hold { held() } else { hold.document.clone().unwrap_or_else(held) };
            (hold.store.to_string(), document)
        };
        let wanted: Vec<&Hold> = self.holds.values().filter(|hold| of(hold)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let keys: BTreeSet<DocumentKey> = wanted.iter().map(|hold| key(hold)).collect();
        let moved = holds::load_moved(tx, &keys.into_iter().collect::<Vec<_>>(), kind).await?;
        let named: BTreeSet<Uuid> = moved.values().flatten().map(|moved| moved.lot_id).collect();
        let members: Vec<MemberId> = self.accounts.keys().copied().collect();
        self.lots = lots::load(tx, &members, &named.into_iter().collect::<Vec<_>>()).await?;
        for hold in wanted {
            // Two holds may have been spent for one invoice: the rule of a capture names its hold.
            let rule = hold.spending_rule();
            let own = moved.get(&key(hold)).into_iter().flatten();
            let own = own.filter(|moved| moved.member_id == hold.member_id && (kind == EntryKind::Hold || moved.rule == rule));
            let parts: Result<Vec<HeldPart>, Failure> = own.map(|moved| self.part(hold, moved)).collect();
            self.parts.insert(hold.hold_id, parts?);
        }
        Ok(())
    }

    fn part(&self, hold: &Hold, moved: &Moved) -> Result<HeldPart, Failure> {
        let lot = self.lots.get(&hold.member_id).and_then(|lots| lots.find(moved.lot_id));
        let lot = lot.ok_or_else(|| Failure::defect(format!("lot {} of hold {} is missing", moved.lot_id, hold.hold_id)))?;
        Ok(HeldPart { entry_id: moved.entry_id, lot: LotPart { points: moved.points, ..lot.clone() } })
    }

    /// A hold, as it is now.
    pub fn hold(&self, hold_id: Uuid) -> Option<&Hold> {
        self.holds.get(&hold_id)
    }

    /// The holds, in the order of their keys.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// A locked account.
    pub fn account(&self, member_id: MemberId) -> Result<&Account, Failure> {
        self.accounts.get(&member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))
    }

    /// Nothing of it can be held, spent or taken.
    pub fn is_frozen(&self, member_id: MemberId) -> bool {
        self.frozen.contains(&member_id)
    }

    /// Decides on a locked account and its lots.
    pub fn decide<T>(&mut self, member_id: MemberId, decide: impl FnOnce(&mut Account, &mut Lots) -> T) -> Result<T, Failure> {
        let account = self.accounts.get_mut(&member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        Ok(decide(account, self.lots.entry(member_id).or_default()))
    }

    /// Decides on a hold: with its account, its lots and where its points are. What it returns as changed is written.
    pub fn decide_hold<T, E>(
        &mut self,
        hold_id: Uuid,
        now: &mut Moment<'_>,
        decide: impl FnOnce(&mut Account, &mut Lots, &mut Hold, &[HeldPart], &mut Moment<'_>) -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        let mut hold = self.holds.get(&hold_id).cloned().ok_or_else(|| Failure::defect("a hold that was read is missing"))?;
        let parts = self.parts.remove(&hold_id).unwrap_or_default();
        let decided = self.decide(hold.member_id, |account, lots| decide(account, lots, &mut hold, &parts, now))?;
        if decided.is_ok() {
            self.changed.insert(hold_id);
            self.holds.insert(hold_id, hold);
        } else {
            self.parts.insert(hold_id, parts);
        }
        Ok(decided)
    }

    /// Entries to be written.
    pub fn moved(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
    }

    /// What came back of a hold is to be written; gives the hold and its account as they are now.
    pub fn came_back(&mut self, hold_id: Uuid, back: &Back) -> Result<(&Hold, &Account), Failure> {
        let hold = self.holds.get(&hold_id).ok_or_else(|| Failure::defect("a hold that was decided on is missing"))?;
        self.entries.extend(back.entries.iter().cloned());
        self.new_lots.extend(back.new_lots.iter().map(|lot| (hold.member_id, lot.clone())));
        self.graces.extend(back.graces.iter().map(|(lot, of)| (hold.member_id, *lot, *of)));
        // They live for the days of grace, whatever their member does.
        self.own_ends.extend(back.new_lots.iter().map(|lot| (hold.member_id, lot.lot_id)));
        let account = self.accounts.get(&hold.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        Ok((hold, account))
    }

    /// A lot that was made is to be written.
    pub fn made(&mut self, member_id: MemberId, lot: LotPart) {
        self.new_lots.push((member_id, lot));
    }

    /// Writes everything that was decided. Asks nothing if nothing was.
    pub async fn save(self, tx: &mut PgConnection, out: &Outbox) -> Result<(), Failure> {
        if !self.entries.is_empty() {
            entries::save_entries(tx, &self.entries.iter().collect::<Vec<_>>()).await?;
            lots::insert(tx, &self.new_lots, &self.lots, out.now()).await?;
            lots::keep_graces(tx, &self.graces).await?;
            lot_changes::keep_own_ends(tx, &self.own_ends).await?;
            lots::save(tx, &self.lots).await?;
            let touched: BTreeSet<MemberId> = self.entries.iter().map(|entry| entry.member_id).collect();
            let accounts: Accounts = self.accounts.into_iter().filter(|(member, _)| touched.contains(member)).collect();
            accounts::save(tx, &accounts).await?;
        }
        let changed: Vec<&Hold> = self.changed.iter().filter_map(|hold| self.holds.get(hold)).collect();
        if !changed.is_empty() {
            holds::save(tx, &changed, out.now()).await?;
        }
        Ok(())
    }
}
