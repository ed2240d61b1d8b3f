//! Members whole: read under lock with their values open, and saved with what others hear of the change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jifen_contracts::KeyedHash;
use jifen_kernel::{MemberId, PersonName, Phone, Plate, Vin};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Rules;
use crate::{
    domain::{OpenId, Profile, Standing, Vehicle},
    keys, outbound,
    store::{
        codes, identities,
        profiles::{self, StoredVehicle},
        standings,
    },
    vault::{DataKey, Vault, VaultError, field},
};

/// A locked member with the key of the values.
pub struct Loaded {
    /// The member.
    pub profile: Profile,
    /// What the values are sealed with.
    pub key: DataKey,
}

/// Locks members, in the order of their ids, and opens their values. Those who don't exist are missing.
pub async fn load(cx: &Ctx, tx: &mut PgConnection, members: &BTreeSet<MemberId>) -> Result<BTreeMap<MemberId, Loaded>, Failure> {
    if members.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    let locked = standings::load_standings(tx, &ids).await?;
    let vault = Vault::of(cx)?;
    let keys = profiles::load_data_keys(tx, &ids).await?;
    let mut values = profiles::load_personal(tx, &ids).await?;
    let mut vehicles = profiles::load_vehicles(tx, &ids).await?;
    let mut loaded = BTreeMap::new();
    for (member, standing) in locked {
        let missing = || VaultError::CannotOpen { member, field: "data_key".to_owned() };
        let key = vault.data_key(member, keys.get(&member).ok_or_else(missing)?)?;
        let sealed = values.remove(&member).unwrap_or_default();
        let profile = open(&key, standing, &sealed, &vehicles.remove(&member).unwrap_or_default())?;
        loaded.insert(member, Loaded { profile, key });
    }
    Ok(loaded)
}

fn open(key: &DataKey, standing: Standing, sealed: &[(String, Vec<u8>)], vehicles: &[StoredVehicle]) -> Result<Profile, VaultError> {
    let cannot = |field: &str| VaultError::CannotOpen { member: standing.member_id, field: field.to_owned() };
    let mut values: HashMap<&str, String> = HashMap::new();
    for (field, sealed) in sealed {
        values.insert(field, key.open(field, sealed)?);
    }
    let value = |field: &str| values.get(field).map(String::as_str);
    let needed = |field: &str| value(field).ok_or_else(|| cannot(field));
    let vehicle = |stored: &StoredVehicle| -> Result<(i16, Vehicle), VaultError> {
        let StoredVehicle { number, owned_since, series, new_on } = stored.clone();
        let (vin, plate) = (field::vin(number), field::plate(number));
        let read_vin = value(&vin).map(|text| Vin::try_new(text).map_err(|_| cannot(&vin))).transpose()?;
        let read_plate = value(&plate).map(|text| Plate::try_new(text).map_err(|_| cannot(&plate))).transpose()?;
        Ok((number, Vehicle { vin: read_vin, plate: read_plate, owned_since, series, new_on }))
    };
    Ok(Profile {
        name: PersonName::try_new(needed(field::NAME)?).map_err(|_| cannot(field::NAME))?,
        phone: Phone::try_new(needed(field::PHONE)?).map_err(|_| cannot(field::PHONE))?,
        birthday: value(field::BIRTHDAY).map(|text| text.parse().map_err(|_| cannot(field::BIRTHDAY))).transpose()?,
        wechat_openid: value(field::WECHAT_OPENID)
            .map(|text| OpenId::try_new(text).map_err(|_| cannot(field::WECHAT_OPENID)))
            .transpose()?,
        vehicles: vehicles.iter().map(vehicle).collect::<Result<_, _>>()?,
        standing,
    })
}

/// A change of a member: before, after, and what caused it.
pub struct Edit<'a> {
    /// As it was, with the key of its values.
    pub before: &'a Loaded,
    /// As it shall be; its sequence counts on when it is saved.
    pub after: Profile,
    /// What caused it.
    pub cause: &'a Cause,
}

/// Saves changes, each member once, and tells what others may know of them. Keys that are new to all of them are claimed already;
/// those that nobody keeps are given back. Leaves out what changed nothing.
pub async fn save(cx: &Ctx, tx: &mut PgConnection, rules: &Rules, edits: &mut Vec<Edit<'_>>, out: &mut Outbox) -> Result<(), Failure> {
    edits.retain(|edit| edit.after != edit.before.profile);
    if edits.is_empty() {
        return Ok(());
    }
    for edit in edits.iter_mut() {
        edit.after.standing.sequence += 1;
    }
    standings::save_standings(tx, &edits.iter().map(|edit| &edit.after.standing).collect::<Vec<_>>()).await?;
    save_keys(cx, tx, edits).await?;
    save_values(cx, tx, edits).await?;
    save_vehicles(tx, edits).await?;
    // Whoever has the old phone must not activate with its code.
    let moved = edits.iter().filter(|edit| edit.after.phone != edit.before.profile.phone);
    let moved: Vec<Uuid> = moved.map(|edit| edit.after.standing.member_id.0).collect();
    if !moved.is_empty() {
        codes::void_codes(tx, &moved).await?;
    }
    for edit in edits {
        let keys = keys::of_profile(&cx.lookup, &edit.after);
        out.event(edit.cause, Some(edit.after.standing.sequence), &outbound::updated(&edit.after, &keys, rules.now));
    }
    Ok(())
}

