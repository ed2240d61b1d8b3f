//! What each kind of event means for members, for staff, and for what is remembered.

use jifen_contracts::{
    EventType,
    endpoint::MemberStatus,
    event::{
        AccrualSettled, AccrualSource, CampaignPreheated, CampaignStarted, CorrectionKind, EntitlementGranted, EntryKind, Expired,
        Expiring, MemberActivated, MemberCodeIssued, MemberLapseWarned, MemberLapsed, MemberRegistered, MemberUpdated, MonthDay, Reversed,
        TierDowngradeWarned, TierDowngraded, TierStanding, TierUpgraded,
    },
    program::TaskKind,
};
use jifen_kernel::Points;

use super::occasion::{Facts, From, Learned, Occasion, Reason, Rules};

/// An event that concerns members.
pub trait Occasional: EventType {
    /// What there is to tell, if anything.
    fn occasions(&self) -> Vec<Occasion> {
        Vec::new()
    }

    /// What staff may have to do.
    fn reason(&self) -> Option<Reason> {
        None
    }

    /// What is remembered.
    fn learned(&self) -> Option<Learned> {
        None
    }
}

fn month_day(birthday: Option<MonthDay>) -> Option<(u32, u32)> {
    birthday.map(|birthday| (birthday.month, birthday.day))
}

impl Occasional for MemberRegistered {
    /// Who still has to activate the registration is welcomed when that is done.
    fn occasions(&self) -> Vec<Occasion> {
        let welcome = Occasion {
            member_id: self.member_id,
            business_key: "welcome".to_owned(),
            store: self.store.clone(),
            rules: Rules::InForceAt(self.registered_at),
            facts: Facts::Welcome { member_no: self.member_no.clone() },
        };
        if self.status == MemberStatus::Active { vec![welcome] } else { Vec::new() }
    }

    /// Nothing of a member without a birthday: what is told of later names its store itself.
    fn learned(&self) -> Option<Learned> {
        self.birthday.is_some().then(|| Learned::Member {
            member_id: self.member_id,
            store: self.store.clone(),
            active: self.status == MemberStatus::Active,
            birthday: month_day(self.birthday),
            from_year: None,
        })
    }
}

impl Occasional for MemberActivated {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: "welcome".to_owned(),
            store: self.store.clone(),
            rules: Rules::InForceAt(self.at),
            facts: Facts::Welcome { member_no: self.member_no.clone() },
        }]
    }

    fn learned(&self) -> Option<Learned> {
        Some(Learned::Active { member_id: self.member_id, store: self.store.clone(), active: true })
    }
}

impl Occasional for MemberLapsed {
    fn learned(&self) -> Option<Learned> {
        Some(Learned::Active { member_id: self.member_id, store: self.store.clone(), active: false })
    }
}

impl Occasional for MemberUpdated {
    fn learned(&self) -> Option<Learned> {
        Some(Learned::Member {
            member_id: self.member_id,
            store: self.store.clone(),
            active: self.status == MemberStatus::Active,
            birthday: month_day(self.birthday),
            from_year: self.birthday_from_year,
        })
    }
}

impl Occasional for MemberCodeIssued {
    /// Each code is told: a later one replaces the one before.
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.at.timestamp_micros().to_string(),
            store: self.store.clone(),
            rules: Rules::InForceAt(self.at),
            facts: Facts::ActivationCode { code: self.code_sealed.clone(), until: self.not_after, at: self.at },
        }]
    }
}

impl Occasional for MemberLapseWarned {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.on.to_string(),
            store: self.store.clone(),
            rules: Rules::InForceAt(self.at),
            facts: Facts::LapseWarning { member_no: self.member_no.clone(), on: self.on },
        }]
    }
}

