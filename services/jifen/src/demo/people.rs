//! The sample group's customers.

use chrono::{Days, NaiveDate};
use jifen_contracts::endpoint::{RegisterRequest, VehicleInput};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// The sample group's stores.
pub const STORES: [&str; 3] = ["SH01", "SH02", "SH03"];
const SURNAMES: [&str; 20] =
    ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "周", "吴", "徐", "孙", "马", "朱", "胡", "郭", "何", "高", "林", "欧阳"];
const GIVEN: [&str; 20] = [
    "伟", "芳", "娜", "敏", "静", "磊", "洋", "艳", "勇", "杰", "晓明", "丽华", "建国", "志强", "雨桐", "子轩", "思远", "佳怡", "文博",
    "海燕",
];
const PREFIXES: [&str; 8] = ["135", "136", "138", "139", "150", "158", "186", "188"];
const VIN_LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ0123456789";

/// A customer with a car.
#[derive(Debug, Clone)]
pub struct Person {
    /// How the store registers them.
    pub request: RegisterRequest,
    /// Their number, as the DMS writes it.
    pub phone: String,
    /// Their car.
    pub vin: String,
    /// Its plate.
    pub plate: String,
    /// Where they go mostly.
    pub store: &'static str,
    /// How much they spend at a visit, in yuan.
    pub spends: u32,
}

/// Customer number `number` of the group.
pub fn person(rng: &mut StdRng, number: usize, seed: u64, today: NaiveDate) -> Person {
    let pick = |rng: &mut StdRng, list: &[&'static str]| list.choose(rng).copied().unwrap_or_default();
    let store = pick(rng, &STORES);
    // The number keeps phones, VINs and plates apart.
    let unique = seed % 1_000 * 10_000 + number as u64;
    let phone = format!("{}{unique:08}", pick(rng, &PREFIXES));
    let vin: String = std::iter::repeat_with(|| char::from(*VIN_LETTERS.choose(rng).unwrap_or(&b'A'))).take(8).collect();
    let vin = format!("LS{}{unique:07}", &vin[..8]);
    let plate = format!("沪A{}{:04}", char::from(VIN_LETTERS[(unique / 10_000) as usize % 23]), unique % 10_000);
    let name = format!("{}{}", pick(rng, &SURNAMES), pick(rng, &GIVEN));
    let birthday = today - Days::new(rng.random_range(20 * 365..60 * 365));
    let owned_since = today - Days::new(rng.random_range(60..2_000));
    let mut consents = vec!["sms:service".to_owned()];
    if rng.random_bool(0.6) {
        consents.push("sms:promotion".to_owned());
    }
    let request = RegisterRequest {
        operation_id: format!("demo-{seed}-{number}"),
        store: store.to_owned(),
        name,
        phone: phone.clone(),
        birthday: Some(birthday),
        consents: Some(consents),
        vehicles: vec![VehicleInput {
            vin: Some(vin.clone()),
            plate: Some(plate.clone()),
            owned_since: Some(owned_since),
            series: None,
            new_on: None,
        }],
        store_confirmed: true,
        wechat_openid: None,
        language: None,
    };
    let spends = match rng.random_range(0..20) {
        0 => 4_000,
        1..=4 => 1_200,
        _ => 450,
    };
    Person { request, phone, vin, plate, store, spends }
}
