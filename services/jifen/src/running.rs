//! HOME/running.json: where the running system can be reached, for the verbs that talk to it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Written when the system is ready, removed when it ends. A killed run leaves it behind; the address stays right for
/// the next start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningFile {
    /// Where NATS answers.
    pub nats_url: String,
    /// Where health and metrics are.
    pub http_address: String,
    /// The process.
    pub pid: u32,
}

fn path(home: &Path) -> PathBuf {
    home.join("running.json")
}

impl RunningFile {
    /// Writes it.
    pub fn save(&self, home: &Path) -> std::io::Result<()> {
        std::fs::write(path(home), serde_json::to_vec_pretty(self)?)
    }

    /// Reads it, if it is there.
    pub fn load(home: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path(home)).ok()?).ok()
    }

    /// Removes it.
    pub fn remove(home: &Path) {
        // Not being there is what is wanted.
        let _ = std::fs::remove_file(path(home));
    }
}