impl Occasional for AccrualSettled {
    /// Nothing for an accrual without points: a warranty job, say; nor for what members had in another system.
    fn occasions(&self) -> Vec<Occasion> {
        let (points, balance) = (self.points(), self.balance.active);
        if !points.is_positive() || self.source == AccrualSource::Import {
            return Vec::new();
        }
        let (business_key, facts) = if self.source == AccrualSource::Invoice {
            let bonus = self.entries.iter().filter(|entry| entry.kind == EntryKind::Bonus).map(|entry| entry.points).sum();
            // A store code has no slash, so the pair reads only one way.
            (format!("{}/{}", self.store, self.document), Facts::PointsEarned { points, bonus, balance })
        } else {
            let code = self.entries.first().and_then(|entry| code_of(&entry.rule));
            // The same number may stand for something else under another source.
            let key = format!("{}/{}/{}", self.source.as_str(), self.store, self.document);
            (key, Facts::Rewarded { source: self.source, code, points, balance })
        };
        let rules = Rules::Version(self.program_version);
        vec![Occasion { member_id: self.member_id, business_key, store: self.store.clone(), rules, facts }]
    }

    /// A repair is asked after.
    fn reason(&self) -> Option<Reason> {
        let repaired = self.visit && self.categories.iter().any(|category| category.category.as_str() == "repair");
        repaired.then(|| Reason {
            kind: TaskKind::RepairCall,
            member_id: self.member_id,
            member_no: Some(self.member_no.clone()),
            store: self.store.clone(),
            from: From::Day(self.business_date),
            about: self.document.clone(),
            rules: Rules::Version(self.program_version),
        })
    }
}

/// `review` of `interaction:review@3`.
fn code_of(rule: &str) -> Option<String> {
    let (_, code) = rule.split('@').next()?.split_once(':')?;
    Some(code.to_owned())
}

impl Occasional for Expiring {
    /// Once for a day and a number of days ahead, however often it is said.
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: format!("{}/{}", self.on, self.days),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::Expiring { points: self.points, on: self.on, days: self.days, balance: self.balance.active },
        }]
    }
}

impl Occasional for Expired {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.on.to_string(),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::Expired { points: self.points, on: self.on, balance: self.balance.active },
        }]
    }
}

impl Occasional for Reversed {
    /// Once for all that a correction takes at a time: what it takes of a bonus or reward that is posted later is told then, since the
    /// member hears of these, too. Nothing where no point moves, nor of a lapse: its member was never activated; nor where somebody
    /// refused points that could never be spent.
    fn occasions(&self) -> Vec<Occasion> {
        let points: Points = self.entries.iter().map(|entry| entry.points).sum();
        let is_news = points.is_positive() && self.correction != CorrectionKind::Rejection;
        let first = self.entries.iter().map(|entry| entry.entry_id).min();
        let (Some(number), Some(first)) = (self.number.as_ref().filter(|_| is_news), first) else { return Vec::new() };
        vec![Occasion {
            member_id: self.member_id,
            business_key: format!("{}/{}/{number}/{first}", self.correction.as_str(), self.store),
            store: self.store.clone(),
            rules: Rules::InForceAt(self.at),
            facts: Facts::Reversed { points, balance: self.balance.active, debt: self.balance.debt },
        }]
    }
}

impl Occasional for TierUpgraded {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.ordinal.to_string(),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::TierUpgraded { to: self.to.clone() },
        }]
    }

    fn learned(&self) -> Option<Learned> {
        Some(Learned::Tier { member_id: self.member_id, tier: self.to.clone(), ordinal: self.ordinal })
    }
}

impl Occasional for TierDowngraded {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.ordinal.to_string(),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::TierDowngraded { to: self.to.clone() },
        }]
    }

    fn learned(&self) -> Option<Learned> {
        Some(Learned::Tier { member_id: self.member_id, tier: self.to.clone(), ordinal: self.ordinal })
    }
}

impl Occasional for TierStanding {
    fn learned(&self) -> Option<Learned> {
        Some(Learned::Tier { member_id: self.member_id, tier: self.tier.clone(), ordinal: self.ordinal })
    }
}

