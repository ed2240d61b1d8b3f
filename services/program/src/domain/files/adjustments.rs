//! `adjustments.toml`.

use jifen_contracts::program::{AdjustmentReason, AdjustmentRole, Adjustments};

use super::{lines, names, quoted, tables};

pub(super) fn written(rules: &Adjustments) -> String {
    [tables("reason", rules.reasons.iter().map(reason)), tables("role", rules.roles.iter().map(role))].join("\n")
}

fn reason(reason: &AdjustmentReason) -> String {
    lines([("code", quoted(reason.code.as_str())), ("name", names(&reason.name))])
}

fn role(role: &AdjustmentRole) -> String {
    lines([
        ("code", quoted(role.code.as_str())),
        ("name", names(&role.name)),
        ("alone", role.alone.to_string()),
        ("with_approval", role.with_approval.to_string()),
        ("approves", role.approves.to_string()),
    ])
}
