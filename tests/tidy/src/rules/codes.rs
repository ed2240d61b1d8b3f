//! Stable codes: those in use, and those that people read about.

use crate::{Finding, code_text::has_word, workspace::Source};

/// The constants of the table of codes, with their lines: name and code.
pub fn declared(table: &Source) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    for (line, text) in table.lines() {
        let Some((name, rest)) = text.trim().split_once(" = \"") else { continue };
        let upper = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        if upper && let Some((code, _)) = rest.split_once('"') {
            found.push((line, name.to_owned(), code.to_owned()));
        }
    }
    found
}

/// Why: a code is a promise to whoever integrates. One that nothing ever answers sends them looking for a case that can't
/// happen.
pub fn unused(table: &Source, sources: &[Source]) -> Vec<Finding> {
    declared(table)
        .into_iter()
        .filter(|(_, name, _)| !sources.iter().any(|source| source.path != table.path && has_word(&source.text, name)))
        .map(|(line, name, code)| Finding::new(&table.path, line, format!("nothing answers {code} ({name})")))
        .collect()
}

/// Why: who reads a code in a document writes it into a program. It must be one that exists.
pub fn unknown_in_prose(prose: &Source, table: &Source) -> Vec<Finding> {
    let declared = declared(table);
    let mut families: Vec<&str> = declared.iter().filter_map(|(_, _, code)| code.split_once('.').map(|(family, _)| family)).collect();
    families.sort_unstable();
    families.dedup();
    let mut found = Vec::new();
    for (line, text) in prose.lines() {
        // Every second piece between backquotes is code.
        for word in text.split('`').skip(1).step_by(2) {
            let Some((family, rest)) = word.split_once('.') else { continue };
            let shaped = rest.len() > 2 && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let is_file = ["rs", "md", "toml", "sql", "json"].contains(&rest);
            if shaped && !is_file && is_refusal_family(family, &families) && !declared.iter().any(|(_, _, code)| code == word) {
                found.push(Finding::new(&prose.path, line, format!("`{word}` is no code of {}", table.path)));
            }
        }
    }
    found
}

/// Families whose words mean nothing else. `program.applied` or `member.registered` name events.
fn is_refusal_family(family: &str, families: &[&str]) -> bool {
    families.contains(&family) && ["document", "service", "operation", "request"].contains(&family)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Source {
        Source::sample(
            "code.rs",
            "codes! {\n    DOCUMENT_A = \"document.a_thing\", 200, \"\", \"\";\n    SERVICE_BUSY = \"service.busy\", 503, \"\", \"\";\n}\n",
        )
    }

    #[test]
    fn a_code_that_nothing_answers_is_found() {
        let sources = [table(), Source::sample("x.rs", "Err(code::SERVICE_BUSY.into()); let DOCUMENT_ABC = 1;")];
        assert_eq!(unused(&table(), &sources), [Finding::new("code.rs", 2, "nothing answers document.a_thing (DOCUMENT_A)")]);
    }

    #[test]
    fn an_unknown_code_in_prose_is_found() {
        let prose = Source::sample(
            "README.md",
            "Refused as `document.a_thing`.\nOr as `document.gone`, see `service.rs` and `member.registered`.\n",
        );
        assert_eq!(unknown_in_prose(&prose, &table()), [Finding::new("README.md", 2, "`document.gone` is no code of code.rs")]);
    }
}
