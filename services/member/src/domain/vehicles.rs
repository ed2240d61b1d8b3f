//! The vehicles that an applicant or a member names.

use chrono::{Datelike, NaiveDate};
use jifen_contracts::endpoint::VehicleInput;
use jifen_kernel::{Plate, Vin};

use super::{FIRST_YEAR, Rejection};

/// A person has not more cars than this; a fleet is another kind of customer.
pub const MAX_VEHICLES: usize = 20;

/// Characters of a model series.
const MAX_SERIES_CHARS: usize = 64;

/// A vehicle: at least one of VIN and plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vehicle {
    /// VIN.
    pub vin: Option<Vin>,
    /// Plate.
    pub plate: Option<Plate>,
    /// First day of ownership.
    pub owned_since: NaiveDate,
    /// The model series, if anybody said it.
    pub series: Option<String>,
    /// The day on which it was handed over new, as far as is known.
    pub new_on: Option<NaiveDate>,
}

/// Reads vehicles, each once; `today` is the local day of the request.
pub fn read_vehicles(inputs: &[VehicleInput], today: NaiveDate) -> Result<Vec<Vehicle>, Rejection> {
    if inputs.len() > MAX_VEHICLES {
        return Err(Rejection::TooManyVehicles);
    }
    let mut vehicles: Vec<Vehicle> = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let bad = |field| Rejection::BadVehicle { index, field };
        let vin = input.vin.as_deref().map(Vin::try_new).transpose().map_err(|_| bad("vin"))?;
        let plate = input.plate.as_deref().map(Plate::try_new).transpose().map_err(|_| bad("plate"))?;
        if vin.is_none() && plate.is_none() {
            return Err(Rejection::EmptyVehicle(index));
        }
        let owned_since = input.owned_since.unwrap_or(today);
        if owned_since > today || owned_since.year() < FIRST_YEAR {
            return Err(bad("owned_since"));
        }
        let series = input.series.clone();
        if series.as_deref().is_some_and(|series| !is_series(series)) {
            return Err(bad("series"));
        }
        if input.new_on.is_some_and(|day| day > today || day.year() < FIRST_YEAR) {
            return Err(bad("new_on"));
        }
        let same = |other: &Vehicle| (vin.is_some() && other.vin == vin) || (plate.is_some() && other.plate == plate);
        if vehicles.iter().any(same) {
            return Err(Rejection::RepeatedVehicle(index));
        }
        vehicles.push(Vehicle { vin, plate, owned_since, series, new_on: input.new_on });
    }
    Ok(vehicles)
}

/// As in documents of sales, so that both name a series alike.
fn is_series(text: &str) -> bool {
    (1..=MAX_SERIES_CHARS).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(char::is_control)
}
