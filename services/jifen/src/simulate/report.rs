//! What came out, program beside program.

use std::collections::BTreeSet;

use jifen_kernel::{Points, Rate};

use super::replay::Outcome;
use crate::output::Printer;

/// Shows the outcomes, the draft's first. `point_value`: what a point is worth in the draft's books.
pub fn show(names: &[String], outcomes: &[Outcome], point_value: Rate, out: Printer) {
    let Some(draft) = outcomes.first() else { return };
    out.line(format!("{} invoices of {} customers replayed", draft.invoices, draft.customers));
    for (name, outcome) in names.iter().zip(outcomes) {
        if outcome.without_rate > 0 {
            let categories = outcome.unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            out.line(format!("{}: {} invoices have no rate there ({categories}) and were left out", name, outcome.without_rate));
        }
    }
    if draft.unreadable > 0 {
        out.line(format!("{} could not be read; the first: {}", draft.unreadable, draft.first_unreadable.as_deref().unwrap_or_default()));
    }
    let table = |what: &str, keys: BTreeSet<String>, of: &dyn Fn(&Outcome, &str) -> Points, yuan: bool| {
        let mut head = vec![what.to_owned()];
        head.extend(names.iter().cloned());
        if outcomes.len() > 1 {
            head.push("difference".to_owned());
        }
        if yuan {
            head.push("draft, yuan".to_owned());
        }
        let row = |key: String| {
            let values: Vec<Points> = outcomes.iter().map(|outcome| of(outcome, &key)).collect();
            let mut row: Vec<String> = std::iter::once(key).chain(values.iter().map(|points| points.0.to_string())).collect();
            if let [draft, other, ..] = values.as_slice() {
                row.push(format!("{:+}", draft.0 - other.0));
            }
            if yuan {
                row.push(point_value.value_of(values.first().copied().unwrap_or_default()).to_string());
            }
            row
        };
        out.table(&std::iter::once(head).chain(keys.into_iter().map(row)).collect::<Vec<_>>());
    };
    let kinds = ["accrual", "first_spending", "bonus", "total"].map(str::to_owned).into_iter().collect();
    let kind = |outcome: &Outcome, kind: &str| match kind {
        "accrual" => outcome.base,
        "first_spending" => outcome.first_spending,
        "bonus" => outcome.bonus(),
        _ => outcome.total(),
    };
    table("points", kinds, &kind, true);
    let campaigns: BTreeSet<String> = outcomes.iter().flat_map(|outcome| outcome.campaigns.keys().map(ToString::to_string)).collect();
    if !campaigns.is_empty() {
        let of = |outcome: &Outcome, code: &str| {
            outcome.campaigns.iter().find(|(known, _)| known.as_str() == code).map_or(Points::ZERO, |(_, points)| *points)
        };
        table("campaign", campaigns, &of, true);
    }
    let stores: BTreeSet<String> = outcomes.iter().flat_map(|outcome| outcome.stores.keys().map(ToString::to_string)).collect();
    let of = |outcome: &Outcome, code: &str| {
        outcome.stores.iter().find(|(known, _)| known.as_str() == code).map_or(Points::ZERO, |(_, points)| *points)
    };
    table("store", stores, &of, true);
    out.line(format!(
        "everybody begins in the lowest tier (and rises where points alone decide it) and has no birthday; a point is worth {point_value} yuan",
    ));
}
