//! A few rounds on the same servers, each with stores, customers and campaigns of its own.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use anyhow::Result;
use chrono::{Days, NaiveDate};

use crate::{
    fleet::Fleet,
    model::Expected,
    plan::{
        Plan,
        days::{REMINDERS, SPAN, WAITING},
        faults::Layout,
        others::{fuel, wash},
    },
    round::{Ears, Verdict, play},
    site::Site,
};

/// Days before the first bill from which the program is in force.
const PROGRAM_DAYS: u64 = 40;

const EARN: &str = include_str!("../../../deploy/programs/points/earn.toml");
const EXPIRY: &str = include_str!("../../../deploy/programs/points/expiry.toml");
const TIERS: &str = include_str!("../../../deploy/programs/points/tiers.toml");
const MESSAGES: &str = include_str!("../../../deploy/programs/points/messages.toml");
const PROGRAM: &str = include_str!("../../../deploy/programs/points/program.toml");

/// Plays the rounds of these seeds, in this order; `tell` hears of each. True if nothing was wrong.
pub async fn play_season(seeds: &[u64], today: NaiveDate, mut tell: impl FnMut(&Plan, &Result<Verdict>)) -> Result<bool> {
    // Each begins behind the days of the one before.
    let day = |place: usize| today + Days::new(SPAN * place as u64);
    let plans: Vec<Arc<Plan>> = seeds.iter().enumerate().map(|(place, seed)| Arc::new(Plan::new(*seed, place, day(place)))).collect();
    let stores: Vec<String> = plans.iter().flat_map(|plan| plan.stores.clone()).collect();
    let mut site = Site::start(&stores).await?;
    let first = begin(&site, &plans, today).await?;
    first.end();
    let ears = Ears::start(&site).await?;
    let mut well = true;
    for plan in &plans {
        site.be_ahead(SPAN * plan.place as u64)?;
        let verdict = play(&mut site, &ears, plan).await;
        let round_well = verdict.as_ref().is_ok_and(|verdict| verdict.wrong.is_empty());
        tell(plan, &verdict);
        well &= round_well;
        if !round_well {
            site.keep();
        }
        if verdict.is_err() {
            // What did not come to rest would disturb the next round.
            break;
        }
    }
    Ok(well)
}

/// One process of everything, with the program of these rounds in force.
pub(crate) async fn begin(site: &Site, plans: &[Arc<Plan>], today: NaiveDate) -> Result<Fleet> {
    let layout = Layout { name: "first", copies: vec![Vec::new()], batch_messages: 500, atomic: false };
    let mut fleet = Fleet::start(site, &layout, &[])?;
    fleet.wait_until_ready(site).await?;
    site.apply_program(&program(plans), &(today - Days::new(PROGRAM_DAYS)).to_string())?;
    Ok(fleet)
}

/// The preset with the stores and campaigns of all rounds.
fn program(plans: &[Arc<Plan>]) -> BTreeMap<&'static str, String> {
    let (mut stores, mut campaigns, mut earn) = (String::new(), String::new(), EARN.to_owned());
    for plan in plans {
        let expected = Expected::of(plan);
        for store in &plan.stores {
            let _ = writeln!(stores, "[[store]]\ncode = \"{store}\"\nname = {{ zh = \"门店{store}\", en = \"Store {store}\" }}\n");
        }
        for (code, budget) in [(wash(plan.place), String::new()), (fuel(plan.place), format!("budget = {}\n", expected.fuel))] {
            let _ =
                writeln!(earn, "\n[[partner]]\ncode = \"{code}\"\nname = {{ zh = \"伙伴\", en = \"Partner\" }}\nrate = \"0.5\"\n{budget}");
        }
        for offer in &plan.offers {
            let factor = if offer.factor_basis_points == 20_000 { "2" } else { "1.5" };
            let budget = expected.budgets.get(&offer.code).map(|budget| format!("budget = {budget}\n")).unwrap_or_default();
            let _ = writeln!(
                campaigns,
                "[[campaign]]\ncode = \"{}\"\nname = {{ zh = \"活动\", en = \"Campaign\" }}\nfactor = \"{factor}\"\nfrom = {}\nto = {}\n\
                 stores = {:?}\n{budget}",
                offer.code, offer.from, offer.to, plan.stores
            );
        }
    }
    let (category, days) = WAITING;
    let _ = writeln!(earn, "\n[pending]\n{category} = {days}");
    let expiry = EXPIRY.replace("[60, 30, 7]", &format!("{REMINDERS:?}"));
    [
        ("earn.toml", earn.as_str()),
        ("expiry.toml", expiry.as_str()),
        ("tiers.toml", TIERS),
        ("messages.toml", MESSAGES),
        ("program.toml", PROGRAM),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into_iter()
    .chain([("stores.toml", stores), ("campaigns.toml", campaigns)])
    .collect()
}
