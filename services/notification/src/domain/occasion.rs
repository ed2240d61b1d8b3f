//! What a member is told about, and under which key that happens once.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_contracts::{
    code::Text,
    event::AccrualSource,
    program::{MessageKind, TaskKind},
};
use jifen_kernel::{MemberId, Points, StoreCode, Token, clock};
use serde::{Deserialize, Serialize};

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
    /// The one in force when it is decided: a campaign's version need not be the program's.
    Now,
}

/// The content, by kind of message. Where it has to be kept until it is told, it rests sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facts {
    /// Somebody became a member.
    Welcome {
        /// The number on the card.
        member_no: String,
    },
    /// A code that proves a phone.
    ActivationCode {
        /// Its digits; as it comes, sealed.
        code: String,
        /// It is good until then.
        until: DateTime<Utc>,
        /// When it was made.
        at: DateTime<Utc>,
    },
    /// A registration will lapse.
    LapseWarning {
        /// The number on the card.
        member_no: String,
        /// The local day with whose beginning it does.
        on: NaiveDate,
    },
    /// An invoice brought points, base and bonus in one.
    PointsEarned {
        /// All of them.
        points: Points,
        /// Those of campaigns.
        bonus: Points,
        /// What can be spent now.
        balance: Points,
    },
    /// Something else brought points.
    Rewarded {
        /// What.
        source: AccrualSource,
        /// Its code in the program, as the rule names it.
        code: Option<String>,
        /// All of them.
        points: Points,
        /// What can be spent now.
        balance: Points,
    },
    /// Points will end.
    Expiring {
        /// How many.
        points: Points,
        /// Their last local day.
        on: NaiveDate,
        /// So many days ahead.
        days: u32,
        /// What can be spent now.
        balance: Points,
    },
    /// Points ended.
    Expired {
        /// How many.
        points: Points,
        /// Their last local day.
        on: NaiveDate,
        /// What can be spent now.
        balance: Points,
    },
    /// A correction took points back.
    Reversed {
        /// How many.
        points: Points,
        /// What can be spent now.
        balance: Points,
        /// What is owed.
        debt: Points,
    },
    /// A higher tier was reached.
    TierUpgraded {
        /// Its code.
        to: Token,
    },
    /// A tier will be lost.
    DowngradeWarning {
        /// The tier now.
        from: Token,
        /// The tier to come.
        to: Token,
        /// Its first local day.
        on: NaiveDate,
    },
    /// A tier was lost.
    TierDowngraded {
        /// The tier now.
        to: Token,
    },
    /// A countable benefit.
    EntitlementGranted {
        /// Its name.
        name: Text,
        /// How often.
        count: u32,
        /// Its last local day.
        until: NaiveDate,
    },
    /// A campaign begins, soon or now.
    Campaign {
        /// It has begun.
        started: bool,
        /// Its name.
        name: Text,
        /// Its first local day.
        from: NaiveDate,
        /// Its last local day.
        to: NaiveDate,
    },
    /// The birthday is near.
    Birthday {
        /// The local day on which it is kept.
        on: NaiveDate,
        /// The code of the campaign that it comes with.
        offer: Option<Token>,
    },
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Facts({})", self.kind().as_str())
    }
}

impl Facts {
    /// The kind of message that tells them.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Welcome { .. } => MessageKind::Welcome,
            Self::ActivationCode { .. } => MessageKind::ActivationCode,
            Self::LapseWarning { .. } => MessageKind::LapseWarning,
            Self::PointsEarned { .. } => MessageKind::PointsEarned,
            Self::Rewarded { source: AccrualSource::PartnerPurchase, .. } => MessageKind::PartnerEarned,
            Self::Rewarded { source: AccrualSource::Grant, .. } => MessageKind::GrantEarned,
            Self::Rewarded { .. } => MessageKind::InteractionEarned,
            Self::Expiring { .. } => MessageKind::PointsExpiring,
            Self::Expired { .. } => MessageKind::PointsExpired,
            Self::Reversed { .. } => MessageKind::PointsReversed,
            Self::TierUpgraded { .. } => MessageKind::TierUpgraded,
            Self::DowngradeWarning { .. } => MessageKind::DowngradeWarning,
            Self::TierDowngraded { .. } => MessageKind::TierDowngraded,
            Self::EntitlementGranted { .. } => MessageKind::EntitlementGranted,
            Self::Campaign { started: false, .. } => MessageKind::CampaignPreheat,
            Self::Campaign { started: true, .. } => MessageKind::CampaignStarted,
            Self::Birthday { .. } => MessageKind::Birthday,
        }
    }

    /// From when on they are no news any more, if they say so themselves.
    pub fn stale_from(&self, zone: Tz) -> Option<DateTime<Utc>> {
        let behind = |day: NaiveDate| day.succ_opt().map(|next| clock::start_of_day(next, zone));
        match self {
            Self::ActivationCode { until, .. } => Some(*until),
            Self::LapseWarning { on, .. } | Self::DowngradeWarning { on, .. } => Some(clock::start_of_day(*on, zone)),
            Self::Campaign { started: false, from, .. } => Some(clock::start_of_day(*from, zone)),
            Self::Campaign { started: true, to, .. } => behind(*to),
            Self::Birthday { on, .. } | Self::Expiring { on, .. } => behind(*on),
            _ => None,
        }
    }

    /// Said also to those who haven't activated their registration.
    pub fn is_about_activation(&self) -> bool {
        matches!(self, Self::ActivationCode { .. } | Self::LapseWarning { .. })
    }
}

/// What makes staff do something for a member, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What.
    pub kind: TaskKind,
    /// For whom.
    pub member_id: MemberId,
    /// The number on the card, where the event says it.
    pub member_no: Option<String>,
    /// Whose staff.
    pub store: StoreCode,
    /// The day from which days are counted.
    pub from: From,
    /// With kind, store and member: what makes it this reason.
    pub about: String,
    /// Whose tasks.
    pub rules: Rules,
}

/// The first day of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// This local day.
    Day(NaiveDate),
    /// The local day of this instant.
    DayOf(DateTime<Utc>),
}

/// What is remembered of a member, for what isn't caused by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// The whole of it.
    Member {
        /// Who.
        member_id: MemberId,
        /// The member's store.
        store: StoreCode,
        /// Activated.
        active: bool,
        /// Month and day.
        birthday: Option<(u32, u32)>,
        /// The first year in which this birthday counts.
        from_year: Option<i32>,
    },
    /// Whether the member is activated.
    Active {
        /// Who.
        member_id: MemberId,
        /// The member's store.
        store: StoreCode,
        /// Activated.
        active: bool,
    },
    /// The tier, by the ordinal of its change.
    Tier {
        /// Who.
        member_id: MemberId,
        /// Its code.
        tier: Token,
        /// Counts a member's changes of tier.
        ordinal: i64,
    },
}
