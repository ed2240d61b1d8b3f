//! What goes into files that people open with a spreadsheet.

use std::borrow::Cow;

/// With what a spreadsheet begins a formula, also as East Asian keyboards write it.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell as it may stand in such a file. Numbers of documents are a store's own words: one that begins as a formula would be
/// computed where the file is opened. A mark before it makes it text; amounts below zero stay numbers.
pub fn cell(text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.starts_with(FORMULA) && !is_number { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_what_they_are() {
        for (text, written) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1+cmd", "'+1+cmd"),
            ("-1+1", "'-1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1+1", "'＝1+1"),
            ("-", "'-"),
            ("-12.30", "-12.30"),
            ("+7", "+7"),
            ("R-1", "R-1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
