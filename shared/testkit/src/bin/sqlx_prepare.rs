//! `sqlx-prepare`: writes the offline caches of the SQL macros anew.
//!
//! Reads the migrations from their folders, not from the services: those can't be compiled before the tables exist.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use jifen_infra::{Schema, bootstrap, database, migrations};
use jifen_testkit::{Servers, test_keys};
use sqlx::migrate::Migrator;

#[tokio::main]
async fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let services = services(&root)?;
    let servers = Servers::shared();
    let url =
        format!("{}/jifen_sqlx_prepare", servers.database_url.rsplit_once('/').map_or(servers.database_url.as_str(), |(server, _)| server));
    database::ensure_database(&url).await?;
    let names: Vec<&'static str> = services.iter().map(|(name, _)| *name).collect();
    let keys = test_keys();
    bootstrap::bootstrap(&url, &keys, &names).await?;
    let runtime = Migrator::new(root.join("shared/runtime/migrations")).await?;
    let mut schemas = Vec::new();
    for (service, folder) in &services {
        let own = Migrator::new(folder.join("migrations")).await?;
        let all = runtime.iter().chain(own.iter()).cloned().collect();
        schemas.push(Schema { service, migrator: Box::leak(Box::new(Migrator::with_migrations(all))) });
    }
    migrations::migrate(&url, &keys, &schemas).await?;
    for (service, folder) in &services {
        prepare(service, folder, &database::database_url(&url, &keys, service)?)?;
    }
    Ok(())
}

/// The services that have SQL, with their folders.
fn services(root: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("services"))? {
        let folder = entry?.path();
        if folder.join("sqlx.toml").exists() {
            let name = folder.file_name().and_then(|name| name.to_str()).context("a folder without a name")?;
            found.push((&*name.to_owned().leak(), folder));
        }
    }
    found.sort();
    Ok(found)
}

/// Checks one crate against the database, which writes its cache.
fn prepare(service: &str, folder: &Path, url: &str) -> Result<()> {
    let cache = folder.join(".sqlx");
    if cache.exists() {
        std::fs::remove_dir_all(&cache)?;
    }
    std::fs::create_dir_all(&cache)?;
    // The macros run again only if their crate is compiled again.
    let lib = folder.join("src/lib.rs");
    let text = std::fs::read(&lib)?;
    std::fs::write(&lib, text)?;
    let status = Command::new("cargo")
        .args(["check", "--quiet", "-p", &format!("jifen-{service}"), "--all-targets"])
        .env(format!("{}_DATABASE_URL", service.to_uppercase()), url)
        .env("SQLX_OFFLINE_DIR", cache.canonicalize()?)
        .status()?;
    ensure!(status.success(), "jifen-{service} does not compile against its own migrations");
    Ok(())
}
