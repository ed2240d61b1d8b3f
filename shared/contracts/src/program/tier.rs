//! The ladder: `tiers.toml`.

use jifen_kernel::{Money, Points, Token};
use serde::{Deserialize, Serialize};

use crate::code::Text;

/// A step of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its code.
    pub code: Token,
    /// Its name for people.
    pub name: Text,
    /// Cumulative qualifying points from which it holds, inclusive; the lowest tier begins at 0. A tier that isn't reached by
    /// points alone has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Points>,
    /// Other ways to reach it: any of them does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<TierWay>,
    /// What it brings, beside what the tiers below bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub benefits: Vec<Benefit>,
}

impl Tier {
    /// Every way to reach it, the short form among them.
    pub fn ways(&self) -> impl Iterator<Item = TierWay> + '_ {
        let points =
            |from: Points| TierWay { all: vec![TierRequirement { metric: TierMetric::Points, at_least: TierValue::Count(from.0) }] };
        self.from.map(points).into_iter().chain(self.any.iter().cloned())
    }
}

/// One way to reach a tier: all of these hold at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TierWay {
    /// What must hold.
    pub all: Vec<TierRequirement>,
}

/// A least value of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TierRequirement {
    /// Of what.
    pub metric: TierMetric,
    /// How much, inclusive.
    pub at_least: TierValue,
}

/// A metric's value: a number of points or of times, or an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum TierValue {
    /// Points or times.
    Count(i64),
    /// Yuan.
    Amount(#[schemars(with = "String", extend("pattern" = "^[0-9]{1,16}(\\.[0-9]{1,2})?$"))] Money),
}

impl TierValue {
    /// Whole points, times or fen.
    pub fn units(self) -> i64 {
        match self {
            Self::Count(count) => count,
            Self::Amount(amount) => amount.fen(),
        }
    }
}

/// What is measured, whatever the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TierMeasure {
    /// Qualifying points.
    Points,
    /// What the customer paid, without the ladder's `spend_excludes`.
    Spend,
    /// Vehicles bought.
    Vehicles,
    /// What they cost.
    VehicleAmount,
    /// Visits to the workshop: one vehicle, store and local day is one.
    Visits,
    /// Visits for which the customer paid.
    PaidVisits,
    /// Friends who bought a car.
    ReferralsPurchase,
    /// Friends who came for a first paid service.
    ReferralsService,
    /// Friends who registered.
    ReferralsRegistration,
    /// Rewarded interactions of the ladder's `participation` kinds.
    Participation,
    /// Invitations to the very tier.
    Invitation,
    /// Approvals of a special contribution for the very tier.
    Approval,
    /// Calendar years with at least the ladder's `high_spend`.
    HighSpendYears,
    /// Vehicles bought of the ladder's `listed_series`.
    ListedModels,
}

impl TierMeasure {
    /// Measured in yuan.
    pub fn is_amount(self) -> bool {
        matches!(self, Self::Spend | Self::VehicleAmount)
    }
}

macro_rules! metrics {
    ($($name:ident = $word:literal, $measure:ident, $trailing:literal;)*) => {
        /// A metric that a tier may ask for: those of the last twelve months end with `_12m`, the others count from the beginning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[expect(missing_docs, reason = "a measure, all of it or that of twelve months")]
        pub enum TierMetric {
            $(#[serde(rename = $word)] $name,)*
        }

        impl TierMetric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As in programs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What is measured.
            pub fn measure(self) -> TierMeasure {
                match self { $(Self::$name => TierMeasure::$measure,)* }
            }

            /// Only the last twelve months count; of a membership year, the year.
            pub fn trailing(self) -> bool {
                match self { $(Self::$name => $trailing,)* }
            }
        }
    };
}

metrics! {
    Points = "points", Points, false;
    Points12m = "points_12m", Points, true;
    Spend = "spend", Spend, false;
    Spend12m = "spend_12m", Spend, true;
    Vehicles = "vehicles", Vehicles, false;
    Vehicles12m = "vehicles_12m", Vehicles, true;
    VehicleAmount = "vehicle_amount", VehicleAmount, false;
    VehicleAmount12m = "vehicle_amount_12m", VehicleAmount, true;
    Visits = "visits", Visits, false;
    Visits12m = "visits_12m", Visits, true;
    PaidVisits = "paid_visits", PaidVisits, false;
    PaidVisits12m = "paid_visits_12m", PaidVisits, true;
    ReferralsPurchase = "referrals_purchase", ReferralsPurchase, false;
    ReferralsPurchase12m = "referrals_purchase_12m", ReferralsPurchase, true;
    ReferralsService = "referrals_service", ReferralsService, false;
    ReferralsService12m = "referrals_service_12m", ReferralsService, true;
    ReferralsRegistration = "referrals_registration", ReferralsRegistration, false;
    ReferralsRegistration12m = "referrals_registration_12m", ReferralsRegistration, true;
    Participation = "participation", Participation, false;
    Participation12m = "participation_12m", Participation, true;
    Invitation = "invitation", Invitation, false;
    Invitation12m = "invitation_12m", Invitation, true;
    Approval = "approval", Approval, false;
    Approval12m = "approval_12m", Approval, true;
    HighSpendYears = "high_spend_years", HighSpendYears, false;
    ListedModels = "listed_models", ListedModels, false;
}

impl TierMetric {
    /// A value of this metric, from whole points, times or fen.
    pub fn value(self, units: i64) -> TierValue {
        if self.measure().is_amount() { TierValue::Amount(Money::from_fen(units)) } else { TierValue::Count(units) }
    }
}

/// What a tier brings. Of one kind the highest tier that names it counts: a tier includes the benefits of those below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Benefit {
    /// Its kind: `labour_discount`, `wash`.
    pub kind: Token,
    /// What it is, for people.
    pub text: Text,
    /// Of a discount: percent off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// Of a countable one: how often a store may give it. It is an entitlement then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Of a countable one: months for which it holds.
    #[serde(default = "twelve", skip_serializing_if = "is_twelve")]
    pub months: u32,
    /// Of a countable one: given once in a member's life, not anew each time it ran out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

fn twelve() -> u32 {
    12
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_twelve(months: &u32) -> bool {
    *months == 12
}

/// What holds for the whole ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ladder {
    /// Whether a tier must be earned again.
    pub kind: LadderKind,
    /// Of a yearly ladder: days before the last one of the year on which the member is warned.
    pub warning_days: u32,
    /// Of a yearly ladder: days behind the year that still count for it.
    pub grace_days: u32,
    /// Categories whose amounts are no spend.
    pub spend_excludes: Vec<Token>,
    /// Kinds of interaction that count as participation; none: all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub participation: Vec<Token>,
    /// Spend of a calendar year that makes it a high-spend year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_spend: Option<Money>,
    /// Model series that count as listed models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listed_series: Vec<String>,
}

impl Default for Ladder {
    fn default() -> Self {
        let not_spend = ["vehicle", "insurance_premium"].into_iter().filter_map(|category| Token::try_new(category).ok());
        Self {
            kind: LadderKind::Lifetime,
            warning_days: 30,
            grace_days: 30,
            spend_excludes: not_spend.collect(),
            participation: Vec::new(),
            high_spend: None,
            listed_series: Vec::new(),
        }
    }
}

impl Ladder {
    /// True where nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a tier must be earned again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LadderKind {
    /// What was reached stays.
    #[default]
    Lifetime,
    /// A membership year of twelve months begins on the day on which the tier was reached; who doesn't earn the tier again in
    /// it goes down one step.
    Yearly,
}
