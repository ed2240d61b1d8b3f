//! `adjustments.toml`: why staff may correct an account, and who how much. `[[reason]]` or `[[role]]` not written are as usual.

use std::collections::HashMap;

use jifen_contracts::program::{AdjustmentReason, AdjustmentRole, Adjustments};
use jifen_kernel::Token;

use super::{File, Findings, section::Section, values};

/// Reasons and roles.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Adjustments> {
    let errors = found.errors();
    let mut rules = Adjustments::default();
    if let Some(reasons) = each(&mut file, "reason", found, reason, |reason| &reason.code) {
        rules.reasons = reasons;
    }
    if let Some(roles) = each(&mut file, "role", found, role, |role| &role.code) {
        rules.roles = roles;
    }
    file.finish(found);
    (found.errors() == errors).then_some(rules)
}

/// The tables of a name, each code once; `None` if there are none.
fn each<T>(
    file: &mut File,
    name: &'static str,
    found: &mut Findings,
    one: impl Fn(&mut Section, &mut Findings) -> Option<T>,
    code: impl Fn(&T) -> &Token,
) -> Option<Vec<T>> {
    let sections = file.list(name, false, found)?;
    let mut lines = HashMap::new();
    let mut all = Vec::with_capacity(sections.len());
    for mut section in sections {
        let read = one(&mut section, found);
        if let Some(read) = &read
            && let Some(line) = lines.insert(code(read).clone(), section.line("code"))
        {
            section.error("code", found, format!("{} stands there twice: the first is in line {line}", code(read)));
        }
        section.finish(found);
        all.extend(read);
    }
    (!all.is_empty()).then_some(all)
}

fn reason(section: &mut Section, found: &mut Findings) -> Option<AdjustmentReason> {
    let code = section.read("code", found, values::token);
    let name = section.read("name", found, values::names);
    Some(AdjustmentReason { code: code?, name: name? })
}

fn role(section: &mut Section, found: &mut Findings) -> Option<AdjustmentRole> {
    let code = section.read("code", found, values::token);
    let name = section.read("name", found, values::names);
    let alone = section.read("alone", found, values::points(0));
    let with_approval = section.read("with_approval", found, values::points(0));
    let approves = section.read("approves", found, values::points(0));
    let role = AdjustmentRole { code: code?, name: name?, alone: alone?, with_approval: with_approval?, approves: approves? };
    if role.with_approval < role.alone {
        section.error("with_approval", found, format!("lies below alone, {}: what needs no approval may be asked for", role.alone));
    }
    Some(role)
}
