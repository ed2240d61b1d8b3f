//! A version's campaigns, ready to be asked: which are open on a day in a store is found once, not for every invoice.
//!
//! Festivals and lunar dates cost milliseconds to compute, and a hundred campaigns are a hundred calendars. So the first
//! accrual of a day makes that day's list, best offer first, and every other one reads it. What is left to be asked is
//! about the member and the invoice, and only of offers that are better than what was found so far.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use jifen_contracts::program::{AppliedProgram, Campaign};
use jifen_kernel::{Rate, StoreCode, Token, clock};
use jifen_rules::{
    calendar::Calendar,
    condition::{Condition, Facts, Variables},
    schedule::OpenDay,
};

/// A document may arrive so long after a campaign's end and still take part (DOMAIN, exact default 6).
pub const LATE_DAYS: u64 = 30;
/// Days of a version that are kept: invoices of more different days than this are computed anew, never wrongly.
const DAYS_KEPT: usize = 1_000;

/// The campaigns of one version of the program.
#[derive(Debug)]
pub struct Rulebook {
    /// The version.
    pub applied: Arc<AppliedProgram>,
    calendar: Calendar,
    /// By the campaign's place: its condition. One that is there and can't be read never holds.
    conditions: Vec<Option<Result<Condition, String>>>,
    /// By the campaign's place: the last instant at which a document may arrive.
    closed_after: Vec<Option<DateTime<Utc>>>,
    days: RwLock<BTreeMap<NaiveDate, Arc<OpenLists>>>,
}

/// The campaigns that are open on a day, by store.
#[derive(Debug, Default)]
pub struct OpenLists {
    /// Stores that a campaign of the day names.
    named: BTreeMap<StoreCode, OpenList>,
    /// All others.
    elsewhere: OpenList,
}

/// The campaigns that are open on a day in a store, as places in the program.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct OpenList {
    /// With a factor: the largest first, among equals the one published first. Without exclusive ones.
    pub multipliers: Vec<usize>,
    /// With a fixed bonus, in the order of their publication. Without exclusive ones.
    pub fixed: Vec<usize>,
    /// Exclusive ones, in the order of their publication.
    pub exclusive: Vec<usize>,
    /// One of them asks for the member's birthday.
    pub asks_birthday: bool,
    /// One of them, or the program, asks for the member's tier.
    pub asks_tier: bool,
    /// One of them asks for the member's cars.
    pub asks_vehicle: bool,
}

impl Rulebook {
    /// Reads a version: compiles its conditions and arranges its calendar.
    pub fn new(applied: Arc<AppliedProgram>) -> Self {
        let program = &applied.program;
        let compile = |text: &String| Condition::compile(text).map_err(|why| why.to_string());
        let zone = program.time_zone();
        // The end is the first instant of the day after `to`; where the calendar itself ends there is no late.
        let closed_after = |campaign: &Campaign| {
            let last = campaign.to.checked_add_days(Days::new(1 + LATE_DAYS))?;
            Some(clock::start_of_day(last, zone))
        };
        Self {
            calendar: Calendar::new(&program.holidays),
            conditions: program.campaigns.iter().map(|campaign| campaign.condition.as_ref().map(compile)).collect(),
            closed_after: program.campaigns.iter().map(closed_after).collect(),
            days: RwLock::default(),
            applied,
        }
    }

    /// Campaigns whose condition can't be read, with the reason: they never apply.
    pub fn unreadable(&self) -> impl Iterator<Item = (&Token, &str)> {
        let campaigns = self.applied.program.campaigns.iter().zip(&self.conditions);
        campaigns.filter_map(|(campaign, condition)| Some((&campaign.code, condition.as_ref()?.as_ref().err()?.as_str())))
    }

    /// The program's working days and festivals.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The campaign at a place.
    pub fn campaign(&self, place: usize) -> Option<&Campaign> {
        self.applied.program.campaigns.get(place)
    }

