//! Who a document is for.

use jifen_kernel::{Phone, Plate, Vin};
use serde::{Deserialize, Serialize};

use super::{
    reader::{Fault, Reader},
    schema,
};
use crate::code;

/// Who a document is for: at least one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(transform = schema::customer)]
pub struct Customer {
    /// The number on the card.
    #[serde(default)]
    #[schemars(schema_with = "schema::member_no")]
    pub member_no: Option<String>,
    /// Mobile number.
    #[serde(default)]
    #[schemars(schema_with = "schema::key::<Phone>")]
    pub phone: Option<Phone>,
    /// Vehicle identification number.
    #[serde(default)]
    #[schemars(schema_with = "schema::key::<Vin>")]
    pub vin: Option<Vin>,
    /// Number plate.
    #[serde(default)]
    #[schemars(schema_with = "schema::key::<Plate>")]
    pub plate: Option<Plate>,
}

impl Customer {
    pub(super) fn read(root: &Reader<'_>) -> Result<Self, Fault> {
        let nobody = || Fault::at(code::DOCUMENT_NO_CUSTOMER, "/customer");
        let reader = root.object("customer")?.ok_or_else(nobody)?;
        let customer = Self {
            member_no: reader.filled_short("member_no")?,
            phone: reader.filled("phone", Phone::try_new)?,
            vin: reader.filled("vin", Vin::try_new)?,
            plate: reader.filled("plate", Plate::try_new)?,
        };
        if customer == Self::default() { Err(nobody()) } else { Ok(customer) }
    }
}

/// Who buys a car: at least one key. The car itself is new to its owner and says nothing of who that is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(transform = schema::buyer)]
pub struct Buyer {
    /// The number on the card.
    #[serde(default)]
    #[schemars(schema_with = "schema::member_no")]
    pub member_no: Option<String>,
    /// Mobile number.
    #[serde(default)]
    #[schemars(schema_with = "schema::key::<Phone>")]
    pub phone: Option<Phone>,
}

impl Buyer {
    pub(super) fn read(root: &Reader<'_>) -> Result<Self, Fault> {
        let nobody = || Fault::at(code::DOCUMENT_NO_BUYER, "/customer");
        let reader = root.object("customer")?.ok_or_else(nobody)?;
        let buyer = Self { member_no: reader.filled_short("member_no")?, phone: reader.filled("phone", Phone::try_new)? };
        if buyer == Self::default() { Err(nobody()) } else { Ok(buyer) }
    }
}
