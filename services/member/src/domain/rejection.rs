//! Why an application or a change is refused.

/// Why somebody is not registered, or something not changed. Vehicles and consents are named by their place in the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No store code, or not in the program in force.
    #[error("unknown store")]
    UnknownStore,
    /// No name.
    #[error("bad name")]
    BadName,
    /// No mobile number.
    #[error("bad phone")]
    BadPhone,
    /// In the future, or too long ago.
    #[error("bad birthday")]
    BadBirthday,
    /// Unknown channel or purpose.
    #[error("bad consent {0}")]
    BadConsent(usize),
    /// Not of the form of a WeChat identity.
    #[error("bad WeChat identity")]
    BadOpenId,
    /// More than [`super::MAX_VEHICLES`].
    #[error("too many vehicles")]
    TooManyVehicles,
    /// Neither VIN nor plate.
    #[error("vehicle {0} has neither VIN nor plate")]
    EmptyVehicle(usize),
    /// A field of a vehicle is wrong: `vin`, `plate`, `owned_since`, `series` or `new_on`.
    #[error("bad {field} of vehicle {index}")]
    BadVehicle {
        /// Its place.
        index: usize,
        /// The field.
        field: &'static str,
    },
    /// The same VIN or plate stands earlier in the same request.
    #[error("vehicle {0} stands twice")]
    RepeatedVehicle(usize),
    /// Another member has the VIN or plate.
    #[error("vehicle {0} is taken")]
    VehicleTaken(usize),
    /// Another member has the phone.
    #[error("the phone is taken")]
    PhoneTaken,
    /// A vehicle to be removed that the member has not.
    #[error("vehicle {0} is not the member's")]
    NotTheirVehicle(usize),
}
