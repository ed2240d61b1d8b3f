//! Tests that can't be trusted.

use crate::{Finding, code_text::code_of, workspace::Source};

/// Why: a test that is skipped is a promise nobody keeps. Mend it or delete it.
pub fn ignored(source: &Source) -> Vec<Finding> {
    let code = code_of(&source.text);
    let lines = code.lines().enumerate().filter(|(_, line)| line.contains("#[ignore"));
    lines.map(|(index, _)| Finding::new(&source.path, index + 1, "a test that does not run")).collect()
}

/// Why: a sleep is a guess about another machine: too short there, too long here. Wait for the condition, with a deadline.
pub fn sleeps(source: &Source) -> Vec<Finding> {
    let code = code_of(&source.text);
    let lines = code.lines().enumerate().filter(|(_, line)| line.contains("sleep("));
    lines.map(|(index, _)| Finding::new(&source.path, index + 1, "a test that sleeps")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_skipped_or_sleeps_is_found() {
        let bad = Source::sample("tests/it/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn x() { std::thread::sleep(A) }\n");
        assert_eq!(ignored(&bad), [Finding::new("tests/it/x.rs", 2, "a test that does not run")]);
        assert_eq!(sleeps(&bad), [Finding::new("tests/it/x.rs", 3, "a test that sleeps")]);
        assert_eq!(ignored(&Source::sample("x.rs", "// #[ignore]\nlet a = \"#[ignore]\";")), []);
    }
}
