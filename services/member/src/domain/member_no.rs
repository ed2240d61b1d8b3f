//! The number on the card: `M`, nine digits, and a check digit, so that one mistyped digit never names another member.
//!
//! Numbers are given out in sequence. They are no secret and nothing is granted for knowing one: whoever spends proves
//! the phone. A scattered number would only pretend otherwise.

use std::fmt;

/// A member number of the right form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberNo(String);

impl MemberNo {
    /// The number of `ordinal`, which has nine digits; `None` if it has not.
    pub fn of_ordinal(ordinal: i64) -> Option<Self> {
        let digits = ordinal.to_string();
        (digits.len() == 9 && ordinal > 0).then(|| Self(format!("M{digits}{}", check_digit(&digits))))
    }

    /// Reads a number; `None` if its form or check digit is wrong: then nobody has it.
    pub fn try_new(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('M')?;
        let valid = digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit());
        let (body, check) = digits.split_at_checked(9)?;
        (valid && check == check_digit(body).to_string()).then(|| Self(text.to_owned()))
    }

    /// As on the card.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The check digit of Luhn (ISO/IEC 7812-1, annex B): every second digit from the right counts twice.
fn check_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            let weighted = if place % 2 == 0 { digit * 2 } else { digit };
            weighted / 10 + weighted % 10
        })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_their_check_digit() {
        // The published example of the method: 7992739871 has the check digit 3.
        assert_eq!(check_digit("7992739871"), 3);
        let first = MemberNo::of_ordinal(100_000_000).expect("number");
        assert_eq!(first.as_str(), "M1000000008");
        assert_eq!(MemberNo::try_new("M1000000008"), Some(first));
        for wrong in ["", "M", "1000000008", "M1000000009", "m1000000008", "M10000000080", "M１０００００", "M100000000\0", "M-000000008"]
        {
            assert_eq!(MemberNo::try_new(wrong), None, "{wrong:?}");
        }
        for ordinal in [0, -100_000_000, 99_999_999, 1_000_000_000] {
            assert_eq!(MemberNo::of_ordinal(ordinal), None, "{ordinal}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_digit_names_nobody(ordinal in 100_000_000_i64..1_000_000_000, place in 1_usize..11, digit in b'0'..=b'9') {
            let number = MemberNo::of_ordinal(ordinal).expect("nine digits");
            let mut bytes = number.as_str().as_bytes().to_vec();
            prop_assume!(bytes[place] != digit);
            bytes[place] = digit;
            prop_assert_eq!(MemberNo::try_new(std::str::from_utf8(&bytes).expect("ascii")), None);
        }
    }
}
