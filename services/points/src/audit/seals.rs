//! The seals as they stand, held against the heads under them, against their signatures, and against the anchors.

use std::collections::BTreeMap;

use jifen_kernel::MemberId;
use jifen_proof::{
    Hash, Leaf, Seal, Statement,
    anchors::{self, Line},
    seal::Tree,
};
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{AuditError, Finding, Report, Trust, What};
use crate::store::audit as store;

/// Seals of one page.
const PAGE: i64 = 50;

/// Anchors, one number after the other.
struct Anchors<I> {
    lines: I,
    waiting: Option<Seal>,
    last: Option<Statement>,
}

impl<I: Iterator<Item = Result<Line, anchors::AnchorsError>>> Anchors<I> {
    /// The next anchor that is signed with the trusted key; what isn't is a finding.
    fn advance(&mut self, trust: &Trust, report: &mut Report) -> Result<(), AuditError> {
        self.waiting = None;
        for line in self.lines.by_ref() {
            let line = line?;
            let number = i64::try_from(line.number).unwrap_or(i64::MAX);
            let Some(seal) = line.seal else {
                report.add(Finding::of_seal(What::Anchor, number, "a line of the anchors (its number instead of the seal's) is no seal"));
                continue;
            };
            if seal.key != trust.key || !seal.is_signed() {
                report.add(Finding::of_seal(What::Anchor, seal.statement.seal, "the anchor is not signed with the key of the seals"));
                continue;
            }
            if let Some(last) = &self.last {
                // Kept twice, as events are.
                if seal.statement == *last {
                    continue;
                }
                let follows = seal.statement.seal == last.seal + 1;
                if seal.statement.seal <= last.seal || (follows && seal.statement.previous != last.hash()) {
                    report.add(Finding::of_seal(What::Anchor, seal.statement.seal, "the anchor doesn't follow the one before"));
                    continue;
                }
            }
            self.last = Some(seal.statement.clone());
            self.waiting = Some(seal);
            return Ok(());
        }
        Ok(())
    }
}

/// Checks all seals, or only these. Where a root is missed and the anchor has its heads in short, the members are named; `member` alone
/// if it is given.
pub async fn check(
    connection: &mut PgConnection,
    report: &mut Report,
    trust: &Trust,
    member: Option<Uuid>,
    only: Option<&[i64]>,
) -> Result<(), AuditError> {
    let lines: Box<dyn Iterator<Item = Result<Line, anchors::AnchorsError>> + Send> = match &trust.anchors {
        Some(path) => Box::new(anchors::read(path)?),
        None => Box::new(std::iter::empty()),
    };
    let mut anchors = Anchors { lines, waiting: None, last: None };
    anchors.advance(trust, report)?;
    let mut before: Option<Statement> = None;
    let mut next = 1;
    loop {
        let page = store::list_seals(connection, next, only, PAGE).await?;
        let is_last = i64::try_from(page.len()).unwrap_or(i64::MAX) < PAGE;
        let end = page.last().filter(|_| !is_last).map_or(i64::MAX, |(number, _)| *number);
        let mut trees = load_trees(connection, (next, end), only).await?;
        for (number, seal) in page {
            let tree = trees.remove(&number).unwrap_or_default();
            let known = matches_anchor(connection, report, trust, member, &mut anchors, number, seal.as_ref().ok(), &tree).await?;
            report.seals += 1;
            report.anchored += u64::from(known);
            let Ok(seal) = seal else {
                report.add(Finding::of_seal(What::Seal, number, "a column holds what no sealing writes"));
                before = None;
                continue;
            };
            for why in faults(&seal, &tree, trust, before.as_ref(), only.is_some()) {
                report.add(Finding::of_seal(What::Seal, number, why));
            }
            before = Some(seal.statement);
        }
        for number in trees.into_keys() {
            report.add(Finding::of_seal(What::Seal, number, "there are heads under it, but no seal"));
        }
        if is_last {
            break;
        }
        next = end + 1;
    }
    // Anchored, and not in the table.
    while let Some(anchor) = anchors.waiting.take() {
        missing(connection, report, member, &anchor, only).await?;
        anchors.advance(trust, report)?;
    }
    Ok(())
}

async fn load_trees(connection: &mut PgConnection, range: (i64, i64), only: Option<&[i64]>) -> Result<BTreeMap<i64, Tree>, Failure> {
    let mut trees: BTreeMap<i64, Tree> = BTreeMap::new();
    store::each_leaf(connection, range, only, |seal, leaf: Leaf| trees.entry(seal).or_default().push(leaf)).await?;
    Ok(trees)
}

