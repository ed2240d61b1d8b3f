//! What `apply` does: the next version, the same one again, or a refusal.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::program::{AppliedProgram, Program};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The day from which version 1 holds, and the earliest of any: older documents than this earn nothing.
pub const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");
/// The last day that a version or campaign may name. Far enough for any plan, and no calendar arithmetic ends before it.
pub const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2099, 12, 31).expect("a date");

/// What must be known of the newest version to decide about the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub version: u32,
    /// The day from which it holds.
    pub effective_from: NaiveDate,
    /// Its rules' hash.
    pub hash: String,
}

impl From<&AppliedProgram> for Newest {
    fn from(applied: &AppliedProgram) -> Self {
        Self { version: applied.version, effective_from: applied.effective_from, hash: applied.hash.clone() }
    }
}

/// What became of an `apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// These rules hold from this day already: nothing to do.
    Unchanged(u32),
    /// The next version.
    Next(Box<AppliedProgram>),
}

/// Why a version can't be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It would reach behind the newest version, into days whose documents that one has stamped.
    #[error("version {version} holds from {from}: the next can't begin before that day")]
    BeforeNewest {
        /// The newest version.
        version: u32,
        /// Its first day.
        from: NaiveDate,
    },
    /// Somebody applied another version after the one that this was made from.
    #[error("version {version} is the newest: these rules were made from version {after}")]
    Changed {
        /// The newest version.
        version: u32,
        /// What they were made from.
        after: u32,
    },
    /// Before the calendar of programs begins.
    #[error("a version can't begin before {FIRST_DAY}")]
    TooEarly,
    /// After the calendar of programs ends: a typing error.
    #[error("a version can't begin after {LAST_DAY}")]
    TooLate,
}

/// Decides what becomes of `program` behind `newest`; `after` is the version that it was made from, if its author says so.
///
/// A version may begin on the very day of the newest one (the higher number then holds) but not before it, so the version in
/// force at an instant only ever changes to a later one. Version 1 is no exception to that: it begins on [`FIRST_DAY`].
pub fn decide_apply(
    newest: &Newest,
    after: Option<u32>,
    program: Program,
    effective_from: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    let hash = hash(&program);
    if hash == newest.hash && effective_from == newest.effective_from {
        return Ok(Decision::Unchanged(newest.version));
    }
    if let Some(after) = after.filter(|after| *after != newest.version) {
        return Err(Refusal::Changed { version: newest.version, after });
    }
    if effective_from < FIRST_DAY {
        return Err(Refusal::TooEarly);
    }
    if effective_from > LAST_DAY {
        return Err(Refusal::TooLate);
    }
    if effective_from < newest.effective_from {
        return Err(Refusal::BeforeNewest { version: newest.version, from: newest.effective_from });
    }
    Ok(Decision::Next(Box::new(AppliedProgram { version: newest.version + 1, hash, effective_from, applied_at: now, program })))
}

/// Version 1, as a first start stores it.
pub fn first_version(program: Program, now: DateTime<Utc>) -> AppliedProgram {
    AppliedProgram { version: 1, hash: hash(&program), effective_from: FIRST_DAY, applied_at: now, program }
}

/// SHA-256 of the canonical JSON of the rules (keys sorted, no blanks), hex: equal rules have equal hashes however their files
/// are written.
pub fn hash(program: &Program) -> String {
    let value = serde_json::to_value(program).expect("a program is plain data: maps have text keys, numbers are whole");
    hex::encode(Sha256::digest(sorted(value).to_string().as_bytes()))
}

/// Keys in order, whatever order the JSON library keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check, preset};

    fn program(preset_name: &str) -> Program {
        check(&preset(preset_name).expect("preset")).expect("program").0
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    fn now() -> DateTime<Utc> {
        "2026-10-01T00:00:00Z".parse().expect("instant")
    }

    #[test]
    fn the_next_version_begins_where_it_is_told_and_counts_on() {
        let first = first_version(program("points"), now());
        assert_eq!((first.version, first.effective_from), (1, day("2000-01-01")));
        let decision = decide_apply(&Newest::from(&first), Some(1), program("flat"), day("2026-10-01"), now());
        let Ok(Decision::Next(next)) = decision else { panic!("{decision:?}") };
        assert_eq!((next.version, next.effective_from, next.applied_at), (2, day("2026-10-01"), now()));
        assert_eq!(next.hash, hash(&program("flat")));
    }

    #[test]
    fn the_same_rules_from_the_same_day_change_nothing() {
        let first = first_version(program("points"), now());
        let newest = Newest::from(&first);
        assert_eq!(decide_apply(&newest, None, program("points"), day("2000-01-01"), now()), Ok(Decision::Unchanged(1)));
        // The same rules from another day are a version: what was in force in between may have been another.
        let again = decide_apply(&newest, None, program("points"), day("2026-10-01"), now());
        assert!(matches!(again, Ok(Decision::Next(_))), "{again:?}");
    }

    #[test]
    fn a_version_never_reaches_behind_the_newest() {
        let newest = Newest { version: 4, effective_from: day("2026-10-01"), hash: "other".to_owned() };
        let apply = |from: &str| decide_apply(&newest, None, program("points"), day(from), now());
        assert_eq!(apply("2026-09-30"), Err(Refusal::BeforeNewest { version: 4, from: day("2026-10-01") }));
        assert_eq!(apply("1999-12-31"), Err(Refusal::TooEarly));
        assert_eq!(apply("2100-01-01"), Err(Refusal::TooLate));
        assert!(matches!(apply("2026-10-01"), Ok(Decision::Next(next)) if next.version == 5));
    }

    #[test]
    fn who_began_from_an_older_version_undoes_nothing() {
        let newest = Newest { version: 4, effective_from: day("2026-10-01"), hash: hash(&program("flat")) };
        let apply = |after, preset| decide_apply(&newest, Some(after), program(preset), day("2026-10-01"), now());
        assert_eq!(apply(3, "points"), Err(Refusal::Changed { version: 4, after: 3 }));
        assert_eq!(apply(5, "points"), Err(Refusal::Changed { version: 4, after: 5 }));
        assert!(matches!(apply(4, "points"), Ok(Decision::Next(_))));
        // What he wants holds already: he may have asked before.
        assert_eq!(apply(3, "flat"), Ok(Decision::Unchanged(4)));
    }

    #[test]
    fn the_hash_is_of_the_rules_not_of_their_spelling() {
        let mut files = preset("points").expect("preset");
        let spelled = format!("# a comment\n{}", files["earn.toml"].replace("\"1.5\"", "\"1.50\""));
        files.insert("earn.toml".to_owned(), spelled);
        assert_eq!(hash(&check(&files).expect("program").0), hash(&program("points")));
        assert_ne!(hash(&program("flat")), hash(&program("points")));
        // Keys in order at every depth, and no blanks: what another implementation must hash, too.
        assert_eq!(sorted(serde_json::json!({"b": [{"d": 1, "c": 2}], "a": null})).to_string(), r#"{"a":null,"b":[{"c":2,"d":1}]}"#);
    }
}
