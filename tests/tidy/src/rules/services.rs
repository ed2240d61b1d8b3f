//! What every service crate has.

use std::collections::BTreeMap;

use crate::{Finding, workspace::Source};

/// Why: whoever knows one service must find his way in the next: the page that says what it owns, the routing table, the
/// crate's doc with the flow, the migrations. `paths` are all files of the service, from the root.
pub fn missing_parts(service: &str, paths: &[String]) -> Vec<Finding> {
    let folder = format!("services/{service}");
    let has = |path: &str| paths.iter().any(|found| *found == format!("{folder}/{path}"));
    let mut found = Vec::new();
    let mut need = |there: bool, what: &str| {
        if !there {
            found.push(Finding::new(&folder, 0, format!("no {what}")));
        }
    };
    need(has("README.md"), "README.md: owns, in, out, tables, invariants on one page");
    need(has("src/lib.rs"), "src/lib.rs");
    need(
        has("src/inbound.rs") || has("src/endpoints.rs") || has("src/endpoints/mod.rs"),
        "src/inbound.rs or src/endpoints.rs: what enters",
    );
    need(paths.iter().any(|path| path.starts_with(&format!("{folder}/migrations/"))), "migrations/");
    need(has("tests/it/main.rs"), "tests/it/main.rs: its one integration test binary");
    found
}

/// Why: the crate's doc is where a reader begins; it shows the flow before any file is opened.
pub fn missing_crate_doc(lib: &Source) -> Vec<Finding> {
    let doc: Vec<&str> = lib.text.lines().take_while(|line| line.starts_with("//!")).collect();
    let mut found = Vec::new();
    if doc.is_empty() {
        found.push(Finding::new(&lib.path, 1, "no crate doc"));
    } else if !doc.iter().any(|line| line.contains("```text")) {
        found.push(Finding::new(&lib.path, 1, "the crate doc shows no flow (a ```text block)"));
    }
    found
}

/// A durable consumer's name in a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durable {
    /// The name.
    pub name: String,
    /// Where it is given.
    pub file: String,
    /// And on which line.
    pub line: usize,
}

/// The durables of a file: the first text of each `.reads(…)` and `.reads_event(…)`, also on the next line.
pub fn durables(source: &Source) -> Vec<Durable> {
    let mut found = Vec::new();
    for call in [".reads(", ".reads_event(", ".reads_event::<"] {
        for (at, _) in source.text.match_indices(call) {
            let line_start = source.text[..at].rfind('\n').map_or(0, |at| at + 1);
            if source.text[line_start..at].trim_start().starts_with("//") {
                continue;
            }
            let line = source.text[..at].lines().count();
            let rest = &source.text[at + call.len()..];
            let rest = if call.ends_with('<') { rest.split_once(">(").map_or("", |(_, rest)| rest) } else { rest };
            let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.push(Durable { name: name.unwrap_or_default().to_owned(), file: source.path.clone(), line: line.max(1) });
        }
    }
    found.sort_by_key(|durable| durable.line);
    found
}

/// Why: all copies of all services share a stream's durables by name. Two readers under one name would each get half of
/// the messages and neither would notice.
pub fn shared_durables(durables: &[Durable]) -> Vec<Finding> {
    let mut first: BTreeMap<&str, &Durable> = BTreeMap::new();
    let mut found = Vec::new();
    for durable in durables {
        if durable.name.is_empty() {
            found.push(Finding::new(&durable.file, durable.line, "a durable's name must be a text in the routing table"));
        } else if let Some(other) = first.insert(&durable.name, durable) {
            found.push(Finding::new(
                &durable.file,
                durable.line,
                format!("durable {} stands in {}:{} too", durable.name, other.file, other.line),
            ));
        }
    }
    found
}

/// Why: the table of rights keeps strangers away from the services' consumers by name (an acknowledgement in another's name
/// loses a message). A durable that it doesn't know is open to everybody.
pub fn unprotected_durables(durables: &[Durable], rights: &Source) -> Vec<Finding> {
    let known = |name: &str| rights.text.contains(&format!("\"{name}\""));
    durables
        .iter()
        .filter(|durable| !known(&durable.name))
        .map(|durable| Finding::new(&durable.file, durable.line, format!("durable {} is missing in {}", durable.name, rights.path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_found() {
        let all = ["README.md", "src/lib.rs", "src/endpoints.rs", "migrations/1_x.sql", "tests/it/main.rs"]
            .map(|path| format!("services/x/{path}"));
        assert_eq!(missing_parts("x", &all), []);
        for left_out in 0..all.len() {
            let mut paths = all.to_vec();
            paths.remove(left_out);
            assert_eq!(missing_parts("x", &paths).len(), 1, "without {}", all[left_out]);
        }
        assert_eq!(missing_crate_doc(&Source::sample("services/x/src/lib.rs", "mod a;\n")).len(), 1);
        assert_eq!(missing_crate_doc(&Source::sample("services/x/src/lib.rs", "//! x: does it.\nmod a;\n")).len(), 1);
        assert_eq!(missing_crate_doc(&Source::sample("services/x/src/lib.rs", "//! x\n//! ```text\n//! a -> b\n//! ```\n")), []);
    }

    #[test]
    fn a_durable_of_two_is_found() {
        let one = Source::sample(
            "a.rs",
            "Service::new(\"a\")\n    .reads_event(\"a_earned\", Handler)\n    .reads_event::<Earned, _>(\n        \"a_other\", H)",
        );
        let two =
            Source::sample("b.rs", "// service.reads(\"b_comment\")\nservice.reads(\"a_earned\", &[\"evt.>\"], H).reads_event(NAME, H)");
        let names = |source: &Source| durables(source).into_iter().map(|durable| (durable.name, durable.line)).collect::<Vec<_>>();
        assert_eq!(names(&one), [("a_earned".to_owned(), 2), ("a_other".to_owned(), 3)]);
        let all: Vec<Durable> = durables(&one).into_iter().chain(durables(&two)).collect();
        let found = shared_durables(&all);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].what.contains("a_earned stands in a.rs:2 too") || found[1].what.contains("a_earned stands in a.rs:2 too"),
            "{found:?}"
        );
        let rights = Source::sample("rights.rs", "durables: &[\"a_earned\"]");
        assert_eq!(unprotected_durables(&durables(&one), &rights), [Finding::new("a.rs", 3, "durable a_other is missing in rights.rs")]);
    }
}
