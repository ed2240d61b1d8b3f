//! Personal values. They print masked; [`Phone::expose`] and its like are the only way to the value, so a
//! search for `expose` finds every place that handles one.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is no such value. Carries no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPersonal {
    /// Not a mobile number of mainland China.
    #[error("a phone is a mainland mobile number: 11 digits beginning 13 to 19, optionally after +86, 0086 or 86")]
    Phone,
    /// Not a vehicle identification number.
    #[error("a VIN has 17 letters and digits without I, O and Q")]
    Vin,
    /// Not a number plate.
    #[error("a plate begins with its province and letter and has 7 or 8 characters without I and O")]
    Plate,
    /// Not a name.
    #[error("a name has 1 to 64 characters and no control characters")]
    Name,
}

macro_rules! personal {
    ($(#[$doc:meta])* $name:ident, $mask:expr, $max_chars:literal, $pattern:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The value itself. Never for a log, a trace, a subject or an event.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mask: fn(&str) -> String = $mask;
                f.write_str(&mask(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::try_new(&text).map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // The spellings that `try_new` takes, as far as a pattern can say it.
                schemars::json_schema!({ "type": "string", "maxLength": $max_chars, "pattern": $pattern })
            }
        }
    };
}

fn keep(text: &str, head: usize, tail: usize) -> String {
    let count = text.chars().count();
    if count <= head + tail {
        return "*".repeat(count);
    }
    let first: String = text.chars().take(head).collect();
    let last: String = text.chars().skip(count - tail).collect();
    format!("{first}{}{last}", "*".repeat(count - head - tail))
}

personal!(
    /// A mobile number, held as 11 digits.
    Phone,
    |text| keep(text, 3, 4),
    32,
    // Eleven digits, optionally behind +86, 0086 or 86, with blanks and hyphens anywhere.
    "^[ -]*(?:(?:\\+[ -]*|0[ -]*0[ -]*)?8[ -]*6[ -]*)?1[ -]*[3-9](?:[ -]*[0-9]){9}[ -]*$"
);
personal!(
    /// A vehicle identification number, 17 characters, upper case.
    Vin,
    |text| keep(text, 3, 4),
    17,
    "^[A-HJ-NPR-Za-hj-npr-z0-9]{17}$"
);
personal!(
    /// A number plate, upper case, without separators.
    Plate,
    |text| keep(text, 2, 2),
    64,
    // Province, letter, five or six more, with blanks, hyphens and middle dots anywhere.
    "^[ \\-·•]*[\\u4e00-\\u9fff][ \\-·•]*[A-Za-z][ \\-·•]*(?:[A-HJ-NP-Za-hj-np-z0-9][ \\-·•]*){4,5}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳使领][ \\-·•]*$"
);
personal!(
    /// A person's name.
    PersonName,
    |text| keep(text, 1, 0),
    64,
    "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
);

impl Phone {
    /// Reads a mobile number; blanks and hyphens between digits are tolerated.
    pub fn try_new(text: &str) -> Result<Self, BadPersonal> {
        if text.len() > 32 {
            return Err(BadPersonal::Phone);
        }
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let digits =
            ["+86", "0086", "86"].iter().find_map(|prefix| digits.strip_prefix(prefix).filter(|rest| rest.len() == 11)).unwrap_or(&digits);
        let bytes = digits.as_bytes();
        let valid = bytes.len() == 11 && bytes.iter().all(u8::is_ascii_digit) && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1]);
        if valid { Ok(Self(digits.to_owned())) } else { Err(BadPersonal::Phone) }
    }

    /// As gateways want it: `+8613800138000`.
    pub fn expose_e164(&self) -> String {
        format!("+86{}", self.0)
    }
}

impl Vin {
    /// Reads a VIN; lower case is raised. The check digit is not required: imports may not conform.
    pub fn try_new(text: &str) -> Result<Self, BadPersonal> {
        let valid = text.len() == 17 && text.bytes().all(|b| b.is_ascii_alphanumeric() && !b"IOQioq".contains(&b));
        if valid { Ok(Self(text.to_ascii_uppercase())) } else { Err(BadPersonal::Vin) }
    }
}

impl Plate {
    /// Reads a number plate; blanks, hyphens and middle dots are tolerated, lower case is raised.
    pub fn try_new(text: &str) -> Result<Self, BadPersonal> {
        if text.chars().count() > 64 {
            return Err(BadPersonal::Plate);
        }
        // Latin letters only: other alphabets have letters whose capital is a Latin one.
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '·' | '•')).map(|c| c.to_ascii_uppercase()).collect();
        let chars: Vec<char> = plain.chars().collect();
        let han = |c: &char| ('\u{4e00}'..='\u{9fff}').contains(c);
        let serial = |c: &char| (c.is_ascii_digit() || c.is_ascii_uppercase()) && !matches!(c, 'I' | 'O');
        let valid = matches!(chars.len(), 7 | 8)
            && han(&chars[0])
            && chars[1].is_ascii_uppercase()
            && chars[2..chars.len() - 1].iter().all(serial)
            && chars.last().is_some_and(|c| serial(c) || "挂学警港澳使领".contains(*c));
        if valid { Ok(Self(plain)) } else { Err(BadPersonal::Plate) }
    }
}

impl PersonName {
    /// Reads a name; outer blanks are cut.
    pub fn try_new(text: &str) -> Result<Self, BadPersonal> {
        let text = text.trim();
        let valid = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if valid { Ok(Self(text.to_owned())) } else { Err(BadPersonal::Name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_of_any_spelling_are_one_number() {
        for text in ["13800138000", "+8613800138000", "008613800138000", "8613800138000", "138 0013-8000"] {
            assert_eq!(Phone::try_new(text).map(|phone| phone.expose().to_owned()), Ok("13800138000".to_owned()), "{text}");
        }
        for text in ["", "12800138000", "1380013800", "+113800138000", "１３８００１３８０００", "86138001380"] {
            assert_eq!(Phone::try_new(text), Err(BadPersonal::Phone), "{text}");
        }
    }

    #[test]
    fn vehicles_are_read_or_refused() {
        assert!(Vin::try_new("lsvau2a37n2183294").is_ok_and(|vin| vin.expose() == "LSVAU2A37N2183294"));
        assert!(Vin::try_new("LSVAU2A37N218329O").is_err());
        for text in ["沪A12345", "沪A·D12345", "粤Z1234港"] {
            assert!(Plate::try_new(text).is_ok(), "{text}");
        }
        for text in ["A12345", "沪A1234", "沪AI2345", ""] {
            assert!(Plate::try_new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn they_print_masked() {
        let phone = Phone::try_new("13800138000").expect("phone");
        assert_eq!(format!("{phone:?} {phone}"), "Phone(138****8000) 138****8000");
        assert_eq!(PersonName::try_new("王小明").expect("name").to_string(), "王**");
    }
}
