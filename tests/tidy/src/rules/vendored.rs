//! Foreign code that stands in the tree because it had to be changed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{Finding, workspace::Source};

/// Why: what is not ours must be what was published, but for the change that is written down; else nobody dares to take the
/// next version. `files` by their path in the folder, `hashes` as `sha256sum` prints them, `patch` as `diff -u` does.
pub fn changed_unawares(folder: &str, files: &[Source], hashes: &Source, patch: &Source) -> Vec<Finding> {
    let patches = by_file(&patch.text);
    let published: BTreeMap<&str, &str> =
        hashes.text.lines().filter_map(|line| line.split_once("  ")).map(|(hash, path)| (path, hash)).collect();
    let mut found = Vec::new();
    for path in published.keys().filter(|path| !files.iter().any(|file| file.path == format!("{folder}/{path}"))) {
        found.push(Finding::new(&format!("{folder}/{path}"), 0, "is missing"));
    }
    for file in files {
        let path = file.path.strip_prefix(folder).map_or(file.path.as_str(), |path| path.trim_start_matches('/'));
        let before = match patches.get(path) {
            Some(hunks) => undone(&file.text, hunks),
            None => Some(file.text.clone()),
        };
        let same = match (before, published.get(path)) {
            // Made by the patch: there was nothing before.
            (Some(before), None) => patches.contains_key(path) && before.is_empty(),
            (Some(before), Some(hash)) => hex::encode(Sha256::digest(before)) == **hash,
            (None, _) => false,
        };
        if !same {
            found.push(Finding::new(&file.path, 0, format!("is not what was published with {} applied", patch.path)));
        }
    }
    found
}

/// The hunks of each file.
fn by_file(patch: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut lines = patch.lines().peekable();
    let mut current = None;
    while let Some(line) = lines.next() {
        if line.starts_with("--- ") && lines.peek().is_some_and(|next| next.starts_with("+++ b/")) {
            current = lines.next().map(|next| &next["+++ b/".len()..]);
        } else if let Some(path) = current {
            files.entry(path).or_default().push(line);
        }
    }
    files
}

/// The text before the hunks were applied; none if they don't fit.
fn undone(text: &str, hunks: &[&str]) -> Option<String> {
    let mut after = text.lines();
    let (mut place, mut before) = (0, Vec::new());
    for line in hunks {
        if let Some(head) = line.strip_prefix("@@ ") {
            // `-old,count +new,count @@`: the hunk begins at line `new` of the text as it is now.
            let new = head.split_once('+')?.1.split([',', ' ']).next()?.parse::<usize>().ok()?;
            while place + 1 < new {
                before.push(after.next()?);
                place += 1;
            }
        } else if let Some(removed) = line.strip_prefix('-') {
            before.push(removed);
        } else {
            let expected = line.get(1..).unwrap_or_default();
            if after.next()? != expected {
                return None;
            }
            place += 1;
            if !line.starts_with('+') {
                before.push(expected);
            }
        }
    }
    before.extend(after);
    Some(before.iter().flat_map(|line| [line, "\n"]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n--- a/src/new.rs\n+++ b/src/new.rs\n@@ -0,0 +1 @@\n+ours\n";

    fn check(files: &[(&str, &str)]) -> usize {
        let hashes =
            format!("{}  src/a.rs\n{}  src/b.rs\n", hex::encode(Sha256::digest("one\ntwo\nthree\n")), hex::encode(Sha256::digest("b\n")));
        let files: Vec<Source> = files.iter().map(|(path, text)| Source::sample(&format!("v/{path}"), text)).collect();
        changed_unawares("v", &files, &Source::sample("v/hashes", &hashes), &Source::sample("v/patch", PATCH)).len()
    }

    #[test]
    fn what_is_not_in_the_patch_is_found() {
        let good = [("src/a.rs", "one\n2\nthree\n"), ("src/b.rs", "b\n"), ("src/new.rs", "ours\n")];
        assert_eq!(check(&good), 0);
        for (place, text) in [(0, "one\ntwo\nthree\n"), (0, "one\n2\nthree\nfour\n"), (1, "B\n"), (2, "ours\nmore\n")] {
            let mut bad = good;
            bad[place].1 = text;
            assert_eq!(check(&bad), 1, "{bad:?}");
        }
        assert_eq!(check(&good[..2]), 0);
        assert_eq!(check(&good[1..]), 1, "a file less");
    }
}
