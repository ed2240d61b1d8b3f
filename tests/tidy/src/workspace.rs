//! The files of the workspace, as text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the root of the workspace, with slashes.
    pub path: String,
    /// The content.
    pub text: String,
}

impl Source {
    /// A sample, for proving that a rule can fail.
    pub fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The lines, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below `folder` (from the root) whose name ends with `ending`, in the order of their paths.
pub fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), &root().join(folder), ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The file, if there is one.
pub fn file(path: &str) -> Option<Source> {
    fs::read_to_string(root().join(path)).ok().map(|text| Source { path: path.to_owned(), text })
}

/// The names of the folders in `folder`, sorted.
pub fn folders(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The service crates: everything in `services/` but the executable that composes them.
pub fn services() -> Vec<String> {
    folders("services").into_iter().filter(|name| name != "jifen").collect()
}

fn collect(root: &Path, folder: &Path, ending: &str, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                collect(root, &path, ending, found);
            }
        } else if name.to_string_lossy().ends_with(ending)
            && let (Ok(text), Ok(relative)) = (fs::read_to_string(&path), path.strip_prefix(root))
        {
            let parts: Vec<String> = relative.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            found.push(Source { path: parts.join("/"), text });
        }
    }
}
