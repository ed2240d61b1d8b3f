//! The proof of one entry, made from what is stored and checked before it is handed out.

use jifen_proof::{EntryProof, Hash, NotProven, proof::FORMAT, seal::Tree};
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::audit::AuditedEntry,
    store::{audit as store, seals},
};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// No such entry.
    #[error("the ledger has no entry {0}")]
    NoEntry(Uuid),
    /// Too new.
    #[error("entry {0} is not sealed yet: seals are made every minute")]
    NotSealed(Uuid),
    /// The rows don't prove it.
    #[error("what is stored doesn't prove the entry ({0}): `jifen verify` tells what was changed")]
    Broken(NotProven),
    /// A row on the way can't be what a posting wrote.
    #[error("an entry of the chain can't be read: `jifen verify` tells what was changed")]
    Unreadable,
    /// The database.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Proves an entry by the first seal that reaches it: so the proof has as few other entries as can be.
pub async fn prove(connection: &mut PgConnection, entry_id: Uuid) -> Result<EntryProof, NoProof> {
    let (member, place) = store::find_entry(connection, entry_id).await?.ok_or(NoProof::NoEntry(entry_id))?;
    let (sealed, number) = store::find_sealed(connection, member, place).await?.ok_or(NoProof::NotSealed(entry_id))?;
    let mut chain: Vec<AuditedEntry> = Vec::new();
    let mut previous = Hash::NONE;
    store::each_entry(connection, (member, member), |entry| {
        if entry.sequence < place {
            previous = entry.hash;
        } else if entry.sequence <= sealed {
            chain.push(entry);
        }
    })
    .await?;
    let mut said = chain.into_iter().map(|entry| entry.said.map_err(|_| NoProof::Unreadable));
    let entry = said.next().ok_or(NoProof::Unreadable)??;
    let leaves = seals::list_leaves(connection, number).await?;
    let index = leaves.iter().position(|leaf| leaf.member_id == member).ok_or(NoProof::Unreadable)?;
    let seal = seals::list_from(connection, number, 1).await?.into_iter().next().ok_or(NoProof::Unreadable)?;
    let proof = EntryProof {
        format: FORMAT.into(),
        entry,
        previous,
        following: said.collect::<Result<_, _>>()?,
        index: index as u64,
        path: Tree::of(leaves).path(index),
        seal,
    };
    proof.check(None).map_err(NoProof::Broken)?;
    Ok(proof)
}
