//! `campaign.accrual_assessed`: the bonus is posted, or none, and the accrual is closed by one `accrual_settled`.

use std::collections::BTreeMap;

use jifen_contracts::event::AccrualAssessed;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use super::{
    ids,
    late_bonus::{Late, keep_of},
};
use crate::{
    domain::settle_accrual::{check_bonuses, decide_settlement},
    outbound,
    store::{
        accounts,
        accruals::{self, DocumentKey, Settling},
        activations, corrections, entries,
    },
};

/// Settles accruals.
pub struct AccrualAssessedHandler;

type Batch = [Incoming<Event<AccrualAssessed>>];

fn key_of(event: &AccrualAssessed) -> DocumentKey {
    (event.store.to_string(), event.document.clone())
}

impl BatchHandler for AccrualAssessedHandler {
    type Item = Event<AccrualAssessed>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        // Claim: the accrual's own row.
        let keys: Vec<DocumentKey> = batch.iter().map(|incoming| key_of(&incoming.item.data)).collect();
        let loaded = accruals::load_locked(tx, &keys).await?;
        let mut open: BTreeMap<DocumentKey, Settling> =
            loaded.into_iter().map(|accrual| ((accrual.open.store.to_string(), accrual.open.document.clone()), accrual)).collect();
        let (due, fates) = choose(cx, batch, &mut open);
        if due.is_empty() {
            return Ok(fates);
        }
        // Load.
        let keys: Vec<DocumentKey> = due.iter().map(|(place, _)| key_of(&batch[*place].item.data)).collect();
        let members = due.iter().map(|(_, accrual)| (accrual.member_id, accrual.member_no.as_str())).collect();
        let mut accounts = accounts::load_locked(tx, &members).await?;
        let mut posted = entries::load_posted(tx, &keys).await?;
        let awaiting = due.iter().filter(|(_, accrual)| accrual.open.awaiting).map(|(_, accrual)| accrual.member_id).collect();
        let activated = activations::load(tx, &awaiting).await?;
        // Decide in stream order.
        let mut next_id = ids(cx, out);
        let mut postings = Vec::with_capacity(due.len());
        let mut late = Late::load(tx, &accounts, due.iter().map(|(_, accrual)| accrual)).await?;
        let mut keeps = Vec::new();
        for ((place, accrual), key) in due.iter().zip(&keys) {
            let Incoming { item, cause, .. } = &batch[*place];
            let account = accounts.get_mut(&accrual.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
            let applied = cx.programs.get(accrual.program_version).ok_or_else(|| Failure::transient("a program vanished"))?;
            let pending = accrual.open.awaiting && !activated.contains(&accrual.member_id);
            let bonuses = &item.data.bonuses;
            let posting = decide_settlement(account, &accrual.open, bonuses, &applied, pending, out.now(), &mut next_id);
            let mut all = posted.remove(key).unwrap_or_default();
            all.extend(posting.entries.iter().map(outbound::posted_entry));
            out.event(cause, Some(account.sequence), &outbound::accrual_settled(accrual, all, account.balance));
            let keep = keep_of(bonuses, &posting);
            late.posted((account, accrual), &posting, &keep, cause, &mut next_id, out);
            if !keep.is_empty() {
                keeps.push((key.clone(), keep));
            }
            postings.push(posting);
        }
        // Save.
        entries::save(tx, &postings, out.now()).await?;
        late.save(tx, &accounts).await?;
        corrections::save_keep(tx, &keeps).await?;
        accruals::save_settled(tx, &keys, out.now()).await?;
        accounts::save(tx, &accounts).await?;
        Ok(fates)
    }
}

/// Those that this batch closes, in stream order. A repeated answer finds its accrual closed, or taken by the one before.
fn choose(cx: &Ctx, batch: &Batch, open: &mut BTreeMap<DocumentKey, Settling>) -> (Vec<(usize, Settling)>, Fates) {
    let mut fates = Fates::done();
    let mut due = Vec::with_capacity(batch.len());
    let known: std::collections::BTreeSet<DocumentKey> = open.keys().cloned().collect();
    for (place, incoming) in batch.iter().enumerate() {
        let answer = &incoming.item.data;
        let key = key_of(answer);
        if !known.contains(&key) {
            fates.poison.push((place, Poison::invariant("an answer to an accrual that was never posted")));
            continue;
        }
        let Some(accrual) = open.get(&key).filter(|accrual| !accrual.settled) else { continue };
        if accrual.member_id != answer.member_id {
            fates.poison.push((place, Poison::invariant("the answer names another member than the accrual")));
        } else if let Err(wrong) = check_bonuses(&accrual.open, &answer.bonuses) {
            fates.poison.push((place, Poison::invariant(wrong.to_string())));
        } else if cx.programs.get(accrual.program_version).is_none() {
            fates.retry.push((place, format!("program version {} isn't known yet", accrual.program_version)));
        } else if let Some(accrual) = open.remove(&key) {
            due.push((place, accrual));
        }
    }
    (due, fates)
}
