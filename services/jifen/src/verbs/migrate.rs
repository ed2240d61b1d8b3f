//! `jifen migrate`: roles, schemas, tables; or what a DBA and a broker's operator need to do it themselves.

use anyhow::{Context, Result};
use jifen_infra::{Home, bootstrap, database, key_ids, migrations, rights};
use jifen_kernel::StoreCode;

use crate::{
    output::Printer,
    serve::{Servers, prepare_streams},
    services,
    settings::Settings,
};

pub async fn migrate(settings: &Settings, print_sql: bool, print_nats: bool, out: Printer) -> Result<()> {
    let entries = services::all();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    if print_sql {
        let name = settings.database_url.as_deref().map(database::database_name).transpose()?;
        out.text(&bootstrap::print_sql(name.as_deref().unwrap_or("jifen"), &names));
        return Ok(());
    }
    let home = Home::locate(&settings.home)?;
    if print_nats {
        let keys = jifen_infra::Keys::load(&home).context("the users' passwords come from the installation's keys")?;
        let stores: Vec<StoreCode> = ["SH01", "SH02", "SH03"].into_iter().filter_map(|code| StoreCode::try_new(code).ok()).collect();
        for user in rights::users("", &stores) {
            let credentials = rights::credentials(&keys, &user.name);
            out.line(serde_json::to_string_pretty(&serde_json::json!({
                "user": user.name, "password": credentials.password,
                "permissions": {"publish": {"allow": user.publish.allow, "deny": user.publish.deny},
                                "subscribe": {"allow": user.subscribe.allow, "deny": user.subscribe.deny}, "allow_responses": true}
            }))?);
        }
        return Ok(());
    }
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
        let servers = Servers { database_url: url.to_owned(), nats_url: nats_url.clone(), keys };
        prepare_streams(&servers).await?;
        out.line("streams are ready");
    } else {
        out.note("give JIFEN_NATS_URL, too, and the streams of that NATS are made as well");
    }
    Ok(())
}
