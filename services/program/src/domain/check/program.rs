//! `program.toml`: what it is called and which clock its days follow.

use chrono_tz::Tz;
use toml::Value;

use super::{File, Findings, values};

fn time_zone(value: &Value) -> Result<String, String> {
    let name = values::string(value)?;
    let zone: Result<Tz, _> = name.parse();
    zone.map(|_| name.to_owned()).map_err(|_| "unknown time zone: write an IANA name such as \"Asia/Shanghai\"".to_owned())
}

/// Name and time zone.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<(String, String)> {
    let name = file.top.read("name", found, values::text(1..=40));
    let time_zone = file.top.read("time_zone", found, time_zone);
    file.finish(found);
    Some((name?, time_zone?))
}
