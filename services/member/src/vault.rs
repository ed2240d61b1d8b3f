//! The vault: every personal value is sealed with its member's own data key, and that key with the installation's vault
//! key. Both are bound to the member and the field, so that a sealed value opens only where it was put.
//!
//! Destroying one data key destroys one member's values, wherever copies of them lie.

use std::sync::Arc;

use jifen_kernel::{Ids, MemberId};
use jifen_runtime::{Ctx, Failure, context::StartError, crypto::SealKey};

use crate::domain::Applicant;

/// Why a value can't be had from the vault. Names the place, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The service runs without the vault's key.
    #[error("the vault key is missing")]
    NoKey,
    /// Sealed by another key, moved, or altered.
    #[error("personal.{field} of member {member} can't be opened: another vault key sealed it, or it was altered")]
    CannotOpen {
        /// Whose.
        member: MemberId,
        /// Which.
        field: String,
    },
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NoKey => Self::transient(error),
            VaultError::CannotOpen { .. } => Self::defect(error),
        }
    }
}

/// Refuses to start without the vault's key.
pub async fn require(cx: Arc<Ctx>) -> Result<(), StartError> {
    Vault::of(&cx).map(|_| ()).map_err(|why| StartError::Setup { service: cx.service, what: "the vault".to_owned(), why: why.to_string() })
}

/// The names of sealed values, as in `personal.field`.
pub mod field {
    /// The mobile number, 11 digits.
    pub const PHONE: &str = "phone";
    /// The name.
    pub const NAME: &str = "name";
    /// The day of birth, `1990-05-01`.
    pub const BIRTHDAY: &str = "birthday";

    /// The identity at WeChat.
    pub const WECHAT_OPENID: &str = "wechat_openid";

    /// The VIN of a vehicle.
    pub fn vin(vehicle_no: i16) -> String {
        format!("vin/{vehicle_no}")
    }

    /// The plate of a vehicle.
    pub fn plate(vehicle_no: i16) -> String {
        format!("plate/{vehicle_no}")
    }
}

/// The installation's vault key at work.
pub struct Vault<'a> {
    master: &'a SealKey,
    ids: &'a Ids,
}

/// Everything of a new member that rests sealed.
pub struct SealedMember {
    /// The data key, sealed with the vault key.
    pub data_key: Vec<u8>,
    /// Field and sealed value.
    pub personal: Vec<(String, Vec<u8>)>,
}

/// One member's key, out of its seal.
pub struct DataKey {
    key: SealKey,
    member: MemberId,
}

const DATA_KEY_FIELD: &str = "data_key";

fn place(member: MemberId, field: &str) -> Vec<u8> {
    [member.0.as_bytes().as_slice(), field.as_bytes()].concat()
}

impl<'a> Vault<'a> {
    /// The vault of the service.
    pub fn of(cx: &'a Ctx) -> Result<Self, VaultError> {
        Ok(Self { master: cx.vault.as_ref().ok_or(VaultError::NoKey)?, ids: &cx.ids })
    }

    /// Seals all personal values of a new member under a new data key.
    pub fn seal(&self, member: MemberId, applicant: &Applicant) -> SealedMember {
        let mut bytes = [0; 32];
        self.ids.fill(&mut bytes);
        let key = SealKey::new(bytes);
        let data_key = self.master.seal(self.ids, &bytes, &place(member, DATA_KEY_FIELD));
        let mut values = vec![
            (field::PHONE.to_owned(), applicant.phone.expose().to_owned()),
            (field::NAME.to_owned(), applicant.name.expose().to_owned()),
        ];
        values.extend(applicant.birthday.map(|day| (field::BIRTHDAY.to_owned(), day.to_string())));
        values.extend(applicant.wechat_openid.as_ref().map(|openid| (field::WECHAT_OPENID.to_owned(), openid.expose().to_owned())));
        for (vehicle_no, vehicle) in (1_i16..).zip(&applicant.vehicles) {
            values.extend(vehicle.vin.as_ref().map(|vin| (field::vin(vehicle_no), vin.expose().to_owned())));
            values.extend(vehicle.plate.as_ref().map(|plate| (field::plate(vehicle_no), plate.expose().to_owned())));
        }
        let personal = values
            .into_iter()
            .map(|(field, value)| {
                let sealed = key.seal(self.ids, value.as_bytes(), &place(member, &field));
                (field, sealed)
            })
            .collect();
        SealedMember { data_key, personal }
    }

    /// A member's key, from its sealed form.
    pub fn data_key(&self, member: MemberId, sealed: &[u8]) -> Result<DataKey, VaultError> {
        let opened = self.master.open(sealed, &place(member, DATA_KEY_FIELD)).ok();
        let bytes = opened.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| VaultError::CannotOpen { member, field: DATA_KEY_FIELD.to_owned() })?;
        Ok(DataKey { key: SealKey::new(bytes), member })
    }
}

impl DataKey {
    /// Seals one value.
    pub fn seal(&self, ids: &Ids, field: &str, value: &str) -> Vec<u8> {
        self.key.seal(ids, value.as_bytes(), &place(self.member, field))
    }

    /// One value.
    pub fn open(&self, field: &str, sealed: &[u8]) -> Result<String, VaultError> {
        let opened = self.key.open(sealed, &place(self.member, field)).ok();
        let text = opened.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| VaultError::CannotOpen { member: self.member, field: field.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::endpoint::Language;
    use jifen_kernel::{PersonName, Phone, Plate, StoreCode, Vin};

    use super::*;
    use crate::domain::Vehicle;

    fn applicant() -> Applicant {
        Applicant {
            store: StoreCode::try_new("SH01").expect("store"),
            name: PersonName::try_new("王小明").expect("name"),
            phone: Phone::try_new("13800138000").expect("phone"),
            birthday: "1990-05-01".parse().ok(),
            consents: vec![],
            wechat_openid: None,
            language: Language::Zh,
            vehicles: vec![Vehicle {
                vin: Vin::try_new("LSVAU2A37N2183294").ok(),
                plate: Plate::try_new("沪A12345").ok(),
                owned_since: "2026-10-01".parse().expect("date"),
                series: None,
                new_on: None,
            }],
            deadline: None,
        }
    }

    #[test]
    fn a_value_opens_only_for_its_member_and_field() {
        let (ids, master) = (Ids::seeded(3), SealKey::new([9; 32]));
        let vault = Vault { master: &master, ids: &ids };
        let at = "2026-10-01T00:00:00Z".parse().expect("instant");
        let (one, two) = (MemberId(ids.next(at)), MemberId(ids.next(at)));
        let (sealed, other) = (vault.seal(one, &applicant()), vault.seal(two, &applicant()));

        let fields: Vec<&str> = sealed.personal.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["phone", "name", "birthday", "vin/1", "plate/1"]);
        let key = vault.data_key(one, &sealed.data_key).expect("key");
        let opened: Vec<String> = sealed.personal.iter().map(|(field, value)| key.open(field, value).expect("opens")).collect();
        assert_eq!(opened, ["13800138000", "王小明", "1990-05-01", "LSVAU2A37N2183294", "沪A12345"]);

        assert!(key.open("name", &sealed.personal[0].1).is_err(), "moved to another field");
        assert!(key.open("phone", &other.personal[0].1).is_err(), "another member's");
        assert!(vault.data_key(two, &sealed.data_key).is_err(), "a key given to another member");
        let stranger = SealKey::new([1; 32]);
        let error = Vault { master: &stranger, ids: &ids }.data_key(one, &sealed.data_key).err().expect("refused");
        assert!(!error.to_string().contains("138"), "{error}");
    }
}
