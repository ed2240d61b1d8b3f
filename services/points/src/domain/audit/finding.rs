//! What was found, and how it is said.

use jifen_contracts::code::Text;
use jifen_kernel::MemberId;
use serde::Serialize;
use uuid::Uuid;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An entry doesn't match its hash.
    Edited,
    /// A column holds what no posting writes.
    Unreadable,
    /// Places in a chain are empty.
    Missing,
    /// An entry stands where none was posted.
    Inserted,
    /// A chain was longer.
    CutTail,
    /// A chain is sound, and not the one that was sealed.
    Rewritten,
    /// An account's head is not the hash of its newest entry.
    Head,
    /// Entries of a member without account.
    NoAccount,
    /// A balance is not the sum of the entries.
    Balance,
    /// A lot is not what the entries left of it.
    Lot,
    /// A seal isn't what was signed, or doesn't follow the one before.
    Seal,
    /// The anchors and the seals contradict each other.
    Anchor,
}

/// Something that was changed behind the ledger's back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: What,
    /// Whose chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// The number on the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// The place in the chain where it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// The earliest place that may have been changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The entry at `sequence`, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<Uuid>,
    /// The lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot_id: Option<Uuid>,
    /// The seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<i64>,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<&'static str>,
    /// What stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<i64>,
    /// What the entries come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summed: Option<i64>,
    /// More about seals and anchors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

impl Finding {
    /// Of this kind.
    pub fn new(what: What) -> Self {
        Self {
            what,
            member_id: None,
            member_no: None,
            sequence: None,
            from: None,
            entry_id: None,
            lot_id: None,
            seal: None,
            column: None,
            stored: None,
            summed: None,
            why: None,
        }
    }

    /// About a seal.
    pub fn of_seal(what: What, seal: i64, why: &'static str) -> Self {
        Self { seal: Some(seal), why: Some(why), ..Self::new(what) }
    }

    /// Whether it names this place of this member's chain.
    pub fn names(&self, member_id: MemberId, place: i64) -> bool {
        let (Some(from), Some(to)) = (self.from.or(self.sequence), self.sequence) else { return false };
        self.member_id == Some(member_id) && (from..=to).contains(&place)
    }

    /// In words.
    pub fn text(&self) -> Text {
        let column = self.column.unwrap_or_default();
        let (stored, summed) = (self.stored.unwrap_or_default(), self.summed.unwrap_or_default());
        match self.what {
            What::Edited if self.from < self.sequence => Text::new(
                "分录与其哈希不符：该分录被改动，或前一分录连同其哈希被改写",
                "the entry doesn't match its hash: it was altered, or the one before was rewritten with its hash",
            ),
            What::Edited => Text::new("分录与其哈希不符：被改动", "the entry doesn't match its hash: it was altered"),
            What::Unreadable => {
                Text::new(format!("列 {column} 的内容不是入账时会写入的"), format!("column {column} holds what no posting writes"))
            }
            What::Missing => Text::new("链中缺失的分录", "entries of the chain are missing"),
            What::Inserted => Text::new("此处多出分录，并非入账所写", "an entry stands where none was posted"),
            What::CutTail => Text::new("链尾被截去", "the end of the chain was cut off"),
            What::Rewritten => Text::new(
                "链条自身连贯，但与封存的不同：所列范围内的分录被改写",
                "the chain is sound, but not the one that was sealed: entries of this range were rewritten",
            ),
            What::Head => Text::new("账户的链首不是最新分录的哈希", "the account's head is not the hash of its newest entry"),
            What::NoAccount => Text::new("有分录而无账户", "there are entries and no account"),
            What::Balance => Text::new(
                format!("账户 {column} 为 {stored}，分录合计 {summed}"),
                format!("{column} of the account is {stored}, its entries come to {summed}"),
            ),
            What::Lot if column == "store" => {
                Text::new("批次的出资门店与其首条分录不同", "the lot's store is not the one that its first entry names")
            }
            What::Lot => Text::new(
                format!("批次 {column} 为 {stored}，分录合计 {summed}"),
                format!("{column} of the lot is {stored}, its entries come to {summed}"),
            ),
            What::Seal => Text::new(
                format!("封存有误：{}", self.why.unwrap_or_default()),
                format!("the seal is wrong: {}", self.why.unwrap_or_default()),
            ),
            What::Anchor => Text::new(
                format!("锚点与数据库不符：{}", self.why.unwrap_or_default()),
                format!("anchors and database contradict each other: {}", self.why.unwrap_or_default()),
            ),
        }
    }
}

impl std::fmt::Display for Finding {
    /// One line: what, whose, where, and in words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = serde_json::to_value(self.what).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
        write!(f, "{word}")?;
        match (&self.member_no, self.member_id) {
            (Some(number), _) => write!(f, " {number}")?,
            (None, Some(member)) => write!(f, " {member}")?,
            (None, None) => {}
        }
        match (self.from, self.sequence) {
            (Some(from), Some(to)) if from < to => write!(f, " #{from}-{to}")?,
            (_, Some(place)) => write!(f, " #{place}")?,
            _ => {}
        }
        if let Some(entry) = self.entry_id {
            write!(f, " {entry}")?;
        }
        if let Some(lot) = self.lot_id {
            write!(f, " lot {lot}")?;
        }
        if let Some(seal) = self.seal {
            write!(f, " seal {seal}")?;
        }
        let text = self.text();
        write!(f, ": {} / {}", text.zh, text.en)
    }
}
