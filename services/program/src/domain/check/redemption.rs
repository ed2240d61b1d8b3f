//! `redemption.toml`: how points are spent. Every key may be missing and has its usual value then.

use jifen_contracts::program::Redemption;

use super::{File, Findings, values};

/// Cash offset, holds, and what comes back.
pub(super) fn read(mut file: File, found: &mut Findings) -> Option<Redemption> {
    let errors = found.errors();
    let mut rules = Redemption::default();
    let fields = [
        ("points_per_yuan", 1..=100_000, &mut rules.points_per_yuan),
        ("step", 1..=1_000_000, &mut rules.step),
        ("minimum", 1..=1_000_000, &mut rules.minimum),
        ("max_share_percent", 0..=100, &mut rules.max_share_percent),
        ("hold_s", 10..=604_800, &mut rules.hold_s),
        ("hold_longest_s", 10..=604_800, &mut rules.hold_longest_s),
        ("return_grace_days", 0..=365, &mut rules.return_grace_days),
    ];
    for (key, range, field) in fields {
        if let Some(Some(value)) = file.top.read_if(key, found, values::whole(range)) {
            *field = value;
        }
    }
    if found.errors() == errors {
        // What a step pays is whole fen: nothing is rounded at the till.
        if !(u64::from(rules.step) * 100).is_multiple_of(u64::from(rules.points_per_yuan)) {
            let why = format!("{} points are not worth whole fen at points_per_yuan = {}", rules.step, rules.points_per_yuan);
            file.top.error("step", found, why);
        }
        if rules.hold_s > rules.hold_longest_s {
            file.top.error("hold_s", found, "is more than hold_longest_s: no hold would last so long");
        }
        if rules.max_share_percent == 0 {
            file.top.warning("max_share_percent", found, "points pay nothing of any bill");
        }
    }
    file.finish(found);
    (found.errors() == errors).then_some(rules)
}