impl Occasional for TierDowngradeWarned {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.on.to_string(),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::DowngradeWarning { from: self.from.clone(), to: self.to.clone(), on: self.on },
        }]
    }

    /// Days are counted from the warning.
    fn reason(&self) -> Option<Reason> {
        Some(Reason {
            kind: TaskKind::DowngradeCall,
            member_id: self.member_id,
            member_no: Some(self.member_no.clone()),
            store: self.store.clone(),
            from: From::DayOf(self.at),
            about: self.on.to_string(),
            rules: Rules::Version(self.program_version),
        })
    }
}

impl Occasional for EntitlementGranted {
    fn occasions(&self) -> Vec<Occasion> {
        vec![Occasion {
            member_id: self.member_id,
            business_key: self.entitlement_id.to_string(),
            store: self.store.clone(),
            rules: Rules::Version(self.program_version),
            facts: Facts::EntitlementGranted { name: self.name.clone(), count: self.count, until: self.valid_until },
        }]
    }
}

impl Occasional for CampaignPreheated {
    fn occasions(&self) -> Vec<Occasion> {
        let facts = Facts::Campaign { started: false, name: self.name.clone(), from: self.from, to: self.to };
        let occasion = |member_id| Occasion {
            member_id,
            business_key: format!("{}/{}", self.campaign, self.from),
            store: self.store.clone(),
            rules: Rules::Now,
            facts: facts.clone(),
        };
        self.members.iter().copied().map(occasion).collect()
    }
}

impl Occasional for CampaignStarted {
    /// The event that names nobody is for others.
    fn occasions(&self) -> Vec<Occasion> {
        let Some(store) = &self.store else { return Vec::new() };
        let facts = Facts::Campaign { started: true, name: self.name.clone(), from: self.from, to: self.to };
        let occasion = |member_id| Occasion {
            member_id,
            business_key: format!("{}/{}", self.campaign, self.from),
            store: store.clone(),
            rules: Rules::Now,
            facts: facts.clone(),
        };
        self.members.iter().copied().map(occasion).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use jifen_contracts::event::{Balance, PostedEntry};
    use jifen_kernel::{MemberId, Points, StoreCode};
    use uuid::Uuid;

    use super::*;

    fn settled(entries: &[(EntryKind, i64)]) -> AccrualSettled {
        let entry = |(kind, points): &(EntryKind, i64)| PostedEntry {
            entry_id: Uuid::nil(),
            kind: *kind,
            rule: "interaction:review@1".to_owned(),
            category: None,
            points: Points(*points),
            qualifying: true,
            pending: false,
        };
        AccrualSettled {
            source: AccrualSource::Invoice,
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
        let occasion = event.occasions().remove(0);
        assert_eq!((occasion.business_key.as_str(), occasion.rules), ("SH01/R/1", Rules::Version(3)));
        assert!(occasion.facts == Facts::PointsEarned { points: Points(1_600), bonus: Points(500), balance: Points(5_000) });
    }

    #[test]
    fn the_same_number_of_another_source_is_another_occasion() {
        let mut event = settled(&[(EntryKind::Interaction, 50)]);
        event.source = AccrualSource::Interaction;
        let occasion = event.occasions().remove(0);
        assert_eq!(occasion.business_key, "interaction/SH01/R/1");
        let (source, code) = (AccrualSource::Interaction, Some("review".to_owned()));
        assert!(occasion.facts == Facts::Rewarded { source, code, points: Points(50), balance: Points(5_000) });
        assert_eq!((code_of("earn@3"), code_of("partner:fuel-1@12").as_deref()), (None, Some("fuel-1")));
    }

    #[test]
    fn an_accrual_without_points_is_not_told() {
        assert_eq!(settled(&[]).occasions(), []);
        assert_eq!(settled(&[(EntryKind::Accrual, 0)]).occasions(), []);
    }
}
