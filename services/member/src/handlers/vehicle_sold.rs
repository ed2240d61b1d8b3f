//! `ingest.vehicle_sold`: a car was handed over to a member, whose it is now.
//!
//! A sale is claimed by store and number, so it counts once. Of several sales of one car the latest decides; whoever claims a
//! sale holds the VIN's key or its owner's row, so two sales of one car wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use jifen_contracts::{KeyedHash, event::VehicleSold};
use jifen_kernel::{MemberId, Vin, clock};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison, message::Cause};
use sqlx::PgConnection;

use super::{
    Rules,
    registration::{claims_of, give_keys, load_known},
    whole::{self, Edit},
};
use crate::{
    domain::{IdentityKind, Profile, Sale, SoldCar, decide_owner},
    keys,
    store::documents,
};

/// Gives sold cars to their buyers.
#[derive(Debug)]
pub struct VehicleSales;

type Batch = [Incoming<Event<VehicleSold>>];

/// A sale that can be read.
struct Sold<'a> {
    sale: Sale,
    vin: Vin,
    key: KeyedHash,
    owned_since: NaiveDate,
    series: Option<&'a str>,
    cause: &'a Cause,
}

impl BatchHandler for VehicleSales {
    type Item = Event<VehicleSold>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else {
            let retry = (0..batch.len()).map(|place| (place, "the program is not known yet".to_owned())).collect();
            return Ok(Fates { retry, ..Fates::default() });
        };
        let mut fates = Fates::done();
        let mut sales: Vec<Sold<'_>> = Vec::with_capacity(batch.len());
        for (place, incoming) in batch.iter().enumerate() {
            match read(cx, incoming) {
                Ok(sold) => sales.push(sold),
                Err(poison) => fates.poison.push((place, poison)),
            }
        }
        sales.sort_by(|a, b| (&a.sale.store, &a.sale.sale_no).cmp(&(&b.sale.store, &b.sale.sale_no)));
        sales.dedup_by(|later, first| (&later.sale.store, &later.sale.sale_no) == (&first.sale.store, &first.sale.sale_no));
        if !sales.is_empty() {
            give(cx, tx, &rules, &sales, out).await?;
        }
        Ok(fates)
    }
}

fn read<'a>(cx: &Ctx, incoming: &'a Incoming<Event<VehicleSold>>) -> Result<Sold<'a>, Poison> {
    let VehicleSold { store, sale_no, member_id, delivered_at, business_date, vehicle, vin_sealed, series, .. } = &incoming.item.data;
    let place = VehicleSold::place_of(store, sale_no);
    let opened = cx.seal_to("member").open_text(vin_sealed, &place).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let opened = opened.and_then(|text| Vin::try_new(&text).ok());
    let vin = opened.ok_or_else(|| Poison::undecodable("the sealed VIN of a sale can't be opened, or is none"))?;
    let key = keys::of_vin(&cx.lookup, &vin);
    if key != *vehicle {
        return Err(Poison::invariant("the sealed VIN of a sale is not the hashed one"));
    }
    let sale = Sale { delivered_at: *delivered_at, store: store.clone(), sale_no: sale_no.clone(), member_id: *member_id };
    Ok(Sold { sale, vin, key, owned_since: *business_date, series: series.as_deref(), cause: &incoming.cause })
}

/// A sale that comes behind a later one moves nothing, but may say what the car is: gives back whose it is, if that is new.
fn describe(owner: &mut Profile, sold: &Sold<'_>, car: &SoldCar) -> Option<MemberId> {
    let had = owner.vehicles.values_mut().find(|had| had.vin.as_ref() == Some(&sold.vin))?;
    car.describe(had).then_some(owner.standing.member_id)
}

async fn give(cx: &Ctx, tx: &mut PgConnection, rules: &Rules, sales: &[Sold<'_>], out: &mut Outbox) -> Result<(), Failure> {
    let new = documents::claim_sales(tx, &sales.iter().map(|sold| (&sold.sale, &sold.key, sold.series)).collect::<Vec<_>>()).await?;
    if new.is_empty() {
        return Ok(());
    }
    // A key that nobody has is the buyer's from here on: whoever sells the same car waits.
    let fresh = sales.iter().filter(|sold| new.contains(&sold.key));
    let claims = claims_of(fresh.map(|sold| ((IdentityKind::Vin, &sold.key), sold.sale.member_id)));
    let (mut known, free) = load_known(tx, &claims).await?;
    let buyers = sales.iter().filter(|sold| new.contains(&sold.key)).map(|sold| sold.sale.member_id);
    let owners = claims.keys().filter_map(|key| known.owner(key)).map(|owner| owner.member_id);
    let loaded = whole::load(cx, tx, &buyers.chain(owners).collect::<BTreeSet<_>>()).await?;
    // Read under these locks: a sale that another copy has just claimed is seen.
    let all = documents::load_sales(tx, &new.iter().map(|key| key.0.clone()).collect::<Vec<_>>()).await?;
    let mut profiles: BTreeMap<MemberId, Profile> = loaded.iter().map(|(member, loaded)| (*member, loaded.profile.clone())).collect();
    let mut causes: HashMap<MemberId, &Cause> = HashMap::new();
    for sold in sales.iter().filter(|sold| new.contains(&sold.key)) {
        let Some(all) = all.get(&sold.key) else { continue };
        let new_on = clock::local_date(all.first_at, rules.program().time_zone());
        let car = SoldCar { owned_since: sold.owned_since, series: all.series.clone(), new_on };
        if all.latest != sold.sale {
            let owner = known.owner(&sold.key).and_then(|owner| profiles.get_mut(&owner.member_id));
            if let Some(owner) = owner.and_then(|owner| describe(owner, sold, &car)) {
                causes.entry(owner).or_insert(sold.cause);
            }
            continue;
        }
        let before = known.owner(&sold.key).map(|owner| owner.member_id).filter(|owner| *owner != sold.sale.member_id);
        let mut previous = before.and_then(|before| profiles.remove(&before));
        let had = previous.as_ref().is_none_or(|previous| previous.vehicles.values().any(|car| car.vin.as_ref() == Some(&sold.vin)));
        if !had {
            return Err(Failure::transient("a vehicle changed its owner between two statements"));
        }
        let buyer = profiles.get_mut(&sold.sale.member_id).ok_or_else(|| Failure::transient("the buyer of a car is not known yet"))?;
        let changed = decide_owner(buyer, previous.as_mut(), &sold.vin, &car);
        if changed.is_none() {
            return Err(Failure::defect("the buyer of a car has no room for another one"));
        }
        known.give([&sold.key], &buyer.standing.owner());
        causes.insert(sold.sale.member_id, sold.cause);
        if let Some(previous) = previous {
            let (from, to) = (previous.standing.member_id, sold.sale.member_id);
            tracing::warn!(service = cx.service, store = %sold.sale.store, %from, %to, "a sold car was another member's and is the buyer's now");
            causes.insert(from, sold.cause);
            profiles.insert(from, previous);
        }
    }
    give_keys(tx, &claims, &free, &known).await?;
    let mut edits = Vec::with_capacity(causes.len());
    for (member, cause) in causes {
        if let (Some(before), Some(after)) = (loaded.get(&member), profiles.remove(&member)) {
            edits.push(Edit { before, after, cause });
        }
    }
    edits.sort_by_key(|edit| edit.after.standing.member_id);
    whole::save(cx, tx, rules, &mut edits, out).await
}