fn faults(seal: &Seal, tree: &Tree, trust: &Trust, before: Option<&Statement>, some: bool) -> Vec<&'static str> {
    let said = &seal.statement;
    let mut faults = Vec::new();
    if seal.key != trust.key || !seal.is_signed() {
        faults.push("it is not signed with the key of the seals");
    }
    if tree.leaves() == 0 || tree.leaves() != said.leaves || tree.root() != said.root {
        faults.push("the heads under it are not those of its root");
    }
    match before {
        Some(before) if before.seal + 1 == said.seal && said.previous != before.hash() => faults.push("it doesn't follow the seal before"),
        Some(before) if before.seal + 1 != said.seal && !some => faults.push("seals before it are missing"),
        None if said.seal == 1 && said.previous != Hash::NONE => faults.push("it is the first and follows another"),
        None if said.seal != 1 && !some => faults.push("seals before it are missing"),
        _ => {}
    }
    faults
}

/// Holds a seal against its anchor, if there is one. Names who is not as anchored.
#[expect(clippy::too_many_arguments, reason = "one seal, from every side")]
async fn matches_anchor<I: Iterator<Item = Result<Line, anchors::AnchorsError>>>(
    connection: &mut PgConnection,
    report: &mut Report,
    trust: &Trust,
    member: Option<Uuid>,
    anchors: &mut Anchors<I>,
    number: i64,
    seal: Option<&Seal>,
    tree: &Tree,
) -> Result<bool, AuditError> {
    while let Some(anchor) = anchors.waiting.take() {
        if anchor.statement.seal > number {
            anchors.waiting = Some(anchor);
            return Ok(false);
        }
        let same_number = anchor.statement.seal == number;
        if same_number {
            if seal.is_none_or(|seal| seal.statement != anchor.statement) {
                report.add(Finding::of_seal(What::Anchor, number, "the seal is not the one that was anchored"));
            }
            if tree.leaves() == 0 || tree.root() != anchor.statement.root {
                report.add(Finding::of_seal(What::Anchor, number, "the heads under the seal are not those that were anchored"));
                name(connection, report, member, &anchor).await?;
            }
        } else if member.is_none() {
            missing(connection, report, member, &anchor, None).await?;
        }
        anchors.advance(trust, report)?;
        if same_number {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A seal that was anchored is not in the table. For one member that is told only if it concerns them.
async fn missing(
    connection: &mut PgConnection,
    report: &mut Report,
    member: Option<Uuid>,
    anchor: &Seal,
    only: Option<&[i64]>,
) -> Result<(), AuditError> {
    let concerned = member.is_none_or(|member| anchor.short_heads().iter().any(|head| head.member_id == member));
    if concerned && only.is_none_or(|only| !only.contains(&anchor.statement.seal)) {
        report.add(Finding::of_seal(What::Anchor, anchor.statement.seal, "the seal was anchored and is missing"));
        name(connection, report, member, anchor).await?;
    }
    Ok(())
}

/// Names the members whose entries are not those that an anchor's heads in short tell of.
async fn name(connection: &mut PgConnection, report: &mut Report, member: Option<Uuid>, anchor: &Seal) -> Result<(), Failure> {
    let heads: Vec<_> = anchor.short_heads().into_iter().filter(|head| member.is_none_or(|member| head.member_id == member)).collect();
    let places: Vec<_> = heads.iter().map(|head| (head.member_id, head.sequence)).collect();
    let mut stored = store::load_places(connection, &places).await?;
    for head in heads {
        let Some(at) = stored.remove(&(head.member_id, head.sequence)) else { continue };
        let what = match &at.entry {
            None => What::CutTail,
            Some((_, hash)) if !head.is_of(hash) => What::Rewritten,
            Some(_) => continue,
        };
        // What follows in the same chain follows from it.
        if !report.named.insert((what, head.member_id)) {
            continue;
        }
        report.add(Finding {
            member_id: Some(MemberId(head.member_id)),
            member_no: at.member_no,
            sequence: Some(head.sequence),
            from: Some(at.behind.map_or(1, |behind| behind + 1).min(head.sequence)),
            entry_id: at.entry.map(|(entry, _)| entry),
            seal: Some(anchor.statement.seal),
            ..Finding::new(what)
        });
    }
    Ok(())
}
