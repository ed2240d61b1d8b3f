//! A car that was handed over.

use chrono::{DateTime, FixedOffset};
use jifen_kernel::{Money, StoreCode, Vin};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    customer::Buyer,
    reader::{Fault, Reader},
    schema,
};

/// `pos.v1.<store>.vehicle_sale`. Its serialised form is the canonical content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VehicleSale {
    /// The selling store.
    pub store: StoreCode,
    /// Its number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub sale_no: String,
    /// When the car was handed over, with its offset.
    #[schemars(schema_with = "schema::instant")]
    pub delivered_at: DateTime<FixedOffset>,
    /// Who bought it.
    pub customer: Buyer,
    /// The car.
    pub vin: Vin,
    /// The model series.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_short")]
    pub series: Option<String>,
    /// What it cost.
    pub price: Money,
}

impl StoreDocument for VehicleSale {
    const KIND: &'static str = "vehicle_sale";
    const NUMBER: &'static str = "sale_no";

    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        Ok(Self {
            store: root.store()?,
            sale_no: root.required("sale_no", root.short("sale_no")?)?,
            delivered_at: root.required("delivered_at", root.instant("delivered_at")?)?,
            customer: Buyer::read(&root)?,
            vin: root.required("vin", root.parsed("vin", Vin::try_new)?)?,
            series: root.short("series")?,
            price: root.required("price", root.money("price")?)?,
        })
    }
}
