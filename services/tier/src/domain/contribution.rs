//! What counts towards a member's standing: facts that add up, whatever their order.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{AccrualSettled, AccrualSource, VehicleSold};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};

/// What a fact rests on; with store and document its identity, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An accrual's invoice.
    Invoice,
    /// An accrual's interaction.
    Interaction,
    /// An accrual's purchase from a partner.
    PartnerPurchase,
    /// An accrual's grant of a campaign.
    Grant,
    /// An opening balance.
    Import,
    /// A car was delivered.
    VehicleSale,
    /// A friend bought a car.
    ReferralPurchase,
    /// A friend came for a first paid service.
    ReferralService,
    /// A friend registered.
    ReferralRegistration,
    /// Staff invited the member to a tier.
    Invitation,
    /// Staff approved a special contribution for a tier.
    Approval,
}

impl Source {
    const ALL: [Self; 11] = [
        Self::Invoice,
        Self::Interaction,
        Self::PartnerPurchase,
        Self::Grant,
        Self::Import,
        Self::VehicleSale,
        Self::ReferralPurchase,
        Self::ReferralService,
        Self::ReferralRegistration,
        Self::Invitation,
        Self::Approval,
    ];

    /// As in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Interaction => "interaction",
            Self::PartnerPurchase => "partner_purchase",
            Self::Grant => "grant",
            Self::Import => "import",
            Self::VehicleSale => "vehicle_sale",
            Self::ReferralPurchase => "referral_purchase",
            Self::ReferralService => "referral_service",
            Self::ReferralRegistration => "referral_registration",
            Self::Invitation => "invitation",
            Self::Approval => "approval",
        }
    }

    /// The source of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

impl From<AccrualSource> for Source {
    fn from(source: AccrualSource) -> Self {
        match source {
            AccrualSource::Invoice => Self::Invoice,
            AccrualSource::Interaction => Self::Interaction,
            AccrualSource::PartnerPurchase => Self::PartnerPurchase,
            AccrualSource::Grant => Self::Grant,
            AccrualSource::Import => Self::Import,
        }
    }
}

/// One fact, as far as a ladder may ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it rests on.
    pub source: Source,
    /// The issuing store.
    pub store: StoreCode,
    /// The document.
    pub document: String,
    /// The local day of settlement.
    pub business_date: NaiveDate,
    /// The instant of settlement; unknown of what was counted by early releases.
    pub at: Option<DateTime<Utc>>,
    /// Points that count towards a tier; never below zero, pending ones included.
    pub qualifying: Points,
    /// Customer-paid amounts by category.
    pub paid: BTreeMap<Token, Money>,
    /// A visit to the workshop.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
    /// The vehicle, hashed.
    pub vehicle: Option<String>,
    /// The price of a car.
    pub amount: Money,
    /// The kind of an interaction, the series of a car, the tier of an invitation or approval.
    pub detail: Option<String>,
}

impl Fact {
    /// Where it stands among a member's facts, the same whenever and in whatever order they came.
    pub fn place(&self) -> (NaiveDate, Option<DateTime<Utc>>, &str, &str, Source) {
        (self.business_date, self.at, self.store.as_str(), &self.document, self.source)
    }
}

/// A fact and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The program whose ladder decides.
    pub program_version: u32,
    /// What it earned is pending: its member awaited activation as it was posted.
    pub pending: bool,
    /// What counts.
    pub fact: Fact,
}

/// Why an event is no contribution: what published it is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadContribution {
    /// An accrual that takes points away.
    #[error("an accrual can't qualify with {0} points")]
    NegativeQualifying(Points),
    /// Two amounts of one category.
    #[error("category {0} stands twice in one accrual")]
    CategoryTwice(Token),
    /// A paid visit that is none.
    #[error("a paid visit that is no visit")]
    PaidWithoutVisit,
}

impl TryFrom<&AccrualSettled> for Contribution {
    type Error = BadContribution;

