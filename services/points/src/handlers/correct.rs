//! What refunds and voids have in common: claimed once, applied when their invoice is posted, everything under them in one transaction.
//!
//! A correction that overtakes its invoice waits with its event in its claim; the job [`crate::jobs::correct`] applies it behind the
//! posting. So the posting of invoices knows nothing of corrections, and costs what it costs without them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jifen_contracts::event::{AccrualSource, Bonus, CorrectionKind, FlagReason};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ids;
use crate::{
    domain::{
        account::Entry,
        correct::{Change, Given, Making, Pools, Taken, decide_correction},
        net::{Correcting, Net, decide_net, exceeded},
    },
    outbound,
    store::{
        accounts::{self, Accounts},
        accruals::DocumentKey,
        corrections::{self, Caused, Correction, Earlier, Left, Standing},
        direct, entries, given, lots,
    },
};

/// A claim's key in words.
type Key = (String, String, String);

fn key_of(caused: &Caused) -> Key {
    let (store, kind, number) = caused.correction.key();
    (store, kind.as_str().to_owned(), number)
}

/// Members whose accounts are to be locked, with their numbers.
pub type Concerned<'a> = BTreeMap<MemberId, &'a str>;

/// Claims corrections and applies those whose invoice is posted, in their order; the others wait. Locks the accounts of `others` with
/// those that it needs, and gives back all that it has locked.
pub async fn claim_and_apply(
    cx: &Ctx,
    tx: &mut PgConnection,
    all: &[Caused],
    others: &Concerned<'_>,
    out: &mut Outbox,
) -> Result<Accounts, Failure> {
    let mut by_key: BTreeMap<Key, &Caused> = BTreeMap::new();
    for caused in all {
        by_key.entry(key_of(caused)).or_insert(caused);
    }
    if by_key.is_empty() {
        return apply(cx, tx, &[], others, out).await;
    }
    let sorted: Vec<&Caused> = by_key.into_values().collect();
    let documents: Vec<DocumentKey> = sorted.iter().map(|caused| caused.correction.document()).collect();
    let posted = corrections::load_posted(tx, &documents).await?;
    let mut new = corrections::claim(tx, &sorted, &posted, out.now()).await?;
    // In stream order, each once.
    let due: Vec<&Caused> =
        all.iter().filter(|caused| posted.contains(&caused.correction.document()) && new.remove(&key_of(caused))).collect();
    apply(cx, tx, &due, others, out).await
}

