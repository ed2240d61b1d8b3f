//! Countable benefits: granted with a tier, used one by one, over on a day.
//!
//! Of a kind a member has at most one that is valid. A tier brings it anew when it ran out, unless it is given once in a life;
//! a higher tier's better one takes its place. What a lower tier no longer brings stays until its day; but what a tier brought that a
//! correction took back goes with it, as far as it wasn't used, and comes back with it.

use chrono::{Days, Months, NaiveDate};
use jifen_contracts::{code::Text, program::Tier};
use jifen_kernel::Token;
use uuid::Uuid;

use super::ladder::benefits_at;

/// A countable benefit of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Its key.
    pub id: Uuid,
    /// The tier that brought it.
    pub tier: Token,
    /// The benefit's kind.
    pub kind: Token,
    /// What it is, for people.
    pub name: Text,
    /// How often it may be used in all.
    pub count: u32,
    /// How often it was.
    pub used: u32,
    /// The day on which it was granted.
    pub granted_on: NaiveDate,
    /// The last day on which it may be used.
    pub valid_until: NaiveDate,
    /// Over, and announced to be.
    pub closed: bool,
    /// Closed because its tier was never earned: it opens again with the tier.
    pub revoked: bool,
}

impl Entitlement {
    /// May be used on `day`, as far as time goes.
    pub fn is_valid(&self, day: NaiveDate) -> bool {
        !self.closed && day <= self.valid_until
    }

    /// How often it may be used still.
    pub fn left(&self) -> u32 {
        self.count.saturating_sub(self.used)
    }
}

/// What the tier at `rank` brings on `day` that isn't there: new entitlements, with keys from `ids`. What is over, or gives way
/// to a better one, is closed.
pub fn decide_entitlements(
    held: &mut Vec<Entitlement>,
    tiers: &[Tier],
    rank: usize,
    grants: bool,
    day: NaiveDate,
    mut ids: impl FnMut() -> Uuid,
) -> Renewed {
    let mut renewed = Renewed::default();
    let close = |entitlement: &mut Entitlement, renewed: &mut Renewed| {
        entitlement.closed = true;
        renewed.closed.push(entitlement.id);
    };
    for entitlement in held.iter_mut().filter(|entitlement| !entitlement.closed && entitlement.valid_until < day) {
        close(entitlement, &mut renewed);
    }
    let countable = benefits_at(tiers, rank).into_iter().filter_map(|(tier, benefit)| Some((tier, benefit, benefit.count?)));
    for (tier, benefit, count) in countable.filter(|_| grants) {
        let same = |entitlement: &Entitlement| entitlement.kind == benefit.kind;
        let valid = held.iter().position(|entitlement| same(entitlement) && entitlement.is_valid(day));
        if let Some(place) = valid
            && (held[place].tier == tier.code || held[place].count >= count)
        {
            continue;
        }
        if let Some(place) = valid {
            close(&mut held[place], &mut renewed);
        }
        let revoked = |entitlement: &Entitlement| same(entitlement) && entitlement.revoked;
        let back = held.iter().position(|one| revoked(one) && one.tier == tier.code && day <= one.valid_until);
        if let Some(place) = back {
            (held[place].closed, held[place].revoked) = (false, false);
            renewed.reopened.push(held[place].id);
            continue;
        }
        let had = |one: &Entitlement| same(one) && !(one.revoked && one.used == 0) && (benefit.once || one.granted_on == day);
        if valid.is_none() && held.iter().any(had) {
            // Once in a life; and a day's grant is one, however often the day is looked at.
            continue;
        }
        let until = day.checked_add_months(Months::new(benefit.months)).and_then(|end| end.checked_sub_days(Days::new(1)));
        let new = Entitlement {
            id: ids(),
            tier: tier.code.clone(),
            kind: benefit.kind.clone(),
            name: benefit.text.clone(),
            count,
            used: 0,
            granted_on: day,
            valid_until: until.unwrap_or(day),
            closed: false,
            revoked: false,
        };
        renewed.granted.push(new.id);
        held.push(new);
    }
    renewed
}

/// A correction took a tier back, and the one at `rank` is left: what those above it had brought is closed, as far as anything is left
/// of it. By key.
pub fn decide_revoked(held: &mut [Entitlement], tiers: &[Tier], rank: usize, day: NaiveDate) -> Vec<Uuid> {
    let above = |code: &Token| tiers.iter().position(|tier| tier.code == *code).is_some_and(|place| place > rank);
    let mut revoked = Vec::new();
    for entitlement in held.iter_mut().filter(|one| one.is_valid(day) && one.left() > 0 && above(&one.tier)) {
        (entitlement.closed, entitlement.revoked) = (true, true);
        revoked.push(entitlement.id);
    }
    revoked
}

/// What was granted and closed, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Granted.
    pub granted: Vec<Uuid>,
    /// There again.
    pub reopened: Vec<Uuid>,
    /// Closed.
    pub closed: Vec<Uuid>,
}

/// The day behind the first on which one of these ends.
pub fn next_end(held: &[Entitlement], day: NaiveDate) -> Option<NaiveDate> {
    held.iter().filter(|entitlement| entitlement.is_valid(day)).filter_map(|entitlement| entitlement.valid_until.succ_opt()).min()
}

/// Why an entitlement can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The member has none of this kind.
    #[error("the member has no such entitlement")]
    Unknown,
    /// Used up.
    #[error("the entitlement is used up")]
    Exhausted,
    /// Over.
    #[error("the entitlement is no longer valid")]
    Expired,
}

/// Uses one of a kind on `day`, of several the one that ends first: its place.
pub fn decide_use(held: &mut [Entitlement], kind: &str, day: NaiveDate) -> Result<usize, Refused> {
    let of_kind = || held.iter().enumerate().filter(|(_, entitlement)| entitlement.kind.as_str() == kind);
    let valid = || of_kind().filter(|(_, entitlement)| entitlement.is_valid(day));
    let place = valid().filter(|(_, entitlement)| entitlement.left() > 0).min_by_key(|(_, entitlement)| entitlement.valid_until);
    let place = place.map(|(place, _)| place).ok_or_else(|| match (valid().next(), of_kind().next()) {
        (Some(_), _) => Refused::Exhausted,
        (None, Some(_)) => Refused::Expired,
        (None, None) => Refused::Unknown,
    })?;
    held[place].used += 1;
    Ok(place)
}

#[cfg(test)]
mod tests;
