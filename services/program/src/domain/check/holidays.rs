//! `holidays.toml`: days off, make-up days, festivals. The file may be missing: then working days are Monday to Friday.

use std::collections::{BTreeMap, HashMap};

use jifen_contracts::{
    code::Text,
    program::{DayKind, Holiday},
};
use jifen_kernel::Token;

use super::{File, Findings, values};

const KINDS: &[&str] = &["off", "work", "named"];

/// The days, in their order.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Vec<Holiday>> {
    let errors = found.errors();
    let names = festivals(&mut file, found);
    let mut holidays: Vec<Holiday> = Vec::new();
    let mut kinds: HashMap<chrono::NaiveDate, (DayKind, u32)> = HashMap::new();
    for mut section in file.list("holiday", false, found).unwrap_or_default() {
        let day = section.read("day", found, values::day);
        let kind = section.read("kind", found, values::word::<DayKind>(KINDS));
        let festival = section.read("festival", found, values::token);
        if let (Some(day), Some(kind), Some(festival)) = (day, kind, festival) {
            let name = names.get(&festival).cloned();
            if name.is_none() {
                section.error("festival", found, format!("{festival} has no name in [festivals]"));
            }
            if holidays.iter().any(|other| other.day == day && other.festival == festival) {
                section.error("day", found, format!("{day} stands there twice for {festival}"));
            }
            if kind != DayKind::Named {
                let (first, line) = *kinds.entry(day).or_insert((kind, section.line("day")));
                if first != kind {
                    section.error("kind", found, format!("{day} is a day off and a working day: see line {line}"));
                }
            }
            holidays.extend(name.map(|name| Holiday { day, kind, festival, name }));
        }
        section.finish(found);
    }
    file.finish(found);
    holidays.sort_by_key(|holiday| (holiday.day, holiday.kind));
    (found.errors() == errors).then_some(holidays)
}

/// The festivals' names, by code.
fn festivals(file: &mut File, found: &mut Findings) -> BTreeMap<Token, Text> {
    let mut names = BTreeMap::new();
    let Some(mut section) = file.table_if("festivals", found) else { return names };
    for (line, code, value) in section.take_all() {
        let key = section.key(&code);
        match (Token::try_new(code), values::names(&value)) {
            (Ok(code), Ok(name)) => {
                names.insert(code, name);
            }
            (Err(why), _) => found.error(line, key, why.to_string()),
            (_, Err(why)) => found.error(line, key, why),
        }
    }
    names
}
