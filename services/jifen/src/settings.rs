//! Settings: defaults, then HOME/jifen.toml, then variables. Unknown keys are refused, so that a typing error shows.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use jifen_runtime::Limits;
use serde::Deserialize;

/// The commented defaults: also the documentation.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Everything that can be set. See `default.toml` for what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "default_home")]
    pub home: PathBuf,
    pub database_url: Option<String>,
    pub nats_url: Option<String>,
    pub postgres_port: u16,
    pub nats_port: u16,
    pub nats_monitor_port: u16,
    pub nats_host: std::net::IpAddr,
    pub nats_sync_always: bool,
    pub nats_server: Option<PathBuf>,
    pub postgres_bin: Option<PathBuf>,
    pub offline: bool,
    pub http_address: SocketAddr,
    pub door_address: Option<SocketAddr>,
    pub log: String,
    pub log_json: bool,
    pub otlp_endpoint: Option<String>,
    pub batch_messages: usize,
    pub ack_wait_s: u64,
    pub unpublished_rows: i64,
    pub connections: u32,
    pub unreadable_event_s: u64,
    pub guard_every_s: u64,
    pub seals: Option<PathBuf>,
}

fn default_home() -> PathBuf {
    PathBuf::from(".jifen")
}

impl Settings {
    /// Reads them. `home` is the command line's.
    pub fn load(home: Option<&Path>) -> Result<Self> {
        let variables = || Env::prefixed("JIFEN_").filter(|name| !name.starts_with("test_")).lowercase(true);
        let home = match home {
            Some(home) => home.to_owned(),
            None => Figment::from(variables()).extract_inner("home").unwrap_or_else(|_| default_home()),
        };
        // The home may lie elsewhere than wished (below a closed folder): its file counts.
        let found = jifen_infra::Home::find(&home)?;
        let file = found.as_ref().map_or(home.as_path(), |found| found.path()).join("jifen.toml");
        let mut figment = Figment::new().merge(Toml::string(DEFAULTS));
        if file.exists() {
            figment = figment.merge(Toml::file_exact(&file));
        }
        let figment = figment.merge(variables());
        let mut settings: Self = figment.extract().map_err(|error| {
            anyhow::anyhow!("{error}. `jifen config` prints every key with its meaning; they go into {} or JIFEN_<KEY>", file.display())
        })?;
        settings.home = home;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let ranges = [
            ("batch_messages", self.batch_messages >= 1 && self.batch_messages <= 1000, "1 to 1000"),
            ("ack_wait_s", (1..=3600).contains(&self.ack_wait_s), "1 to 3600"),
            ("unpublished_rows", self.unpublished_rows >= 1000, "at least 1000"),
            ("unreadable_event_s", self.unreadable_event_s <= 7 * 86_400, "at most 604800, as long as events are kept"),
            ("guard_every_s", (1..=3600).contains(&self.guard_every_s), "1 to 3600"),
            ("connections", (2..=100).contains(&self.connections), "2 to 100"),
        ];
        for (key, fits, range) in ranges {
            if !fits {
                bail!("{key} must be {range}");
            }
        }
        if let Some(url) = &self.database_url {
            // The driver reads any scheme, and takes what it does not understand for a host of its own choice.
            let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
            if !is_postgres || url.parse::<sqlx::postgres::PgConnectOptions>().is_err() {
                bail!("database_url (JIFEN_DATABASE_URL) is no Postgres URL: it reads postgres://user:password@host:port/database");
            }
        }
        Ok(())
    }

    /// Where the anchors lie.
    pub fn seals_folder(&self, home: &Path) -> PathBuf {
        self.seals.clone().unwrap_or_else(|| home.join("seals"))
    }

    /// What the runtime takes of them.
    pub fn limits(&self) -> Limits {
        Limits {
            batch_messages: self.batch_messages,
            ack_wait_s: self.ack_wait_s,
            unpublished_rows: self.unpublished_rows,
            connections: self.connections,
            unreadable_event_s: self.unreadable_event_s,
            guard_every_s: self.guard_every_s,
            publish_atomic: self.nats_sync_always,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_complete_and_typing_errors_are_refused() {
        let read = |text: &str| Figment::new().merge(Toml::string(DEFAULTS)).merge(Toml::string(text)).extract::<Settings>();
        assert_eq!(read("").expect("defaults").limits(), Limits::default());
        let refused = read("nats_prot = 1").expect_err("unknown").to_string();
        assert!(refused.contains("nats_prot"), "{refused}");
    }
}
