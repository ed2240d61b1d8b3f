//! What can be asked.

use jifen_contracts::{
    Problem, code,
    endpoint::{
        ProgramApply, ProgramApplyReply, ProgramApplyRequest, ProgramCheck, ProgramCheckReply, ProgramFiles, ProgramFinding, ProgramGet,
        ProgramGetRequest, ProgramList, ProgramsReply, ProgramsRequest,
    },
    event::ProgramApplied,
    program::AppliedProgram,
};
use jifen_runtime::{Asked, Ctx, Failure, Mutation, Outbox, Query};
use sqlx::PgConnection;

use crate::{
    domain::{
        check::check,
        version::{Decision, Newest, Refusal, decide_apply},
    },
    store::{self, version::ReadError},
};

/// Versions of one reply, in bytes of JSON: half of what the broker takes as one message.
const LIST_BYTES: usize = 512 * 1024;
/// Findings in the detail of a refusal; `check` shows more.
const FINDINGS_IN_DETAIL: usize = 50;

fn failed(error: ReadError) -> Problem {
    match error {
        ReadError::Database(error) => Problem::new(code::SERVICE_UNAVAILABLE).detail(Failure::from(error).to_string()),
        ReadError::Row(error) => Problem::new(code::SERVICE_INTERNAL).detail(error.to_string()),
    }
}

/// Lists versions, a page at a time.
#[derive(Debug, Clone, Copy)]
pub struct List;

impl Query for List {
    type Endpoint = ProgramList;

    async fn answer(&self, cx: &Ctx, request: ProgramsRequest) -> Result<ProgramsReply, Problem> {
        let (versions, more) = store::version::list(&cx.pool, request.after).await.map_err(failed)?;
        Ok(cut(versions, more, LIST_BYTES))
    }
}

/// As many versions as fit, at least one.
fn cut(mut versions: Vec<AppliedProgram>, more: bool, bytes: usize) -> ProgramsReply {
    let mut size = 0;
    let fitting = versions.iter().take_while(|version| {
        size += serde_json::to_vec(version).map_or(0, |json| json.len());
        size <= bytes
    });
    let keep = fitting.count().max(1).min(versions.len());
    let more = more || keep < versions.len();
    versions.truncate(keep);
    ProgramsReply { versions, more }
}

/// Answers one version.
#[derive(Debug, Clone, Copy)]
pub struct Get;

impl Query for Get {
    type Endpoint = ProgramGet;

    async fn answer(&self, cx: &Ctx, request: ProgramGetRequest) -> Result<AppliedProgram, Problem> {
        let found = match request.version {
            Some(version) => store::version::get(&cx.pool, version).await,
            None => store::version::get_in_force(&cx.pool, cx.clock.now()).await,
        };
        found.map_err(failed)?.ok_or_else(|| code::PROGRAM_UNKNOWN_VERSION.into())
    }
}

/// Checks files.
#[derive(Debug, Clone, Copy)]
pub struct Check;

impl Query for Check {
    type Endpoint = ProgramCheck;

    async fn answer(&self, _cx: &Ctx, request: ProgramFiles) -> Result<ProgramCheckReply, Problem> {
        let findings = match check(&request.files) {
            Ok((_, warnings)) => warnings,
            Err(findings) => findings,
        };
        Ok(ProgramCheckReply { findings })
    }
}

/// Applies files as the next version.
#[derive(Debug, Clone, Copy)]
pub struct Apply;

impl Mutation for Apply {
    type Endpoint = ProgramApply;
    type Prepared = ();

    fn operation_id(request: &ProgramApplyRequest) -> &str {
        &request.operation_id
    }

    async fn prepare(&self, _cx: &Ctx, _batch: &[Asked<ProgramApplyRequest>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        _cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<ProgramApplyRequest>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Vec<Result<ProgramApplyReply, Problem>>, Failure> {
        store::version::lock(tx).await?;
        // Only a first start makes version 1; it is under way.
        let Some(mut newest) = store::version::load_newest(tx).await? else {
            return Ok(batch.iter().map(|_| Err(code::SERVICE_UNAVAILABLE.into())).collect());
        };
        let (mut answers, mut next) = (Vec::with_capacity(batch.len()), Vec::new());
        for asked in batch {
            answers.push(match decide(&newest, &asked.request, out) {
                Ok((Decision::Unchanged(version), findings)) => Ok(ProgramApplyReply { version, unchanged: true, findings }),
                Ok((Decision::Next(applied), findings)) => {
                    newest = Newest::from(&*applied);
                    out.event(&asked.cause, Some(i64::from(applied.version)), &ProgramApplied(AppliedProgram::clone(&applied)));
                    next.push(*applied);
                    Ok(ProgramApplyReply { version: newest.version, unchanged: false, findings })
                }
                Err(problem) => Err(problem),
            });
        }
        store::version::save(tx, &next).await?;
        Ok(answers)
    }
}

fn decide(newest: &Newest, request: &ProgramApplyRequest, out: &Outbox) -> Result<(Decision, Vec<ProgramFinding>), Problem> {
    let (program, warnings) =
        check(&request.files).map_err(|findings| Problem::new(code::PROGRAM_INVALID).detail(detail_of(&findings)).at("/files"))?;
    let decision = decide_apply(newest, request.after, program, request.effective_from, out.now()).map_err(|refusal| {
        let (code, place) = match refusal {
            Refusal::BeforeNewest { .. } | Refusal::TooEarly => (code::PROGRAM_RETROACTIVE, "/effective_from"),
            Refusal::TooLate => (code::REQUEST_MALFORMED, "/effective_from"),
            Refusal::Changed { .. } => (code::PROGRAM_CHANGED, "/after"),
        };
        Problem::new(code).detail(refusal.to_string()).at(place)
    })?;
    Ok((decision, warnings))
}

/// One line a finding, errors first.
fn detail_of(findings: &[ProgramFinding]) -> String {
    let (warnings, errors): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.warning);
    let all: Vec<String> = errors
        .into_iter()
        .chain(warnings)
        .map(|finding| {
            let word = if finding.warning { "warning: " } else { "" };
            format!("{}:{} {}: {word}{}", finding.file, finding.line, finding.key, finding.message)
        })
        .collect();
    let mut lines: Vec<String> = all.iter().take(FINDINGS_IN_DETAIL).cloned().collect();
    if all.len() > lines.len() {
        lines.push(format!("and {} more", all.len() - lines.len()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::version::first_version, preset};

    #[test]
    fn a_reply_holds_what_fits_and_at_least_one() {
        let (program, _) = check(&preset("points").expect("preset")).expect("program");
        let first = first_version(program, "2026-10-01T00:00:00Z".parse().expect("instant"));
        let size = serde_json::to_vec(&first).expect("json").len();
        let count = |versions: usize, more, bytes| {
            let reply = cut(vec![first.clone(); versions], more, bytes);
            (reply.versions.len(), reply.more)
        };
        assert_eq!(count(3, false, size * 3), (3, false));
        assert_eq!(count(3, false, size * 2 + 1), (2, true));
        assert_eq!(count(3, false, 1), (1, true));
        assert_eq!(count(1, true, size), (1, true));
        assert_eq!(count(0, false, size), (0, false));
    }
}
