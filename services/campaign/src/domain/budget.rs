//! What campaigns with a budget, and their members, have had already: loaded locked, drawn on in stream order, saved once a batch.

use std::collections::BTreeMap;

use jifen_kernel::{MemberId, Points, Token};

use super::{offer::Source, returned::Returns};

/// The figures of a batch: points granted so far, by code, and by member and code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    granted: BTreeMap<Token, Points>,
    had: BTreeMap<(MemberId, Token), Points>,
    drawn: BTreeMap<Token, Points>,
    drawn_by: BTreeMap<(MemberId, Token), Points>,
}

/// What a budget gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// Granted, at most what was due.
    pub points: Points,
    /// This was the budget's last point.
    pub exhausted: bool,
}

impl Budgets {
    /// From what was granted before, by code, and what members had before.
    pub fn new(granted: BTreeMap<Token, Points>, had: BTreeMap<(MemberId, Token), Points>) -> Self {
        Self { granted, had, ..Self::default() }
    }

    /// What a campaign has granted.
    pub fn granted(&self, campaign: &Token) -> Points {
        self.drawn.get(campaign).or_else(|| self.granted.get(campaign)).copied().unwrap_or_default()
    }

    /// Draws what is `due`, cut to what budget and member's cap leave; `None` if they leave nothing.
    ///
    /// The last point of a limit is granted once, since the figure only grows: so `exhausted` is true once a limit.
    pub fn draw(&mut self, source: &Source<'_>, member: MemberId, due: Points) -> Option<Drawn> {
        let mut points = due;
        let key = source.member_cap.map(|_| (member, source.code.clone()));
        let had = key.as_ref().map(|key| self.drawn_by.get(key).or_else(|| self.had.get(key)).copied().unwrap_or_default());
        if let (Some(cap), Some(had)) = (source.member_cap, had) {
            points = points.min(cap - had);
        }
        let granted = source.budget.map(|_| self.granted(source.code));
        let rest = source.budget.zip(granted).map(|(limit, granted)| limit - granted);
        points = rest.map_or(points, |rest| points.min(rest));
        if !points.is_positive() {
            return None;
        }
        if let Some(granted) = granted {
            self.drawn.insert(source.code.clone(), granted + points);
        }
        if let Some((key, had)) = key.zip(had) {
            self.drawn_by.insert(key, had + points);
        }
        Some(Drawn { points, exhausted: rest == Some(points) })
    }

    /// Gives points back before anything is drawn.
    pub fn give_back(&mut self, returns: &Returns) {
        for (campaign, points) in &returns.budgets {
            let granted = self.granted(campaign) - *points;
            self.drawn.insert(campaign.clone(), granted.max(Points::ZERO));
        }
        for (key, points) in &returns.shares {
            let had = self.drawn_by.get(key).or_else(|| self.had.get(key)).copied().unwrap_or_default() - *points;
            self.drawn_by.insert(key.clone(), had.max(Points::ZERO));
        }
    }

    /// The budgets' figures that changed, by code.
    pub fn drawn(&self) -> &BTreeMap<Token, Points> {
        &self.drawn
    }

    /// The members' figures that changed.
    pub fn drawn_by(&self) -> &BTreeMap<(MemberId, Token), Points> {
        &self.drawn_by
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::given::token;

    #[test]
    fn the_grant_that_meets_a_budget_is_cut_to_the_rest() {
        let week = token("week");
        let mut budgets = Budgets::new(BTreeMap::from([(week.clone(), Points(9_100))]), BTreeMap::new());
        let mut draw = |limit, due| {
            let source = Source { code: &week, version: 1, budget: Some(Points(limit)), member_cap: None, deferred: false };
            budgets.draw(&source, MemberId(Uuid::nil()), Points(due)).map(|drawn| (drawn.points.0, drawn.exhausted))
        };
        assert_eq!(draw(10_000, 1_500), Some((900, true)));
        assert_eq!(draw(10_000, 1_500), None);
        // Raised by a later version, it goes on and can be exhausted again; by the old version it stays closed.
        assert_eq!(draw(10_500, 400), Some((400, false)));
        assert_eq!(draw(10_000, 1), None);
        assert_eq!(draw(10_500, 100), Some((100, true)));
        assert_eq!(budgets.drawn(), &BTreeMap::from([(week, Points(10_500))]));
    }

    #[test]
    fn a_member_is_cut_to_the_cap_and_others_are_not() {
        let week = token("week");
        let [one, other] = [1, 2].map(|member| MemberId(Uuid::from_u128(member)));
        let mut budgets = Budgets::new(BTreeMap::new(), BTreeMap::from([((one, week.clone()), Points(400))]));
        let mut draw = |member, budget, due| {
            let source = Source { code: &week, version: 1, budget, member_cap: Some(Points(500)), deferred: false };
            budgets.draw(&source, member, Points(due)).map(|drawn| (drawn.points.0, drawn.exhausted))
        };
        assert_eq!(draw(one, None, 300), Some((100, false)));
        assert_eq!(draw(one, None, 300), None);
        assert_eq!(draw(other, Some(Points(250)), 300), Some((250, true)));
        assert_eq!(draw(other, Some(Points(1_000)), 600), Some((250, false)), "the cap is the member's, whatever the budget");
        assert_eq!(budgets.drawn_by().values().map(|points| points.0).collect::<Vec<_>>(), [500, 500]);
    }
}
