//! What staff may correct: `adjustments.toml`.

use jifen_kernel::{Points, Token};
use serde::{Deserialize, Serialize};

use crate::code::Text;

/// Reasons for adjustments (人工调整), and who may make how large ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adjustments {
    /// Why an account may be adjusted.
    pub reasons: Vec<AdjustmentReason>,
    /// Who may do it. A role that isn't named here may not.
    pub roles: Vec<AdjustmentRole>,
}

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustmentReason {
    /// Its code.
    pub code: Token,
    /// What it means.
    pub name: Text,
}

/// What a role may do: points given or taken, whichever sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustmentRole {
    /// The role, as the console names it.
    pub code: Token,
    /// Its name for people.
    pub name: Text,
    /// Adjusts up to so many alone.
    pub alone: Points,
    /// Asks for up to so many: above `alone` a second person approves.
    pub with_approval: Points,
    /// Approves what others ask for, up to so many.
    pub approves: Points,
}

impl Default for Adjustments {
    fn default() -> Self {
        let reason = |code: &str, zh: &str, en: &str| Some(AdjustmentReason { code: Token::try_new(code).ok()?, name: Text::new(zh, en) });
        let role = |code: &str, zh: &str, en: &str, [alone, with_approval, approves]: [i64; 3]| {
            let (code, name) = (Token::try_new(code).ok()?, Text::new(zh, en));
            Some(AdjustmentRole { code, name, alone: Points(alone), with_approval: Points(with_approval), approves: Points(approves) })
        };
        let reasons = [
            reason("goodwill", "客户关怀补偿", "Goodwill"),
            reason("complaint", "投诉处理", "Settlement of a complaint"),
            reason("correction", "差错更正", "Correction of a mistake"),
            reason("abuse", "违规扣回", "Taken back for abuse"),
        ];
        let roles = [
            role("advisor", "服务顾问", "Service advisor", [0, 1_000, 0]),
            role("store_manager", "店长", "Store manager", [1_000, 10_000, 1_000]),
            role("group_manager", "集团会员经理", "Group's loyalty manager", [10_000, 1_000_000, 1_000_000]),
        ];
        Self { reasons: reasons.into_iter().flatten().collect(), roles: roles.into_iter().flatten().collect() }
    }
}

impl Adjustments {
    /// True where nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What a role may do.
    pub fn role(&self, code: &str) -> Option<&AdjustmentRole> {
        self.roles.iter().find(|role| role.code.as_str() == code)
    }

    /// The reason of this code.
    pub fn reason(&self, code: &str) -> Option<&AdjustmentReason> {
        self.reasons.iter().find(|reason| reason.code.as_str() == code)
    }
}
