//! How migrations look.

use crate::{Finding, workspace::Source};

/// Why: migrations of all services run in the order of their numbers, and a file's name is all a DBA sees of it first.
pub fn badly_named(path: &str) -> Vec<Finding> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let good = name.strip_suffix(".sql").and_then(|name| name.split_once('_')).is_some_and(|(number, purpose)| {
        number.len() == 14
            && number.bytes().all(|b| b.is_ascii_digit())
            && !purpose.is_empty()
            && purpose.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    });
    if good { vec![] } else { vec![Finding::new(path, 0, "a migration is named <14 digits>_<purpose>.sql")] }
}

/// Why: an index costs every write; without the query it serves nobody can ever say whether it may go.
pub fn unexplained_indexes(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut before = "";
    for (line, text) in source.lines() {
        let lower = text.trim_start().to_lowercase();
        if (lower.starts_with("create index") || lower.starts_with("create unique index")) && !before.trim_start().starts_with("--") {
            found.push(Finding::new(&source.path, line, "an index without a comment that names the query it serves"));
        }
        before = text;
    }
    found
}

/// Why: no number of this system is a float, and money of a type that rounds can't be made exact again.
pub fn floats(source: &Source) -> Vec<Finding> {
    const FLOATS: [&str; 4] = ["real", "float", "double precision", "money"];
    let mut found = Vec::new();
    for (line, text) in source.lines() {
        let code = text.split("--").next().unwrap_or_default().to_lowercase();
        let typed = |word: &str| code.contains(&format!(" {word}")) && crate::code_text::has_word(&code, word);
        found.extend(
            FLOATS.iter().filter(|word| typed(word)).map(|word| Finding::new(&source.path, line, format!("a column of type {word}"))),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_migrations_are_found() {
        for bad in ["m/1_x.sql", "m/20261122000001.sql", "m/20261122000001_.sql", "m/20261122000001_Ledger.sql", "m/2026112200000a_x.sql"] {
            assert_eq!(badly_named(bad).len(), 1, "{bad}");
        }
        assert_eq!(badly_named("m/20261122000001_ledger.sql"), []);
        let sql = Source::sample(
            "m/1_x.sql",
            "create table a (x double precision, surreal text); -- real\n\ncreate index on a (x);\n-- Serves: y.\ncreate unique index on a (x);\n",
        );
        assert_eq!(unexplained_indexes(&sql).iter().map(|found| found.line).collect::<Vec<_>>(), [3]);
        assert_eq!(floats(&sql), [Finding::new("m/1_x.sql", 1, "a column of type double precision")]);
    }
}
