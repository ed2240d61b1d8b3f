//! `settlement.toml`: what a point is worth in the books. Every key may be missing and has its usual value then.

use jifen_contracts::program::Settlement;

use super::{File, Findings, values};

/// Value and closing day.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Settlement> {
    let errors = found.errors();
    let mut rules = Settlement::default();
    if let Some(Some(value)) = file.top.read_if("point_value", found, values::rate) {
        rules.point_value = value;
        if value.is_zero() {
            file.top.error("point_value", found, "must be above zero: points that are worth nothing can't be settled");
        }
    }
    if let Some(Some(day)) = file.top.read_if("close_day", found, values::whole(1..=28)) {
        rules.close_day = day;
    }
    file.finish(found);
    (found.errors() == errors).then_some(rules)
}
