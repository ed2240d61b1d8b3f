//! `jifen migrate`: roles, schemas, tables; or what a DBA and a broker's operator need to do it themselves.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use jifen_infra::{
    Home, bootstrap, database, key_ids, migrations,
    nats_config::{self, Account},
    rights,
};
use jifen_kernel::StoreCode;

use crate::{
    output::Printer,
    serve::{Servers, prepare_streams},
    services,
    settings::Settings,
};

pub async fn migrate(settings: &Settings, print_sql: bool, out: Printer) -> Result<()> {
    let entries = services::all();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    if print_sql {
        let name = settings.database_url.as_deref().map(database::database_name).transpose()?;
        out.text(&bootstrap::print_sql(name.as_deref().unwrap_or("jifen"), &names));
        return Ok(());
    }
    let home = Home::locate(&settings.home)?;
    let url = settings
        .database_url
        .as_deref()
        .context("give the administrator's URL as JIFEN_DATABASE_URL; `jifen up` migrates its own database by itself")?;
    database::ensure_database(url).await?;
    let mut connection = database::connect(url).await?;
    let (keys, made) = key_ids::open_keys(&home, &mut connection).await?;
    sqlx::Connection::close(connection).await?;
    if !made.is_empty() {
        out.note(format!("new keys ({}) in {}: back them up", made.join(", "), home.keys_dir().display()));
    }
    bootstrap::bootstrap(url, &keys, &names).await?;
    let schemas: Vec<_> = entries.into_iter().map(|entry| entry.schema).collect();
    migrations::migrate(url, &keys, &schemas).await?;
    out.line(format!("migrated: {}", names.join(" ")));
    if let Some(nats_url) = &settings.nats_url {
        let servers = Servers { database_url: url.to_owned(), nats_url: nats_url.clone(), keys, home: home.path().to_owned() };
        prepare_streams(&servers).await?;
        out.line("streams are ready");
    } else {
        out.note("give JIFEN_NATS_URL, too, and the streams of that NATS are made as well");
    }
    Ok(())
}

/// What an operator of an own NATS puts into its configuration: jifen's account with every user and its rights.
pub async fn print_nats(settings: &Settings, named: &[String], out: Printer) -> Result<()> {
    let home = Home::locate(&settings.home)?;
    let keys = jifen_infra::Keys::load(&home).context("the users' passwords come from the installation's keys")?;
    let mut stores = named.iter().map(|code| Ok(StoreCode::try_new(code.as_str())?)).collect::<Result<BTreeSet<StoreCode>>>()?;
    if let Some(url) = &settings.database_url {
        stores.extend(crate::up::first_stores(&database::database_url(url, &keys, "program")?).await?);
    } else if stores.is_empty() {
        out.note("the stores of a new installation: give JIFEN_DATABASE_URL for those of the program, or name them by --store");
        stores = crate::up::default_stores();
    }
    let stores: Vec<StoreCode> = stores.into_iter().collect();
    let account = Account { name: "JIFEN".to_owned(), users: rights::users("", &stores) };
    out.line("# Beside this the server needs `jetstream`, and `max_payload: 1MB`; stores elsewhere need `tls`.");
    out.line(format!("accounts: {:#}", nats_config::accounts(&keys, &[account])));
    Ok(())
}
