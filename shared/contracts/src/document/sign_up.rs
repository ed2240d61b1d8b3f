//! A customer who wants to be a member.

use chrono::{DateTime, FixedOffset, NaiveDate};
use jifen_kernel::{PersonName, Phone, Plate, StoreCode, Vin};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    reader::{Fault, Reader},
    schema,
};

/// `pos.v1.<store>.sign_up`, read by `member` alone. Its serialised form is the canonical content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SignUp {
    /// The store that signs up.
    pub store: StoreCode,
    /// Its number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub sign_up_no: String,
    /// When, with its offset.
    #[schemars(schema_with = "schema::instant")]
    pub at: DateTime<FixedOffset>,
    /// The customer's name.
    #[schemars(schema_with = "schema::name")]
    pub name: PersonName,
    /// The customer's mobile number.
    pub phone: Phone,
    /// Day of birth.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_day")]
    pub birthday: Option<NaiveDate>,
    /// The customer's car.
    #[serde(default)]
    #[schemars(schema_with = "schema::key::<Vin>")]
    pub vin: Option<Vin>,
    /// Its number plate.
    #[serde(default)]
    #[schemars(schema_with = "schema::key::<Plate>")]
    pub plate: Option<Plate>,
    /// Its model series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::filled_short")]
    pub series: Option<String>,
    /// `<channel>:<purpose>` (`sms:service`, `sms:promotion`). Not given: `sms:service` only.
    #[serde(default)]
    #[schemars(schema_with = "schema::consents")]
    pub consents: Option<Vec<String>>,
    /// The code of the member who brings the customer.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_short")]
    pub referral_code: Option<String>,
    /// The store saw the customer and the phone: no activation is needed. Not given: it did not.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_flag")]
    pub store_confirmed: bool,
}

impl StoreDocument for SignUp {
    const KIND: &'static str = "sign_up";
    const NUMBER: &'static str = "sign_up_no";

    /// Consents are only checked for their form: which ones exist is the member service's.
    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        Ok(Self {
            store: root.store()?,
            sign_up_no: root.required("sign_up_no", root.short("sign_up_no")?)?,
            at: root.required("at", root.instant("at")?)?,
            name: root.required("name", root.name("name")?)?,
            phone: root.required("phone", root.parsed("phone", Phone::try_new)?)?,
            birthday: root.day("birthday")?,
            vin: root.filled("vin", Vin::try_new)?,
            plate: root.filled("plate", Plate::try_new)?,
            series: root.filled_short("series")?,
            consents: root.consents("consents")?,
            referral_code: root.short("referral_code")?,
            store_confirmed: root.flag("store_confirmed")?.unwrap_or(false),
        })
    }
}
