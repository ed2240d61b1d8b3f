//! What a member is told about, and under which key that happens once.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    EventType,
    event::{AccrualSettled, EntryKind, MemberRegistered, TierUpgraded},
    program::MessageKind,
};
use jifen_kernel::{MemberId, Points, StoreCode, Token};

/// Something to tell one member, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// Whom.
    pub member_id: MemberId,
    /// With the kind of message: what makes it this occasion and no other, for ever.
    pub business_key: String,
    /// Where it happened: the message's store.
    pub store: StoreCode,
    /// Whose texts tell it.
    pub rules: Rules,
    /// What there is to tell.
    pub facts: Facts,
}

/// Which version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The one that the event names.
    Version(u32),
    /// The one in force at an instant.
    InForceAt(DateTime<Utc>),
}

/// The content, by kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    /// Somebody became a member.
    Welcome {
        /// The number on the card.
        member_no: String,
    },
    /// An accrual brought points, base and bonus in one.
    PointsEarned {
        /// All of them.
        points: Points,
        /// Those of campaigns.
        bonus: Points,
        /// What can be spent now.
        balance: Points,
    },
    /// A higher tier was reached.
    TierUpgraded {
        /// Its code.
        to: Token,
    },
}

impl Facts {
    /// The kind of message that tells them.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Welcome { .. } => MessageKind::Welcome,
            Self::PointsEarned { .. } => MessageKind::PointsEarned,
            Self::TierUpgraded { .. } => MessageKind::TierUpgraded,
        }
    }
}

/// An event of which a member may hear.
pub trait Occasional: EventType {
    /// What there is to tell, if anything.
    fn occasion(&self) -> Option<Occasion>;
}

impl Occasional for MemberRegistered {
    fn occasion(&self) -> Option<Occasion> {
        Some(Occasion {
            member_id: self.member_id,
            business_key: "welcome".to_owned(),
            store: self.store.clone(),
            rules: Rules::InForceAt(self.registered_at),
            facts: Facts::Welcome { member_no: self.member_no.clone() },
        })
    }
}

impl Occasional for AccrualSettled {
    /// Nothing for an accrual without points: a warranty job, say.
    fn occasion(&self) -> Option<Occasion> {
        let points = self.points();
        let bonus = self.entries.iter().filter(|entry| entry.kind == EntryKind::Bonus).map(|entry| entry.points).sum();
        points.is_positive().then(|| Occasion {
            member_id: self.member_id,
            // A store code has no slash, so the pair reads only one way.
            business_key: format!("{}/{}", self.store, self.document),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::PointsEarned { points, bonus, balance: self.balance.active },
        })
    }
}

impl Occasional for TierUpgraded {
    fn occasion(&self) -> Option<Occasion> {
        Some(Occasion {
            member_id: self.member_id,
            business_key: self.ordinal.to_string(),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::TierUpgraded { to: self.to.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::event::{Balance, PostedEntry};
    use uuid::Uuid;

    use super::*;

    fn settled(entries: &[(EntryKind, i64)]) -> AccrualSettled {
        let entry = |(kind, points): &(EntryKind, i64)| PostedEntry {
            entry_id: Uuid::nil(),
            kind: *kind,
            rule: "earn@1".to_owned(),
            category: None,
            points: Points(*points),
            qualifying: true,
            pending: false,
        };
        AccrualSettled {
            source: jifen_contracts::event::AccrualSource::Invoice,
            store: StoreCode::try_new("SH01").expect("store"),
            document: "R/1".to_owned(),
            member_id: MemberId(Uuid::from_u128(1)),
            member_no: "M1".to_owned(),
            issued_at: DateTime::UNIX_EPOCH,
            business_date: "2026-10-01".parse().expect("date"),
            program_version: 3,
            vehicle: None,
            visit: true,
            paid_visit: true,
            categories: Vec::new(),
            entries: entries.iter().map(entry).collect(),
            balance: Balance { active: Points(5_000), pending: Points(7), ..Balance::default() },
        }
    }

    #[test]
    fn an_accrual_is_told_with_base_and_bonus_in_one() {
        let event =
            settled(&[(EntryKind::Accrual, 1_000), (EntryKind::FirstSpending, 100), (EntryKind::Bonus, 400), (EntryKind::Bonus, 100)]);
        let occasion = event.occasion().expect("points were earned");
        assert_eq!((occasion.business_key.as_str(), occasion.rules), ("SH01/R/1", Rules::Version(3)));
        assert_eq!(occasion.facts, Facts::PointsEarned { points: Points(1_600), bonus: Points(500), balance: Points(5_000) });
    }

    #[test]
    fn an_accrual_without_points_is_not_told() {
        assert_eq!(settled(&[]).occasion(), None);
        assert_eq!(settled(&[(EntryKind::Accrual, 0)]).occasion(), None);
    }
}
