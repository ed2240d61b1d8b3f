//! Tidiness that no compiler checks: which crate may know which, what a domain may touch, where SQL stands.
//!
//! The rules read the workspace's files as text. Each says why it exists, names file and line, and is proven able to fail
//! by a small bad sample beside it. `tests/tidy.rs` holds them against the tree.

pub mod code_text;
pub mod rules;
pub mod workspace;

use std::fmt;

/// Something untidy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the workspace.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What.
    pub what: String,
}

impl Finding {
    /// At a line of a file.
    pub fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}
