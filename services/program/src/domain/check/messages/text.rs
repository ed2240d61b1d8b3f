//! A text: plain but for `{{ parameter }}`, so that it can be mapped to every provider's template.

use jifen_contracts::{notify::MessageClass, program::MessageKind};

/// The longest SMS that is sent: five parts of 67 characters.
const SMS_CHARS: usize = 335;

/// The text of an SMS. `ends` are the words with which advertising must end.
pub(super) fn judge_sms(kind: MessageKind, text: &str, sign: &str, ends: &str) -> Result<(), String> {
    let chars = judge(kind, text)? + sign.chars().count() + 2;
    if chars > SMS_CHARS {
        return Err(format!("may become {chars} characters with its signature: an SMS has at most {SMS_CHARS}"));
    }
    if kind.class() == MessageClass::Promotion && !text.ends_with(ends) {
        return Err(format!("must end with {ends:?}: the law wants it of every advertising SMS"));
    }
    Ok(())
}

/// Any text; gives the most characters that it may become.
pub(super) fn judge(kind: MessageKind, text: &str) -> Result<usize, String> {
    if text.starts_with('【') {
        return Err("begins with a signature: it is added from sign".to_owned());
    }
    let (mut rest, mut chars) = (text, 0);
    while let Some(start) = rest.find(['{', '}']) {
        let only = || "has a brace of its own: only {{ parameter }} is replaced".to_owned();
        let inner = rest[start..].strip_prefix("{{").ok_or_else(only)?;
        let end = inner.find("}}").ok_or_else(|| "has {{ without }}".to_owned())?;
        let name = inner[..end].trim();
        if !kind.params().contains(&name) {
            let known = kind.params().join(", ");
            return Err(format!("{{{{ {name} }}}} is unknown: a {} message has {known}", kind.as_str()));
        }
        chars += rest[..start].chars().count() + MessageKind::form(name).chars();
        rest = &inner[end + 2..];
    }
    Ok(chars + rest.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_uses_only_the_parameters_of_its_kind() {
        for (text, chars) in [("您好", 2), ("{{ points }}积分", 12), ("{{points}}{{  bonus }}，余额{{ balance }}", 33)] {
            assert_eq!(judge(MessageKind::PointsEarned, text), Ok(chars), "{text}");
        }
        for text in [
            "{{ member_no }}",
            "{{ points",
            "{ points }",
            "}}",
            "{% if points %}",
            "{{ points | int }}",
            "{{ }}",
            "{{{ points }}}",
            "{#x#}",
        ] {
            assert!(judge(MessageKind::PointsEarned, text).is_err(), "{text}");
        }
    }

    #[test]
    fn advertising_ends_with_its_words_and_no_sms_is_too_long() {
        let judge = |kind, text: &str| judge_sms(kind, text, "会员中心", "拒收请回复R");
        assert_eq!(judge(MessageKind::Birthday, "生日快乐，{{ offer }}，拒收请回复R"), Ok(()));
        assert!(judge(MessageKind::Birthday, "拒收请回复R，生日快乐").is_err_and(|why| why.contains("must end")));
        assert_eq!(judge(MessageKind::Welcome, "生日快乐"), Ok(()));
        let long = "{{what}}".repeat(17);
        assert!(judge(MessageKind::GrantEarned, &long).is_err_and(|why| why.contains("346")));
        assert_eq!(judge(MessageKind::GrantEarned, &long[8..]), Ok(()));
    }
}
