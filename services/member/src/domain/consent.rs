//! Consents: which messages a member agrees to, per channel and purpose.

use std::{collections::BTreeSet, fmt};

use super::Rejection;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_doc])* $variant),* }

        impl $name {
            /// As on the wire and in the table.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Reads a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(
    /// How a member may be reached.
    Channel {
        /// Text message.
        Sms = "sms",
        /// WeChat.
        Wechat = "wechat",
        /// The group's app.
        App = "app",
        /// E-mail.
        Email = "email"
    }
);

words!(
    /// What for.
    Purpose {
        /// The member's own business.
        Service = "service",
        /// Advertising.
        Promotion = "promotion"
    }
);

/// The member agrees to messages of this purpose on this channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consent {
    /// How.
    pub channel: Channel,
    /// What for.
    pub purpose: Purpose,
}

impl Consent {
    /// Reads `<channel>:<purpose>`.
    pub fn from_word(word: &str) -> Option<Self> {
        let (channel, purpose) = word.split_once(':')?;
        Some(Self { channel: Channel::from_word(channel)?, purpose: Purpose::from_word(purpose)? })
    }
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel.as_str(), self.purpose.as_str())
    }
}

/// Reads the consents of an application, each once; `sms:service` only if none are named.
pub fn read_consents(words: Option<&[String]>) -> Result<Vec<Consent>, Rejection> {
    // Who registers agrees to hear about the membership itself; everything else must be said.
    let Some(words) = words else { return Ok(vec![Consent { channel: Channel::Sms, purpose: Purpose::Service }]) };
    let read = words.iter().enumerate().map(|(index, word)| Consent::from_word(word).ok_or(Rejection::BadConsent(index)));
    Ok(read.collect::<Result<BTreeSet<_>, _>>()?.into_iter().collect())
}
