//! `api.points.lots.import`: what members had in another system becomes lots with their own ends, each line of a source once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use jifen_contracts::{
    Problem,
    code::{self, Code},
    endpoint::{ImportOutcome, ImportStatus, ImportedLot, LotsImport, LotsImportReply, LotsImportRequest},
    event::AccrualSource,
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, clock};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, message::Cause};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::members::{Members, name_receivers, named};
use crate::{
    domain::{
        direct::{DirectAccrual, decide_credit},
        lot_change::may_end_on,
    },
    handlers::ids,
    outbound,
    store::{
        accounts, activations, entries,
        imports::{self, LineKey, NewLine},
        lot_changes,
    },
    till::{rules, today},
};

/// Lots of one request.
const MOST: usize = 500;
/// Points of one lot.
const MOST_POINTS: i64 = 999_999_999_999;

/// Imports opening balances.
pub struct ImportLots;

/// With this begin the keys of lots that have no name of their own: `~<hash of the content>~<nth>`.
const UNNAMED: char = '~';

/// A line that is in order.
struct Line<'a> {
    key: LineKey,
    /// Of one without a name of its own: how many say the same before it.
    nth: Option<u32>,
    sha256: Vec<u8>,
    lot: &'a ImportedLot,
    member_id: MemberId,
    awaiting: bool,
    earned_on: NaiveDate,
}

