//! `stores.toml`: who may send documents.

use std::collections::HashMap;

use jifen_contracts::program::Store;

use super::{File, Findings, values};

/// What a message shows of a store's or tier's name: the providers' limit for such a text.
pub(super) const NAME_SHOWN: usize = 20;

/// The stores.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Vec<Store>> {
    let errors = found.errors();
    let mut stores: Vec<Store> = Vec::new();
    let mut lines = HashMap::new();
    for mut section in file.list("store", true, found)? {
        let code = section.read("code", found, values::store_code);
        let name = section.read("name", found, values::names);
        let brand = section.read_if("brand", found, values::token);
        if let Some(code) = &code
            && let Some(line) = lines.insert(code.clone(), section.line("code"))
        {
            section.error("code", found, format!("{code} stands there twice: the first is in line {line}"));
        }
        if name.as_ref().is_some_and(|name| name.zh.chars().count() > NAME_SHOWN) {
            section.warning("name", found, format!("messages show only the first {NAME_SHOWN} characters"));
        }
        section.finish(found);
        if let (Some(code), Some(name), Some(brand)) = (code, name, brand) {
            stores.push(Store { code, name, brand });
        }
    }
    file.finish(found);
    (found.errors() == errors).then_some(stores)
}