    fn try_from(settled: &AccrualSettled) -> Result<Self, BadContribution> {
        let qualifying = settled.qualifying();
        if qualifying < Points::ZERO {
            return Err(BadContribution::NegativeQualifying(qualifying));
        }
        if settled.paid_visit && !settled.visit {
            return Err(BadContribution::PaidWithoutVisit);
        }
        let mut paid = BTreeMap::new();
        for category in &settled.categories {
            if paid.insert(category.category.clone(), category.paid).is_some() {
                return Err(BadContribution::CategoryTwice(category.category.clone()));
            }
        }
        let fact = Fact {
            source: settled.source.into(),
            store: settled.store.clone(),
            document: settled.document.clone(),
            business_date: settled.business_date,
            at: Some(settled.issued_at),
            qualifying,
            paid,
            visit: settled.visit,
            paid_visit: settled.paid_visit,
            vehicle: settled.vehicle.as_ref().map(|hash| hash.0.clone()),
            amount: Money::ZERO,
            detail: kind_of(settled),
        };
        Ok(Self {
            member_id: settled.member_id,
            member_no: settled.member_no.clone(),
            program_version: settled.program_version,
            pending: settled.entries.iter().any(|entry| entry.pending),
            fact,
        })
    }
}

/// The kind of an interaction, by the rule that rewarded it: `interaction:review@3`.
fn kind_of(settled: &AccrualSettled) -> Option<String> {
    if settled.source != AccrualSource::Interaction {
        return None;
    }
    let rule = settled.entries.first()?.rule.as_str();
    let kind = rule.split_once(':').map_or(rule, |(_, kind)| kind);
    Some(kind.split('@').next().unwrap_or(kind).to_owned())
}

impl TryFrom<&VehicleSold> for Contribution {
    type Error = BadContribution;

    fn try_from(sold: &VehicleSold) -> Result<Self, BadContribution> {
        let fact = Fact {
            source: Source::VehicleSale,
            store: sold.store.clone(),
            document: sold.sale_no.clone(),
            business_date: sold.business_date,
            at: Some(sold.delivered_at),
            qualifying: Points::ZERO,
            paid: BTreeMap::new(),
            visit: false,
            paid_visit: false,
            vehicle: Some(sold.vehicle.0.clone()),
            amount: sold.price,
            detail: sold.series.clone(),
        };
        Ok(Self {
            member_id: sold.member_id,
            member_no: sold.member_no.clone(),
            program_version: sold.program_version,
            pending: false,
            fact,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::settled;

    #[test]
    fn what_qualifies_is_the_sum_of_the_entries_that_do() {
        let mut event = settled("R1", &[4_900, 200]);
        event.entries[1].qualifying = false;
        event.entries[0].pending = true;
        let counted = Contribution::try_from(&event).expect("contribution");
        assert_eq!((counted.fact.qualifying, counted.pending), (Points(4_900), true));
        assert_eq!(Contribution::try_from(&settled("R1", &[])).expect("contribution").fact.qualifying, Points::ZERO);
    }

    #[test]
    fn an_interaction_keeps_its_kind() {
        let mut event = settled("I1", &[200]);
        event.source = AccrualSource::Interaction;
        event.entries[0].rule = "interaction:suggestion@3".to_owned();
        assert_eq!(Contribution::try_from(&event).expect("contribution").fact.detail.as_deref(), Some("suggestion"));
    }

    #[test]
    fn every_source_is_known_by_its_name() {
        for source in Source::ALL {
            assert_eq!(Source::of(source.as_str()), Some(source));
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let read = |event: &AccrualSettled| Contribution::try_from(event);
        assert_eq!(read(&settled("R1", &[-1])), Err(BadContribution::NegativeQualifying(Points(-1))));
        let mut event = settled("R1", &[1]);
        (event.visit, event.paid_visit) = (false, true);
        assert_eq!(read(&event), Err(BadContribution::PaidWithoutVisit));
        let mut event = settled("R1", &[1]);
        event.categories.push(event.categories[0].clone());
        assert!(matches!(read(&event), Err(BadContribution::CategoryTwice(_))));
    }
}
