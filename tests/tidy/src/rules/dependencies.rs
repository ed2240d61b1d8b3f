//! Which crate may know which.

use crate::{Finding, workspace::Source};

/// Why: services meet only in published events and endpoints. A service that links another one shares its tables and its
/// releases, and can no longer run, fail and grow alone.
pub fn service_on_service(manifest: &Source, service: &str, services: &[String]) -> Vec<Finding> {
    dependencies(manifest)
        .into_iter()
        .filter_map(|(line, name)| {
            let other = name.strip_prefix("jifen-")?;
            let foreign = other != service && services.iter().any(|service| service == other);
            foreign.then(|| Finding::new(&manifest.path, line, format!("service {service} depends on service {other}")))
        })
        .collect()
}

/// Why: kernel and contracts are what everybody shares, also the outside world through the schemas. A driver in them would
/// bind every reader of a type to a runtime, a broker and a database.
pub fn drivers(manifest: &Source) -> Vec<Finding> {
    const DRIVERS: [&str; 7] = ["tokio", "sqlx", "async-nats", "futures-util", "axum", "jifen-runtime", "jifen-infra"];
    dependencies(manifest)
        .into_iter()
        .filter(|(_, name)| DRIVERS.contains(&name.as_str()))
        .map(|(line, name)| Finding::new(&manifest.path, line, format!("depends on {name}")))
        .collect()
}

/// The names under any `dependencies` table, with their lines.
fn dependencies(manifest: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (line, text) in manifest.lines() {
        let text = text.trim();
        if let Some(header) = text.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let parts: Vec<&str> = header.split('.').collect();
            inside = parts.last().is_some_and(|last| last.ends_with("dependencies"));
            // `[dependencies.tokio]`
            if let [.., table, name] = parts.as_slice()
                && table.ends_with("dependencies")
            {
                found.push((line, (*name).to_owned()));
            }
        } else if inside && !text.starts_with('#') {
            let name = text.split(['.', '=', ' ']).next().unwrap_or_default().trim_matches('"');
            if !name.is_empty() {
                found.push((line, name.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_links_another_is_found() {
        let services = ["points".to_owned(), "tier".to_owned()];
        let bad = "[package]\nname = \"jifen-tier\"\n\n[dependencies]\njifen-kernel.workspace = true\njifen-points.workspace = true\n";
        let found = service_on_service(&Source::sample("services/tier/Cargo.toml", bad), "tier", &services);
        assert_eq!(found, [Finding::new("services/tier/Cargo.toml", 6, "service tier depends on service points")]);
        for bad in [
            "[dev-dependencies]\njifen-points = { path = \"../points\" }",
            "[dependencies.jifen-points]\npath = \"../points\"",
            "[target.'cfg(unix)'.dependencies]\n\"jifen-points\" = \"1\"",
        ] {
            assert_eq!(service_on_service(&Source::sample("Cargo.toml", bad), "tier", &services).len(), 1, "{bad}");
        }
        let good = "[dependencies]\njifen-kernel.workspace = true\n# jifen-points\n[features]\njifen-points = []\n";
        assert_eq!(service_on_service(&Source::sample("Cargo.toml", good), "tier", &services), []);
    }

    #[test]
    fn a_driver_in_the_kernel_is_found() {
        let bad = Source::sample("shared/kernel/Cargo.toml", "[dependencies]\nserde.workspace = true\ntokio.workspace = true\n");
        assert_eq!(drivers(&bad), [Finding::new("shared/kernel/Cargo.toml", 3, "depends on tokio")]);
    }
}