/// Keys that went from one of these members to another, and those that none of them keeps.
async fn save_keys(cx: &Ctx, tx: &mut PgConnection, edits: &[Edit<'_>]) -> Result<(), Failure> {
    let keys_of = |profile: &Profile| {
        let member = profile.standing.member_id.0;
        keys::of_profile(&cx.lookup, profile).iter().map(|(_, key)| (key.clone(), member)).collect::<Vec<_>>()
    };
    let before: BTreeMap<KeyedHash, Uuid> = edits.iter().flat_map(|edit| keys_of(&edit.before.profile)).collect();
    let after: BTreeMap<KeyedHash, Uuid> = edits.iter().flat_map(|edit| keys_of(&edit.after)).collect();
    let released: Vec<String> = before.keys().filter(|key| !after.contains_key(*key)).map(|key| key.0.clone()).collect();
    if !released.is_empty() {
        identities::release_identities(tx, &released).await?;
    }
    let moved = before.iter().filter_map(|(key, from)| after.get(key).filter(|to| *to != from).map(|to| (key.0.clone(), *to)));
    let moved: Vec<(String, Uuid)> = moved.collect();
    if !moved.is_empty() {
        identities::reassign_identities(tx, &moved).await?;
    }
    Ok(())
}

/// Everything of a member that rests sealed.
fn values_of(profile: &Profile) -> BTreeMap<String, String> {
    let mut values = BTreeMap::from([
        (field::PHONE.to_owned(), profile.phone.expose().to_owned()),
        (field::NAME.to_owned(), profile.name.expose().to_owned()),
    ]);
    values.extend(profile.birthday.map(|day| (field::BIRTHDAY.to_owned(), day.to_string())));
    values.extend(profile.wechat_openid.as_ref().map(|openid| (field::WECHAT_OPENID.to_owned(), openid.expose().to_owned())));
    for (number, vehicle) in &profile.vehicles {
        values.extend(vehicle.vin.as_ref().map(|vin| (field::vin(*number), vin.expose().to_owned())));
        values.extend(vehicle.plate.as_ref().map(|plate| (field::plate(*number), plate.expose().to_owned())));
    }
    values
}

async fn save_values(cx: &Ctx, tx: &mut PgConnection, edits: &[Edit<'_>]) -> Result<(), Failure> {
    let (mut saved, mut removed) = (Vec::new(), Vec::new());
    for edit in edits {
        let member = edit.after.standing.member_id;
        let (before, after) = (values_of(&edit.before.profile), values_of(&edit.after));
        removed.extend(before.keys().filter(|field| !after.contains_key(*field)).map(|field| (member, field.clone())));
        for (field, value) in after {
            if before.get(&field) != Some(&value) {
                let sealed = edit.before.key.seal(&cx.ids, &field, &value);
                saved.push((member, field, sealed));
            }
        }
    }
    if !removed.is_empty() {
        profiles::remove_personal(tx, &removed).await?;
    }
    if !saved.is_empty() {
        profiles::save_personal(tx, &saved).await?;
    }
    Ok(())
}

async fn save_vehicles(tx: &mut PgConnection, edits: &[Edit<'_>]) -> Result<(), Failure> {
    let (mut saved, mut removed) = (Vec::new(), Vec::new());
    for edit in edits {
        let member = edit.after.standing.member_id;
        let (before, after) = (&edit.before.profile.vehicles, &edit.after.vehicles);
        removed.extend(before.keys().filter(|number| !after.contains_key(number)).map(|number| (member, *number)));
        let stored = |(number, vehicle): (&i16, &Vehicle)| StoredVehicle {
            number: *number,
            owned_since: vehicle.owned_since,
            series: vehicle.series.clone(),
            new_on: vehicle.new_on,
        };
        let had: Vec<StoredVehicle> = before.iter().map(stored).collect();
        saved.extend(after.iter().map(stored).filter(|vehicle| !had.contains(vehicle)).map(|vehicle| (member, vehicle)));
    }
    if !removed.is_empty() {
        profiles::remove_vehicles(tx, &removed).await?;
    }
    if !saved.is_empty() {
        profiles::save_vehicles(tx, &saved).await?;
    }
    Ok(())
}
