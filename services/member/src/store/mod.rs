//! All SQL of the service: [`identities`] (keys and their owners), [`members`] (new members and reads), [`standings`] (members
//! under lock), [`profiles`] (their values), [`consents`], [`codes`], [`documents`] (what stores reported).

pub mod codes;
pub mod consents;
pub mod documents;
pub mod identities;
pub mod members;
pub mod profiles;
pub mod standings;

use jifen_contracts::endpoint::{Language, MemberStatus};
use uuid::Uuid;

use crate::domain::MemberNo;

/// A stored value that this program can't read.
#[derive(Debug, thiserror::Error)]
#[error("member.{column} of {member_id} can't be read")]
pub struct BadRow {
    /// The column.
    column: &'static str,
    /// The row.
    member_id: Uuid,
}

impl From<BadRow> for sqlx::Error {
    fn from(row: BadRow) -> Self {
        Self::Decode(row.into())
    }
}

fn status_word(status: MemberStatus) -> &'static str {
    match status {
        MemberStatus::Registered => "registered",
        MemberStatus::Active => "active",
        MemberStatus::Lapsed => "lapsed",
    }
}

fn read_status(member_id: Uuid, word: &str) -> Result<MemberStatus, BadRow> {
    match word {
        "registered" => Ok(MemberStatus::Registered),
        "active" => Ok(MemberStatus::Active),
        "lapsed" => Ok(MemberStatus::Lapsed),
        _ => Err(BadRow { column: "status", member_id }),
    }
}

fn language_word(language: Language) -> &'static str {
    match language {
        Language::Zh => "zh",
        Language::En => "en",
    }
}

fn read_language(member_id: Uuid, word: &str) -> Result<Language, BadRow> {
    match word {
        "zh" => Ok(Language::Zh),
        "en" => Ok(Language::En),
        _ => Err(BadRow { column: "language", member_id }),
    }
}

fn read_member_no(member_id: Uuid, text: &str) -> Result<MemberNo, BadRow> {
    MemberNo::try_new(text).ok_or(BadRow { column: "member_no", member_id })
}
