//! Whom a request means: by number or by phone.

use std::collections::{BTreeSet, HashMap};

use jifen_contracts::{KeyedHash, Problem, code};
use jifen_kernel::{MemberId, Phone};
use jifen_runtime::{Ctx, Failure};
use sqlx::PgConnection;

use crate::{
    domain::MemberNo,
    keys,
    store::{identities, standings},
};

/// What a member is named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By id.
    Id(MemberId),
    /// By the number on the card.
    Number(MemberNo),
    /// By phone, hashed.
    Phone(KeyedHash),
}

impl Named {
    /// Reads the one of both that is given.
    pub fn read(cx: &Ctx, member_no: Option<&str>, phone: Option<&str>) -> Result<Self, Problem> {
        match (member_no, phone) {
            (Some(number), None) => Self::number(number),
            (None, Some(phone)) => {
                let phone =
                    Phone::try_new(phone).map_err(|why| Problem::new(code::MEMBER_BAD_PHONE).detail(why.to_string()).at("/phone"))?;
                Ok(Self::Phone(keys::of_phone(&cx.lookup, &phone)))
            }
            _ => Err(Problem::new(code::REQUEST_MALFORMED).detail("exactly one of member_no and phone says whom").at("/member_no")),
        }
    }

    /// Reads a number.
    pub fn number(text: &str) -> Result<Self, Problem> {
        MemberNo::try_new(text).map(Self::Number).ok_or_else(|| Self::Id(MemberId(uuid::Uuid::nil())).unknown_at("/member_no"))
    }

    /// Nobody is named so.
    pub fn unknown(&self) -> Problem {
        self.unknown_at(match self {
            Self::Id(_) => "/member_id",
            Self::Number(_) => "/member_no",
            Self::Phone(_) => "/phone",
        })
    }

    #[expect(clippy::unused_self, reason = "one place says what unknown is")]
    fn unknown_at(&self, pointer: &str) -> Problem {
        Problem::new(code::MEMBER_UNKNOWN).at(pointer)
    }
}

/// Whom each names; `None` where that is nobody.
pub async fn find(tx: &mut PgConnection, named: &[Option<&Named>]) -> Result<Vec<Option<MemberId>>, Failure> {
    let (mut numbers, mut phones) = (BTreeSet::new(), BTreeSet::new());
    for named in named.iter().flatten() {
        match named {
            Named::Number(number) => drop(numbers.insert(number.to_string())),
            Named::Phone(phone) => drop(phones.insert(phone.0.clone())),
            Named::Id(_) => {}
        }
    }
    let (mut by_number, mut by_phone) = (HashMap::new(), HashMap::new());
    if !numbers.is_empty() {
        by_number = standings::find_numbers(tx, &numbers.into_iter().collect::<Vec<_>>()).await?;
    }
    if !phones.is_empty() {
        by_phone = identities::load_owners(tx, &phones.into_iter().collect::<Vec<_>>()).await?;
    }
    let find = |named: Option<&Named>| match named? {
        Named::Id(member) => Some(*member),
        Named::Number(number) => by_number.get(number.as_str()).copied(),
        Named::Phone(phone) => by_phone.get(phone).map(|owner| owner.member_id),
    };
    Ok(named.iter().map(|named| find(*named)).collect())
}