/// Why a line is wrong: code and field.
type Wrong = (Code, &'static str);
/// The lines of a request, each judged; or why nobody can say anything of it.
type Judged<'a> = Result<Vec<Result<Line<'a>, Wrong>>, Problem>;

fn judge<'a>(
    request: &LotsImportRequest,
    lot: &'a ImportedLot,
    (rules, today): (&AppliedProgram, NaiveDate),
    members: &Members,
) -> Result<Result<Line<'a>, Wrong>, Problem> {
    let named_well =
        (1..=64).contains(&lot.line.chars().count()) && !lot.line.chars().any(char::is_control) && !lot.line.starts_with(UNNAMED);
    let good_line = lot.nth.map_or(named_well, |nth| nth > 0 && lot.line.is_empty());
    let earned_on = lot.earned_on.unwrap_or(today);
    let wrong = [
        (!good_line, (code::POINTS_BAD_TEXT, "line")),
        (rules.program.store(lot.store.as_str()).is_none(), (code::POINTS_UNKNOWN_STORE, "store")),
        (!(1..=MOST_POINTS).contains(&lot.points.0), (code::POINTS_IMPORT_AMOUNT, "points")),
        (!may_end_on(lot.expires_on, today), (code::POINTS_IMPORT_ENDED, "expires_on")),
        (earned_on > today, (code::DOCUMENT_FUTURE_DATE, "earned_on")),
    ];
    if let Some((_, wrong)) = wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        return Ok(Err(wrong));
    }
    let member = match named(members, &lot.member_no) {
        Ok(member) => member,
        // `member` may be away for a moment: then nobody can say anything of this line.
        Err(problem) if problem.is_transient() => return Err(problem),
        Err(_) => return Ok(Err((code::MEMBER_UNKNOWN, "member_no"))),
    };
    let mut hasher = Sha256::new();
    let (points, expires_on) = (lot.points.to_string(), lot.expires_on.to_string());
    let earned = lot.earned_on.map(|day| day.to_string()).unwrap_or_default();
    for said in [lot.member_no.as_str(), lot.store.as_str(), &points, &expires_on, &earned, if lot.qualifying { "1" } else { "0" }] {
        hasher.update(u64::try_from(said.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(said);
    }
    let sha256 = hasher.finalize().to_vec();
    let unnamed = |nth: u32| format!("{UNNAMED}{}{UNNAMED}{nth}", hex::encode(&sha256[..16]));
    let key = (request.source.to_string(), lot.nth.map_or_else(|| lot.line.clone(), unnamed));
    Ok(Ok(Line { key, nth: lot.nth, sha256, lot, member_id: member.member_id, awaiting: member.awaiting, earned_on }))
}

/// Those of these lines without a name of their own that were imported under one: the first so many of those that say the same.
async fn known_by_name<'a>(tx: &mut PgConnection, lines: impl Iterator<Item = &'a Line<'a>>) -> Result<BTreeSet<LineKey>, Failure> {
    let said = |line: &Line<'_>| (line.key.0.clone(), line.sha256.clone());
    let unnamed: Vec<(&Line<'_>, u32)> = lines.filter_map(|line| Some((line, line.nth?))).collect();
    if unnamed.is_empty() {
        return Ok(BTreeSet::new());
    }
    let counts = imports::count_named(tx, &unnamed.iter().map(|(line, _)| said(line)).collect()).await?;
    let known = |(line, nth): &&(&Line<'_>, u32)| counts.get(&said(line)).is_some_and(|count| i64::from(*nth) <= *count);
    Ok(unnamed.iter().filter(known).map(|(line, _)| line.key.clone()).collect())
}

fn outcome(line: &str, status: ImportStatus, wrong: Option<Wrong>) -> ImportOutcome {
    ImportOutcome {
        line: line.to_owned(),
        status,
        code: wrong.map(|(code, _)| code.code.to_owned()),
        field: wrong.map(|(_, field)| field.to_owned()),
        text: wrong.map(|(code, _)| code.text()),
    }
}

impl Mutation for ImportLots {
    type Endpoint = LotsImport;
    type Prepared = Members;

    fn operation_id(request: &LotsImportRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, cx: &Ctx, batch: &[Asked<LotsImportRequest>]) -> Result<Members, Failure> {
        let mut numbers: Vec<&str> = Vec::new();
        for asked in batch {
            numbers.extend(asked.request.lots.iter().take(MOST).map(|lot| lot.member_no.as_str()));
        }
        name_receivers(cx, numbers.into_iter()).await
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<LotsImportRequest>],
        members: &Members,
        out: &mut Outbox,
    ) -> Result<Vec<Result<LotsImportReply, Problem>>, Failure> {
        let rules = rules(cx, out)?;
        let today = today(&rules, out);
        let judged: Vec<Judged<'_>> = batch
            .iter()
            .map(|asked| {
                let request = &asked.request;
                if !(1..=MOST).contains(&request.lots.len()) {
                    return Err(Problem::new(code::REQUEST_MALFORMED).detail(format!("1 to {MOST} lots")).at("/lots"));
                }
                request.lots.iter().map(|lot| judge(request, lot, (&rules, today), members)).collect()
            })
            .collect();
        // Claim: in the order of the keys, each once; the first of a repeated line stands for all.
        let mut first: BTreeMap<&LineKey, &Line<'_>> = BTreeMap::new();
        let requests = || batch.iter().zip(&judged).filter_map(|(asked, judged)| Some((asked, judged.as_ref().ok()?)));
        let under_a_name = known_by_name(tx, requests().flat_map(|(_, lines)| lines.iter().flatten())).await?;
        for line in requests().filter(|(asked, _)| !asked.request.dry_run).flat_map(|(_, lines)| lines.iter().flatten()) {
            if !under_a_name.contains(&line.key) {
                first.entry(&line.key).or_insert(line);
            }
        }
        let lines: Vec<NewLine> =
            first.values().map(|line| NewLine { key: line.key.clone(), sha256: line.sha256.clone(), member_id: line.member_id }).collect();
        let new = if lines.is_empty() { BTreeSet::new() } else { imports::claim(tx, &lines, out.now()).await? };
        let keys: Vec<LineKey> = requests().flat_map(|(_, lines)| lines.iter().flatten()).map(|line| line.key.clone()).collect();
        let known = if keys.is_empty() { BTreeMap::new() } else { imports::load(tx, &keys).await? };
        post(cx, tx, &rules, first.into_values().filter(|line| new.contains(&line.key)).collect(), out).await?;
        // Answer: of a line that stands twice, the second is a duplicate.
        let mut told: BTreeSet<LineKey> = BTreeSet::new();
        let mut answer = |dry_run: bool, line: &Line<'_>| {
            let again = !told.insert(line.key.clone());
            if under_a_name.contains(&line.key) {
                return outcome(&line.key.1, ImportStatus::Duplicate, None);
            }
            match known.get(&line.key) {
                Some(sha256) if *sha256 != line.sha256 => {
                    outcome(&line.key.1, ImportStatus::Rejected, Some((code::POINTS_IMPORT_CONFLICT, "line")))
                }
                Some(_) if again || dry_run || !new.contains(&line.key) => outcome(&line.key.1, ImportStatus::Duplicate, None),
                _ => outcome(&line.key.1, ImportStatus::Imported, None),
            }
        };
        let mut answers = Vec::with_capacity(batch.len());
        for (asked, judged) in batch.iter().zip(&judged) {
            answers.push(judged.as_ref().map_err(Clone::clone).map(|lines| {
                let each = lines.iter().zip(&asked.request.lots).map(|(line, lot)| match line {
                    Ok(line) => answer(asked.request.dry_run, line),
                    Err(wrong) => outcome(&lot.line, ImportStatus::Rejected, Some(*wrong)),
                });
                LotsImportReply { lots: each.collect() }
            }));
        }
        Ok(answers)
    }
}

