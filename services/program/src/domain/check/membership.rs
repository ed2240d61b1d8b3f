//! `membership.toml`: how a customer becomes a member. Every key may be missing and has its usual value then.

use jifen_contracts::program::Membership;

use super::{File, Findings, values};

/// Activation and its codes.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Membership> {
    let errors = found.errors();
    let mut rules = Membership::default();
    let fields = [
        ("activation_days", 1..=90, &mut rules.activation_days),
        ("lapse_warning_days", 0..=89, &mut rules.lapse_warning_days),
        ("pending_days", 1..=365, &mut rules.pending_days),
        ("codes_per_phone_day", 1..=100, &mut rules.codes_per_phone_day),
        ("codes_per_store_hour", 1..=100_000, &mut rules.codes_per_store_hour),
        ("codes_per_group_hour", 1..=1_000_000, &mut rules.codes_per_group_hour),
        ("code_minutes", 1..=60, &mut rules.code_minutes),
        ("code_attempts", 1..=10, &mut rules.code_attempts),
    ];
    for (key, range, field) in fields {
        if let Some(Some(value)) = file.top.read_if(key, found, values::whole(range)) {
            *field = value;
        }
    }
    if rules.lapse_warning_days > rules.activation_days && found.errors() == errors {
        file.top.error("lapse_warning_days", found, "is more than activation_days: nobody would be warned");
    }
    file.finish(found);
    (found.errors() == errors).then_some(rules)
}
