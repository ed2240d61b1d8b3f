//! Codes that may stand in a subject: store codes and lower-case tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// Not a store code.
    #[error("a store code is 1 to 16 of A-Z 0-9 _ -, beginning with a letter or digit")]
    Store,
    /// Not a token.
    #[error("a code is 1 to 32 of a-z 0-9 _")]
    Token,
}

macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $error:expr, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = $pattern))]
        pub struct $name(String);

        impl $name {
            /// Reads a code, or says why it is none.
            pub fn try_new(text: impl Into<String>) -> Result<Self, BadCode> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err($error) }
            }

            /// The code's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadCode;
            fn try_from(text: String) -> Result<Self, BadCode> {
                Self::try_new(text)
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

code!(
    /// One store of the group, `SH01`: `[A-Z0-9][A-Z0-9_-]{0,15}`.
    StoreCode,
    "^[A-Z0-9][A-Z0-9_-]{0,15}$",
    BadCode::Store,
    |text| {
        let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        (1..=16).contains(&text.len())
            && text.bytes().next().is_some_and(upper)
            && text.bytes().all(|b| upper(b) || b == b'_' || b == b'-')
    }
);

code!(
    /// Any other word that may stand in a subject: `[a-z0-9_]{1,32}`.
    Token,
    "^[a-z0-9_]{1,32}$",
    BadCode::Token,
    |text| (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_separators_are_no_codes() {
        for text in ["SH01", "A", "0-X_9"] {
            assert!(StoreCode::try_new(text).is_ok(), "{text}");
        }
        for text in ["", "sh01", "*", ">", "SH.01", "-A", "ABCDEFGHIJKLMNOPQ", "门店"] {
            assert!(StoreCode::try_new(text).is_err(), "{text}");
        }
        assert!(Token::try_new("double_week").is_ok());
        assert!(Token::try_new("Double.Week").is_err());
    }
}