/// Credits claimed lines, each a lot of its own; of who isn't activated it waits.
async fn post(cx: &Ctx, tx: &mut PgConnection, rules: &AppliedProgram, lines: Vec<&Line<'_>>, out: &mut Outbox) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let members: BTreeMap<MemberId, &str> = lines.iter().map(|line| (line.member_id, line.lot.member_no.as_str())).collect();
    let mut accounts = accounts::load_locked(tx, &members).await?;
    let waiting = imports::load_awaiting(tx, &members.keys().map(|member| member.0).collect::<Vec<_>>()).await?;
    let said = lines.iter().filter(|line| line.awaiting).map(|line| line.member_id).collect();
    let activated = activations::load(tx, &said).await?;
    let mut next_id = ids(cx, out);
    let mut postings = Vec::with_capacity(lines.len());
    for line in lines {
        let account = accounts.get_mut(&line.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
        let awaiting = waiting.contains(&line.member_id) || (line.awaiting && !activated.contains(&line.member_id));
        let accrual = DirectAccrual {
            source: AccrualSource::Import,
            store: line.lot.store.clone(),
            document: format!("{}/{}", line.key.0, line.key.1),
            member_id: line.member_id,
            member_no: line.lot.member_no.clone(),
            occurred_at: clock::start_of_day(line.earned_on, rules.program.time_zone()),
            // What awaits an activation does so from today on, however old it is.
            business_date: clock::local_date(out.now(), rules.program.time_zone()),
            program_version: rules.version,
            subject: line.key.0.clone(),
            about: None,
            amount: None,
            qualifying: line.lot.qualifying,
            awaiting,
            hold: None,
            expires_on: line.lot.expires_on,
            bonuses: Vec::new(),
        };
        let posting = decide_credit(account, &accrual, line.lot.points, awaiting, out.now(), &mut next_id);
        out.event(&Cause::default(), Some(account.sequence), &outbound::direct_settled(&accrual, &posting.entries, account.balance));
        postings.push(posting);
    }
    entries::save(tx, &postings, out.now()).await?;
    let lots = postings.iter().flat_map(|posting| posting.entries.iter().map(|entry| (entry.member_id, entry.movement.lot_id)));
    lot_changes::keep_own_ends(tx, &lots.collect::<Vec<_>>()).await?;
    accounts::save(tx, &accounts).await
}
