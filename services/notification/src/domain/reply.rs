//! What a member answered to a message.

use jifen_contracts::program::MessageLimits;

/// Whether the words end advertising: one of the program's, whatever the case of its letters, blanks and marks around it.
pub fn is_opt_out(text: &str, limits: &MessageLimits) -> bool {
    let plain =
        |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation() || "。，！“”".contains(c)).to_uppercase();
    let said = plain(text);
    limits.opt_out_replies.iter().any(|word| plain(word) == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_themselves_end_advertising() {
        let limits = MessageLimits::default();
        for text in ["R", " r\n", "td", "退订", "退订。", "\"T\"", "Stop!"] {
            assert!(is_opt_out(text, &limits), "{text}");
        }
        for text in ["", "RR", "谢谢", "不退订", "Reply R", "？"] {
            assert!(!is_opt_out(text, &limits), "{text}");
        }
    }
}
