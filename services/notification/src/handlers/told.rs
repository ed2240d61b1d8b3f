//! What the tellers read: an event of one kind, or of several that share a durable.

use jifen_contracts::{
    EventType,
    event::{
        CampaignPreheated, CampaignStarted, EntitlementGranted, Expired, Expiring, MemberActivated, MemberLapseWarned, MemberLapsed,
        MemberUpdated, TierDowngradeWarned, TierDowngraded, TierStanding,
    },
};
use jifen_runtime::{
    Event, Poison,
    handler::Decode,
    message::{Cause, RawMessage},
};

use crate::domain::{
    events::Occasional,
    occasion::{Learned, Occasion, Reason},
};

/// Something read of which members hear, staff, or nobody yet.
pub trait Told: Decode {
    /// What there is to tell.
    fn occasions(&self) -> Vec<Occasion>;
    /// What staff may have to do.
    fn reason(&self) -> Option<Reason>;
    /// What is remembered, with its sequence.
    fn learned(&self) -> Option<(Learned, i64)>;
}

impl<T: Occasional> Told for Event<T> {
    fn occasions(&self) -> Vec<Occasion> {
        self.data.occasions()
    }

    fn reason(&self) -> Option<Reason> {
        self.data.reason()
    }

    fn learned(&self) -> Option<(Learned, i64)> {
        Some((self.data.learned()?, self.sequence.unwrap_or(1)))
    }
}

macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident: $($kind:ident),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[expect(missing_docs, reason = "the events say it")]
        pub enum $name {
            $($kind(Box<Event<$kind>>),)+
        }

        impl $name {
            /// The subjects of all of them.
            pub fn filters() -> Vec<String> {
                vec![$($kind::filter(),)+]
            }
        }

        impl Decode for $name {
            fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
                let mut tokens = raw.subject.split('.').skip(1);
                let of = (tokens.next().unwrap_or_default(), tokens.next().unwrap_or_default());
                $(if of == ($kind::SERVICE, $kind::NAME) {
                    return Event::<$kind>::decode(raw).map(|(event, cause)| (Self::$kind(Box::new(event)), cause));
                })+
                Err(Poison::undecodable(format!("{} is none of the events read here", of.1)))
            }
        }

        impl Told for $name {
            fn occasions(&self) -> Vec<Occasion> {
                match self { $(Self::$kind(event) => event.occasions(),)+ }
            }

            fn reason(&self) -> Option<Reason> {
                match self { $(Self::$kind(event) => event.reason(),)+ }
            }

            fn learned(&self) -> Option<(Learned, i64)> {
                match self { $(Self::$kind(event) => event.learned(),)+ }
            }
        }
    };
}

one_of!(
    /// What happens to one member, now and then.
    MemberNews: MemberActivated, MemberLapsed, MemberUpdated, MemberLapseWarned, TierDowngraded, TierDowngradeWarned,
        TierStanding, EntitlementGranted
);

one_of!(
    /// What concerns many members at once: read apart, so that nobody's own news waits behind it.
    CampaignNews: CampaignPreheated, CampaignStarted
);

one_of!(
    /// What the end of a month brings to very many members: read apart, too.
    ExpiryNews: Expiring, Expired
);