    /// The condition of the campaign at a place.
    pub fn condition(&self, place: usize) -> Option<&Result<Condition, String>> {
        self.conditions.get(place)?.as_ref()
    }

    /// Whether a document that arrived then may still take part.
    pub fn is_in_time(&self, place: usize, received_at: DateTime<Utc>) -> bool {
        self.closed_after.get(place).copied().flatten().is_none_or(|last| received_at <= last)
    }

    /// What the tier of a member multiplies with, if it does.
    pub fn tier_factor(&self, tier: Option<&Token>) -> Option<Rate> {
        self.applied.program.earn.tier_factors.get(self.tier_or_lowest(tier)?).copied()
    }

    /// A member without a change of tier has the lowest.
    pub fn tier_or_lowest<'a>(&'a self, tier: Option<&'a Token>) -> Option<&'a Token> {
        tier.or_else(|| self.applied.program.tiers.first().map(|lowest| &lowest.code))
    }

    /// The campaigns of a day.
    pub fn day(&self, day: NaiveDate) -> Arc<OpenLists> {
        let known = self.days.read().unwrap_or_else(PoisonError::into_inner).get(&day).cloned();
        known.unwrap_or_else(|| {
            let lists = Arc::new(self.list(day));
            let mut days = self.days.write().unwrap_or_else(PoisonError::into_inner);
            if days.len() < DAYS_KEPT {
                days.insert(day, Arc::clone(&lists));
            }
            lists
        })
    }

    fn list(&self, day: NaiveDate) -> OpenLists {
        let campaigns = &self.applied.program.campaigns;
        let at = OpenDay::new(day, &self.calendar, campaigns);
        let facts = Facts::new(Variables {
            month: day.month(),
            day: day.day(),
            weekday: day.weekday().number_from_monday(),
            ..Variables::default()
        });
        // A condition that asks for nothing else is answered once for the whole day.
        let may_hold = |place: usize| {
            let condition = self.condition(place).and_then(|condition| condition.as_ref().ok());
            condition.is_none_or(|condition| !condition.is_of_the_day() || condition.holds(&facts))
        };
        let open: Vec<usize> = (0..campaigns.len()).filter(|place| at.opens(&campaigns[*place]) && may_hold(*place)).collect();
        let stores: BTreeSet<&StoreCode> = open.iter().flat_map(|place| &campaigns[*place].stores).collect();
        let of = |store: Option<&StoreCode>| {
            let holds = |campaign: &Campaign| campaign.stores.is_empty() || store.is_some_and(|store| campaign.stores.contains(store));
            self.list_of(open.iter().copied().filter(|place| holds(&campaigns[*place])).collect())
        };
        OpenLists { named: stores.into_iter().map(|store| (store.clone(), of(Some(store)))).collect(), elsewhere: of(None) }
    }

    fn list_of(&self, open: Vec<usize>) -> OpenList {
        let campaigns = &self.applied.program.campaigns;
        let mut list = OpenList { asks_tier: !self.applied.program.earn.tier_factors.is_empty(), ..OpenList::default() };
        for place in open {
            let campaign = &campaigns[place];
            list.asks_birthday |= campaign.birthday_month;
            list.asks_vehicle |= campaign.vehicle.is_some();
            let condition = self.condition(place).and_then(|condition| condition.as_ref().ok());
            list.asks_tier |= !campaign.tiers.is_empty() || condition.is_some_and(|condition| condition.names("tier"));
            if campaign.exclusive {
                list.exclusive.push(place);
                continue;
            }
            if campaign.factor.is_some() {
                list.multipliers.push(place);
            }
            if campaign.bonus.is_some() {
                list.fixed.push(place);
            }
        }
        // Stable: the program's order, which is that of publication, decides between equals.
        list.multipliers.sort_by_key(|place| std::cmp::Reverse(campaigns[*place].factor));
        list
    }
}

impl OpenLists {
    /// The campaigns of a store.
    pub fn of(&self, store: &StoreCode) -> &OpenList {
        self.named.get(store).unwrap_or(&self.elsewhere)
    }
}
