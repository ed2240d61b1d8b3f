//! The services that this program is made of.

use anyhow::{Result, bail};
use jifen_infra::Schema;
use jifen_runtime::Service;

/// A service of this program.
pub struct Entry {
    /// Its name: command line, schema, subjects.
    pub name: &'static str,
    /// Builds one copy.
    pub service: fn() -> Service,
    /// Its tables.
    pub schema: Schema,
}

/// All of them, in the order in which they start: what others ask first comes first.
pub fn all() -> Vec<Entry> {
    macro_rules! entries {
        ($($name:literal => $krate:ident),* $(,)?) => {
            vec![$(Entry { name: $name, service: $krate::service, schema: Schema { service: $name, migrator: &$krate::MIGRATIONS } }),*]
        };
    }
    entries! {
        "program" => jifen_program,
        "member" => jifen_member,
        "ingest" => jifen_ingest,
        "points" => jifen_points,
        "campaign" => jifen_campaign,
        "tier" => jifen_tier,
        "notification" => jifen_notification,
    }
}

/// Those of these names; all for none.
pub fn chosen(names: &[String]) -> Result<Vec<Entry>> {
    let all = all();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|entry| entry.name == name.as_str())) {
        let known: Vec<&str> = all.iter().map(|entry| entry.name).collect();
        bail!("there is no service {unknown}; there are {}", known.join(", "));
    }
    Ok(all.into_iter().filter(|entry| names.is_empty() || names.iter().any(|name| name == entry.name)).collect())
}
