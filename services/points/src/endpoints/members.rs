//! Whom requests name: accounts by number, and members who have none yet.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    Problem, code,
    endpoint::{MemberList, MemberListRequest, MemberStatus, Staff},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{Ctx, Failure, ask};

use crate::store::accounts;

/// Numbers of one question to `member`.
const ASKED: usize = 1_000;

/// A member as a request names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub member_id: MemberId,
    /// There is an account; [`name_receivers`] doesn't look.
    pub has_account: bool,
    /// `member` says that the registration isn't activated; [`name_members`] doesn't ask it of who has an account.
    pub awaiting: bool,
}

/// Members by number.
pub type Members = BTreeMap<String, Result<Named, Problem>>;

/// Who has these numbers; of those without an account `member` is asked, in one question for all.
pub async fn name_members<'a>(cx: &Ctx, numbers: impl Iterator<Item = &'a str>) -> Result<Members, Failure> {
    let numbers = askable(numbers);
    let known = accounts::list_numbers(&cx.pool, &numbers).await?;
    name(cx, numbers, known).await
}

/// Who has these numbers, and whose points wait: of all who aren't known to be activated `member` is asked, in one question. An account
/// says nothing: who brought a bill of nothing has one, too.
pub async fn name_receivers<'a>(cx: &Ctx, numbers: impl Iterator<Item = &'a str>) -> Result<Members, Failure> {
    let numbers = askable(numbers);
    let known = accounts::list_activated_numbers(&cx.pool, &numbers).await?;
    name(cx, numbers, known).await
}

/// Each once. No text with a NUL gets into the database, so nobody has such a number.
fn askable<'a>(numbers: impl Iterator<Item = &'a str>) -> Vec<String> {
    let numbers: BTreeSet<&str> = numbers.filter(|number| !number.contains('\0')).collect();
    numbers.into_iter().map(str::to_owned).collect()
}

async fn name(cx: &Ctx, numbers: Vec<String>, known: Vec<(String, MemberId)>) -> Result<Members, Failure> {
    let named = |(number, member_id)| (number, Ok(Named { member_id, has_account: true, awaiting: false }));
    let mut members: Members = known.into_iter().map(named).collect();
    let unknown: Vec<String> = numbers.into_iter().filter(|number| !members.contains_key(number)).collect();
    for part in unknown.chunks(ASKED) {
        match ask::<MemberList>(&cx.nats, &MemberListRequest { member_nos: part.to_vec() }).await {
            // Whom the answer doesn't name nobody knows.
            Ok(answer) => members.extend(answer.members.into_iter().map(|member| {
                let awaiting = member.status != MemberStatus::Active;
                (member.member_no, Ok(Named { member_id: member.member_id, has_account: false, awaiting }))
            })),
            Err(problem) => members.extend(part.iter().map(|number| (number.clone(), Err(problem.clone())))),
        }
    }
    Ok(members)
}

/// The member of a number that [`name_members`] was asked for.
pub fn named(members: &Members, number: &str) -> Result<Named, Problem> {
    let unknown = || Problem::new(code::MEMBER_UNKNOWN).at("/member_no");
    let found = members.get(number).cloned().unwrap_or_else(|| Err(unknown()));
    found.map_err(|problem| if problem.is_transient() { problem } else { unknown() })
}

/// A store of the program.
pub fn store_named(rules: &AppliedProgram, store: &str) -> Result<StoreCode, Problem> {
    let known = rules.program.store(store).map(|store| store.code.clone());
    known.ok_or_else(|| Problem::new(code::POINTS_UNKNOWN_STORE).at("/store"))
}

/// The most points that one request may move: far above every real one, far below the edge of a JSON number.
const MOST: i64 = 999_999_999_999;

/// A number of points above zero.
pub fn some_points(points: Points, pointer: &str) -> Result<Points, Problem> {
    if (1..=MOST).contains(&points.0) { Ok(points) } else { Err(Problem::new(code::POINTS_BAD_AMOUNT).at(pointer)) }
}

/// A text of so many characters, without control characters and outer blanks.
pub fn text(text: &str, most: usize, pointer: &str) -> Result<(), Problem> {
    let good = text.trim() == text && (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(Problem::new(code::POINTS_BAD_TEXT).detail(format!("1 to {most} characters")).at(pointer)) }
}

/// Somebody of the staff.
pub fn staff(by: &Staff) -> Result<(), Problem> {
    text(&by.staff_id, 64, "/by/staff_id")?;
    text(&by.role, 32, "/by/role")
}
