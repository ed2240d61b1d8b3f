//! What a ladder asks for and brings.

use jifen_contracts::program::{AppliedProgram, Benefit, LadderKind, Program, Tier};
use jifen_kernel::{Points, Token};

/// True where a standing can't be told from a member's points alone: its facts must be read.
pub fn needs_facts(program: &Program) -> bool {
    program.ladder.kind == LadderKind::Yearly || program.tiers.iter().any(|tier| !tier.any.is_empty())
}

/// True where two versions have the same ladder, so that nobody's standing differs under them.
pub fn same_ladder(one: &AppliedProgram, other: &AppliedProgram) -> bool {
    one.program.tiers == other.program.tiers && one.program.ladder == other.program.ladder
}

/// The highest step that `qualifying` points alone reach.
pub fn rank_at(tiers: &[Tier], qualifying: Points) -> Option<usize> {
    tiers.iter().rposition(|tier| tier.from.is_some_and(|from| from <= qualifying))
}

/// A tier's step. One that this ladder doesn't know (another version renamed it) counts as what the points reach here.
pub fn rank_of(tiers: &[Tier], tier: &Token, qualifying: Points) -> Option<usize> {
    tiers.iter().position(|step| step.code == *tier).or_else(|| rank_at(tiers, qualifying))
}

/// The benefits of the tier at `rank` and those it includes, each with the tier that names it: of one kind the highest counts.
pub fn benefits_at(tiers: &[Tier], rank: usize) -> Vec<(&Tier, &Benefit)> {
    let mut all: Vec<(&Tier, &Benefit)> = Vec::new();
    for tier in tiers.iter().take(rank + 1).rev() {
        for benefit in &tier.benefits {
            if all.iter().all(|(_, higher)| higher.kind != benefit.kind) {
                all.push((tier, benefit));
            }
        }
    }
    all
}

/// True where the tier at `rank` brings something countable.
pub fn has_entitlements(tiers: &[Tier], rank: usize) -> bool {
    tiers.iter().take(rank + 1).any(|tier| tier.benefits.iter().any(|benefit| benefit.count.is_some()))
}