/// Applies claimed corrections of posted invoices, in their order. Accounts are locked once in a transaction, in their order: who will
/// need those of `others` has them locked here, and gets all of them back as they are then. Asks nothing for nothing.
pub async fn apply(
    cx: &Ctx,
    tx: &mut PgConnection,
    due: &[&Caused],
    others: &Concerned<'_>,
    out: &mut Outbox,
) -> Result<Accounts, Failure> {
    // Load: accruals, then accounts, then what belongs to them.
    let documents: Vec<DocumentKey> = due.iter().map(|caused| caused.correction.document()).collect::<BTreeSet<_>>().into_iter().collect();
    let mut standing = if documents.is_empty() { BTreeMap::new() } else { corrections::load_standing(tx, &documents).await? };
    let mut members = others.clone();
    members.extend(standing.values().map(|found| (found.member_id, found.member_no.as_str())));
    let locked = if members.is_empty() { Accounts::new() } else { accounts::load_locked(tx, &members).await? };
    if due.is_empty() {
        return Ok(locked);
    }
    let concerned: BTreeSet<MemberId> = standing.values().map(|found| found.member_id).collect();
    let (mut accounts, rest): (Accounts, Accounts) = locked.into_iter().partition(|(member_id, _)| concerned.contains(member_id));
    let mut earlier = corrections::load_earlier(tx, &documents, &due.iter().map(|caused| key_of(caused)).collect()).await?;
    let mut books = Books::load(tx, &accounts, &documents).await?;
    // Decide in stream order.
    let mut next_id = ids(cx, out);
    let mut taken = Vec::new();
    for caused in due {
        let key = caused.correction.document();
        let found = standing.get_mut(&key).ok_or_else(|| Failure::defect("an accrual that was locked is missing"))?;
        let applied = cx.programs.get(caused.correction.program_version()).ok_or_else(|| Failure::transient("a program vanished"))?;
        let account = accounts.get_mut(&found.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        let earn = &applied.program.earn;
        let before = found.left.take().map_or_else(|| Net::of_posted(&found.posted, earn), |left| left.net);
        let sums = earlier.entry(key.clone()).or_default();
        let (after, flag) = leave(&caused.correction, &found.posted, sums, earn);
        let after = after.as_before(&before);
        let by = Correcting { kind: caused.correction.kind(), number: caused.correction.number().to_owned() };
        let change = Change { before: &before, after: &after, keep: &found.keep, grants: &books.grants, by: &by };
        let mut making = Making { at: out.now(), next_id: &mut next_id };
        let of_invoice = books.given.entry(key).or_default();
        let (pools, grant) = books.members.entry(found.member_id).or_default();
        let done = decide_correction(account, pools, of_invoice, grant.as_mut(), &change, &mut making);
        if let Some(reversed) = outbound::reversed(found, account, &change, &done, out.now()) {
            out.event(&caused.cause, Some(account.sequence), &reversed);
        }
        if let Some(reason) = flag {
            out.event(&caused.cause, None, &outbound::flagged(found, reason, &by.number, out.now()));
        }
        taken.extend(done);
        found.left = Some(Left { net: after, by });
    }
    // Save.
    let left: Vec<_> = standing.into_iter().filter_map(|(key, found)| Some((key, found.left?))).collect();
    corrections::save_left(tx, &left).await?;
    books.save(tx, &accounts, &taken).await?;
    accounts::save(tx, &accounts).await?;
    accounts.extend(rest);
    Ok(accounts)
}

/// What a correction leaves, with all earlier ones; and whether a person should look at it.
fn leave(
    correction: &Correction,
    posted: &crate::domain::net::Posted,
    sums: &mut Earlier,
    earn: &jifen_contracts::program::Earn,
) -> (Net, Option<FlagReason>) {
    match correction {
        Correction::Refund(refund) => {
            let was_over = !exceeded(&refund.lines, &sums.refunded).is_empty();
            for line in &refund.refunded {
                *sums.refunded.entry(line.line).or_default() += line.amount;
            }
            let is_over = !exceeded(&refund.lines, &sums.refunded).is_empty();
            let net = if sums.is_void {
                Net::nothing(posted)
            } else {
                decide_net(posted, &refund.lines, &refund.reductions, &sums.refunded, earn)
            };
            (net, (is_over && !was_over).then_some(FlagReason::RefundExceedsLine))
        }
        Correction::Void(_) => {
            sums.is_void = true;
            let flag = (correction.kind() == CorrectionKind::Replacement).then_some(FlagReason::InvoiceReplaced);
            (Net::nothing(posted), flag)
        }
    }
}

/// What invoices and the grants that rest on them gave. Asks nothing for no invoice.
async fn load_given(
    tx: &mut PgConnection,
    invoices: &[DocumentKey],
) -> Result<(HashMap<DocumentKey, Vec<Given>>, BTreeMap<Uuid, Vec<Bonus>>), Failure> {
    let mut how = BTreeMap::new();
    if invoices.is_empty() {
        return Ok((HashMap::new(), how));
    }
    let mut given = given::load(tx, AccrualSource::Invoice, invoices).await?;
    let on = direct::load_grants_on(tx, invoices).await?;
    if on.is_empty() {
        return Ok((given, how));
    }
    let keys: Vec<DocumentKey> = on.keys().cloned().collect();
    for (key, entries) in given::load(tx, AccrualSource::Grant, &keys).await? {
        let Some((invoice, bonuses)) = on.get(&key) else { continue };
        how.extend(entries.iter().map(|given| (given.movement.entry_id, bonuses.clone())));
        given.entry(invoice.clone()).or_default().extend(entries);
    }
    Ok((given, how))
}

/// Grants were posted that rest on these locked and corrected invoices, whose members' accounts are locked, too: what the corrections
/// had left no room for goes back.
pub async fn recorrect(
    cx: &Ctx,
    tx: &mut PgConnection,
    (corrected, mut accounts): (BTreeMap<DocumentKey, Standing>, Accounts),
    causes: &BTreeMap<DocumentKey, Cause>,
    out: &mut Outbox,
) -> Result<(), Failure> {
    if corrected.is_empty() {
        return Ok(());
    }
    let concerned: BTreeSet<MemberId> = corrected.values().map(|found| found.member_id).collect();
    accounts.retain(|member_id, _| concerned.contains(member_id));
    let mut books = Books::load(tx, &accounts, &corrected.keys().cloned().collect::<Vec<_>>()).await?;
    let mut next_id = ids(cx, out);
    let mut taken = Vec::new();
    for (key, found) in &corrected {
        let Some(left) = &found.left else { continue };
        let account = accounts.get_mut(&found.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        let change = Change { before: &left.net, after: &left.net, keep: &found.keep, grants: &books.grants, by: &left.by };
        let mut making = Making { at: out.now(), next_id: &mut next_id };
        let (pools, grant) = books.members.entry(found.member_id).or_default();
        let of_invoice = books.given.entry(key.clone()).or_default();
        let done = decide_correction(account, pools, of_invoice, grant.as_mut(), &change, &mut making);
        if let Some(reversed) = outbound::reversed(found, account, &change, &done, out.now()) {
            let cause = causes.get(key).cloned().unwrap_or_default();
            out.event(&cause, Some(account.sequence), &reversed);
        }
        taken.extend(done);
    }
    books.save(tx, &accounts, &taken).await?;
    accounts::save(tx, &accounts).await
}

/// What was given, and where it can be taken from.
#[derive(Default)]
pub struct Books {
    /// How the grants that rest on these invoices were computed, by their entries.
    pub grants: BTreeMap<Uuid, Vec<Bonus>>,
    /// By invoice; the grants that rest on it stand there, too.
    pub given: HashMap<DocumentKey, Vec<Given>>,
    /// By member: the pools, and the first spending that stands.
    pub members: BTreeMap<MemberId, (Pools, Option<Given>)>,
}

impl Books {
    /// Of locked accounts, for these invoices.
    pub async fn load(tx: &mut PgConnection, accounts: &Accounts, invoices: &[DocumentKey]) -> Result<Self, Failure> {
        let (given, of_grants) = load_given(tx, invoices).await?;
        let members: Vec<MemberId> = accounts.keys().copied().collect();
        let mut first = given::load_grants(tx, accounts.values()).await?;
        let movements = || given.values().flatten().chain(first.values()).map(|given| &given.movement);
        let own: BTreeSet<Uuid> = movements().map(|movement| movement.lot_id).collect();
        let documents: BTreeSet<DocumentKey> =
            movements().map(|movement| (movement.store.to_string(), movement.document.clone())).collect();
        let own: Vec<Uuid> = own.into_iter().collect();
        let mut lots = lots::load(tx, &members, &own).await?;
        let mut pending = given::load_pending(tx, &members).await?;
        let mut ended = given::load_expired(tx, &documents).await?;
        let of = |member: MemberId| {
            let given::Ended { expired, graces } = ended.remove(&member).unwrap_or_default();
            let pools = Pools {
                lots: lots.remove(&member).unwrap_or_default(),
                pending: pending.remove(&member).unwrap_or_default(),
                expired,
                graces,
            };
            (member, (pools, first.remove(&member)))
        };
        Ok(Self { grants: of_grants, given, members: members.into_iter().map(of).collect() })
    }

    /// Writes what was taken, and what is left of the lots.
    pub async fn save(mut self, tx: &mut PgConnection, accounts: &Accounts, taken: &[Taken]) -> Result<(), Failure> {
        let moved: Vec<&Entry> = taken.iter().flat_map(|taken| &taken.entries).collect();
        if moved.is_empty() {
            return Ok(());
        }
        entries::save_entries(tx, &moved).await?;
        let touched: BTreeSet<(MemberId, Uuid)> =
            moved.iter().filter(|entry| entry.debit == "pending").map(|entry| (entry.member_id, entry.movement.lot_id)).collect();
        let left = |(member, lot): (MemberId, Uuid)| {
            let points = self.members.get(&member).and_then(|(pools, _)| pools.pending.get(&lot)).copied();
            (member, lot, points.unwrap_or(Points::ZERO))
        };
        given::save_pending(tx, &touched.into_iter().map(left).collect::<Vec<_>>()).await?;
        let changed = accounts.keys().filter_map(|member| Some((*member, std::mem::take(&mut self.members.get_mut(member)?.0.lots))));
        lots::save(tx, &changed.collect()).await
    }
}
