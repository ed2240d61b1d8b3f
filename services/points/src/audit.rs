//! `jifen verify`: the whole ledger, or one member, held against itself, against the seals, and against the anchors outside.
//!
//! Reads only, in the order of keys, with a bounded part in memory; to be called in a transaction that sees one moment, so that what is
//! posted meanwhile is no finding.

mod prove;
mod seals;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jifen_proof::PublicKey;
use jifen_proof::anchors::AnchorsError;
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

pub use crate::domain::audit::{Finding, What};
use crate::{
    domain::audit::{AuditedEntry, MemberAudit},
    store::audit as store,
};
pub use prove::{NoProof, prove};

/// Accounts of one part.
const PART: i64 = 500;
/// Findings beyond these are counted and not kept: whoever needs them mends some first.
const KEPT: usize = 10_000;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No such member.
    #[error("no account has number {0}")]
    NoMember(String),
    /// The anchors can't be read.
    #[error(transparent)]
    Anchors(#[from] AnchorsError),
    /// The database.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// What is believed.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The key that signs seals.
    pub key: PublicKey,
    /// Seals that somebody kept outside of the database.
    pub anchors: Option<PathBuf>,
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// What was found, in the order of seals, members and places.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub more: u64,
    /// Members looked at.
    pub members: u64,
    /// Entries looked at.
    pub entries: u64,
    /// Seals looked at.
    pub seals: u64,
    /// Of them: held against an anchor.
    pub anchored: u64,
    seen: BTreeSet<Same>,
    named: BTreeSet<(What, Uuid)>,
}

/// What makes two findings one: seals and anchors may both tell of the same entry.
type Same = (What, Option<Uuid>, Option<i64>, Option<i64>, Option<&'static str>);

impl Report {
    fn add(&mut self, finding: Finding) {
        let seal = finding.seal.filter(|_| finding.sequence.is_none());
        let key = (finding.what, finding.member_id.map(|member| member.0), finding.sequence, seal, finding.column.or(finding.why));
        if self.findings.len() >= KEPT {
            self.more += 1;
        } else if finding.lot_id.is_some() || self.seen.insert(key) {
            self.findings.push(finding);
        }
    }
}

/// How many accounts and entries a check will look at.
pub async fn size(connection: &mut PgConnection) -> Result<(i64, i64), Failure> {
    store::count(connection).await
}

/// Checks everything, or one member. `progress` hears how many entries were looked at so far.
pub async fn verify(
    connection: &mut PgConnection,
    member_no: Option<&str>,
    trust: &Trust,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let only = match member_no {
        None => None,
        Some(number) => {
            let found = store::find_member(connection, number).await?;
            Some(found.ok_or_else(|| AuditError::NoMember(number.to_owned()))?)
        }
    };
    let seals = match only {
        None => None,
        Some(member) => Some(store::list_seals_of(connection, member).await?),
    };
    seals::check(connection, &mut report, trust, only, seals.as_deref()).await?;
    if let Some(member) = only {
        check_members(connection, &mut report, (member, member), progress).await?;
    } else {
        let mut from = Some(Uuid::nil());
        while let Some(first) = from {
            // Whatever has no account any longer lies between, or behind the last, and is looked at, too.
            let last = store::last_of_part(connection, first, PART).await?;
            check_members(connection, &mut report, (first, last.unwrap_or(Uuid::max())), progress).await?;
            from = last.and_then(|last| last.as_u128().checked_add(1)).map(Uuid::from_u128);
        }
    }
    Ok(report)
}

async fn check_members(
    connection: &mut PgConnection,
    report: &mut Report,
    range: store::Range,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), Failure> {
    let mut members = store::load_members(connection, range).await?;
    let mut current: Option<(Uuid, MemberAudit)> = None;
    store::each_entry(connection, range, |entry: AuditedEntry| {
        let member_id = entry.member_id.0;
        if current.as_ref().is_none_or(|(known, _)| *known != member_id) {
            if let Some((_, done)) = current.take() {
                done.end().into_iter().for_each(|finding| report.add(finding));
            }
            report.members += 1;
            current = Some((member_id, members.remove(&member_id).unwrap_or_else(|| MemberAudit::new(entry.member_id))));
        }
        if let Some((_, audit)) = &mut current {
            audit.entry(entry);
        }
        report.entries += 1;
        if report.entries.is_multiple_of(1_000) {
            progress(report.entries);
        }
    })
    .await?;
    // The last one, and those without entries.
    for audit in current.map(|(_, audit)| audit).into_iter().chain(members.into_values()) {
        audit.end().into_iter().for_each(|finding| report.add(finding));
    }
    progress(report.entries);
    Ok(())
}

/// The anchors of a folder.
pub fn anchors_in(folder: &Path) -> PathBuf {
    folder.join(crate::ANCHORS)
}
