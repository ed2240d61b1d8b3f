//! `redemption.toml`.

use jifen_contracts::program::Redemption;

use super::lines;

pub(super) fn written(rules: &Redemption) -> String {
    lines(
        [
            ("points_per_yuan", rules.points_per_yuan),
            ("step", rules.step),
            ("minimum", rules.minimum),
            ("max_share_percent", rules.max_share_percent),
            ("hold_s", rules.hold_s),
            ("hold_longest_s", rules.hold_longest_s),
            ("return_grace_days", rules.return_grace_days),
        ]
        .map(|(key, value)| (key, value.to_string())),
    )
}
