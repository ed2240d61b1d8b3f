//! What campaigns with a budget have granted, and the hard stop.

use std::collections::BTreeMap;

use jifen_kernel::{Points, Token};

/// What each campaign has granted so far, and which of these figures a batch has changed.
///
/// Versions of one campaign share the figure; the limit is that of the version which an accrual names. A campaign that
/// isn't in here has granted nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    granted: BTreeMap<Token, Points>,
    drawn: BTreeMap<Token, Points>,
}

/// What a budget gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// Granted, at most what was due.
    pub points: Points,
    /// This was its last point.
    pub exhausted: bool,
}

impl Budgets {
    /// From what was granted before, by code.
    pub fn new(granted: BTreeMap<Token, Points>) -> Self {
        Self { granted, drawn: BTreeMap::new() }
    }

    /// What a campaign has granted.
    pub fn granted(&self, campaign: &Token) -> Points {
        self.drawn.get(campaign).or_else(|| self.granted.get(campaign)).copied().unwrap_or_default()
    }

    /// Draws what is `due`, cut to what `limit` leaves; `None` if it leaves nothing.
    ///
    /// The last point of a limit is granted once, since the figure only grows: so `exhausted` is true once a limit.
    pub fn draw(&mut self, campaign: &Token, limit: Points, due: Points) -> Option<Drawn> {
        let granted = self.granted(campaign);
        let rest = limit - granted;
        let points = due.min(rest);
        if !points.is_positive() {
            return None;
        }
        self.drawn.insert(campaign.clone(), granted + points);
        Some(Drawn { points, exhausted: points == rest })
    }

    /// The figures that changed, by code.
    pub fn drawn(&self) -> &BTreeMap<Token, Points> {
        &self.drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::token;

    #[test]
    fn the_grant_that_meets_a_budget_is_cut_to_the_rest() {
        let week = token("week");
        let mut budgets = Budgets::new(BTreeMap::from([(week.clone(), Points(9_100))]));
        let mut draw = |limit, due| budgets.draw(&week, Points(limit), Points(due)).map(|drawn| (drawn.points.0, drawn.exhausted));
        assert_eq!(draw(10_000, 1_500), Some((900, true)));
        assert_eq!(draw(10_000, 1_500), None);
        // Raised by a later version, it goes on and can be exhausted again; by the old version it stays closed.
        assert_eq!(draw(10_500, 400), Some((400, false)));
        assert_eq!(draw(10_000, 1), None);
        assert_eq!(draw(10_500, 100), Some((100, true)));
        assert_eq!(budgets.drawn(), &BTreeMap::from([(week, Points(10_500))]));
    }
}
