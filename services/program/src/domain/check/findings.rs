//! What was found so far.

use jifen_contracts::endpoint::ProgramFinding;

use super::FILES;

/// Findings kept: nobody mends more at once, and a reply must fit into a message.
pub(super) const FINDINGS_KEPT: usize = 500;

/// Findings, and the file that is being read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    file: String,
    all: Vec<ProgramFinding>,
    dropped: usize,
    errors: usize,
}

impl Findings {
    /// What is found from now on is about this file.
    pub(super) fn open(&mut self, file: &str) {
        // A name comes from outside; it must not fill the reply.
        self.file = file.chars().take(64).collect();
    }

    /// Stops `apply`.
    pub(super) fn error(&mut self, line: u32, key: impl Into<String>, message: impl Into<String>) {
        self.errors += 1;
        self.add(line, key.into(), message.into(), false);
    }

    /// Doesn't.
    pub(super) fn warning(&mut self, line: u32, key: impl Into<String>, message: impl Into<String>) {
        self.add(line, key.into(), message.into(), true);
    }

    fn add(&mut self, line: u32, key: String, message: String, warning: bool) {
        if self.all.len() < FINDINGS_KEPT {
            self.all.push(ProgramFinding { file: self.file.clone(), line, key, message, warning });
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// How many errors so far: a reader compares before and after.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// In the order of the files and their lines.
    pub(super) fn sorted(mut self) -> Vec<ProgramFinding> {
        let place = |file: &str| FILES.iter().position(|name| *name == file).unwrap_or(FILES.len());
        self.all.sort_by_key(|finding| (place(&finding.file), finding.file.clone(), finding.line));
        if self.dropped > 0 {
            let message = format!("{} more findings are not shown: mend these first", self.dropped);
            self.all.push(ProgramFinding { file: self.file, line: 0, key: String::new(), message, warning: self.errors == 0 });
        }
        self.all
    }
}
