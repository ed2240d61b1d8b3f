//! Rust text without comments and the insides of strings, line by line: a rule about code must not trip over prose.

/// `text` with comments and string contents blanked; lines stay lines.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let end = match c {
            '/' if next == Some('/') => end_of_line(&chars, at),
            '/' if next == Some('*') => end_of_block(&chars, at),
            '"' => end_of_string(&chars, at),
            'r' if !is_word_before(&chars, at) => end_of_raw_string(&chars, at).unwrap_or(at),
            '\'' => end_of_char(&chars, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            code.push(c);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

fn is_word_before(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|at| chars[*at] == '\n').unwrap_or(chars.len())
}

fn end_of_block(chars: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) if depth <= 1 => return at + 2,
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn end_of_raw_string(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let start = from + 1 + hashes;
    if chars.get(start) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    Some((start + 1..chars.len()).find(|at| closes(*at)).map_or(chars.len(), |at| at + 1 + hashes))
}

/// A character literal, so that `'"'` opens no string; a lifetime is none.
fn end_of_char(chars: &[char], from: usize) -> Option<usize> {
    match chars.get(from + 1)? {
        '\\' => (from + 3..(from + 14).min(chars.len())).find(|at| chars[*at] == '\'').map(|at| at + 1),
        _ => (chars.get(from + 2) == Some(&'\'')).then_some(from + 3),
    }
}

/// Whether `word` stands in `line` as a whole word. A part of `word` that is no letter or digit at an end (`fn `, `::`)
/// needs no border there.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = |border: Option<char>, own: Option<char>| !(border.is_some_and(is_word) && own.is_some_and(is_word));
        open(before, word.chars().next()) && open(after, word.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_and_strings_are_blanked_and_lines_stay() {
        let code =
            code_of("let a = 1; // tokio\n/* sqlx\n /* nested */ sqlx */ let b = \"to\\\"kio\n\"; r#\"sqlx \" \"#; let c: &'static str;");
        assert!(!code.contains("tokio") && !code.contains("sqlx"), "{code}");
        assert_eq!(code.lines().count(), 4);
        assert!(code.contains("let a = 1;") && code.contains("let b =") && code.contains("&'static str;"), "{code}");
        assert!(code_of("let q = '\"'; tokio::spawn();").contains("tokio::spawn"), "a quote as character opens no string");
        assert!(code_of("let e = '\\''; tokio::spawn(); let n = '\\u{1f600}';").contains("tokio::spawn"));
        assert!(code_of("for x in y { tokio }").contains("tokio"), "an r that opens nothing");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("use tokio::x;", "tokio"));
        assert!(!has_word("let tokio_like = 1;", "tokio"));
        assert!(has_word("x.await?", ".await"));
        assert!(!has_word("x.awaiting()", ".await"));
        assert!(has_word("rand::rng()", "rand::"));
        assert!(!has_word("operand::rng()", "rand::"));
    }
}
