//! What a store says it did on a day: compared with what arrived of it.

use chrono::NaiveDate;
use jifen_kernel::{Money, StoreCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    reader::{Fault, Reader},
    schema,
};

/// At most so many documents a day.
const MAX_COUNT: u32 = 1_000_000;

/// Documents of one kind and day, as the store counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DayTotals {
    /// How many were issued, also those that were cancelled later.
    #[schemars(range(max = 1_000_000))]
    pub count: u32,
    /// Their sum: of bills the lines of all payers less the reductions, of refunds the lines.
    pub sum: Money,
    /// The first number of the day, if there is one.
    #[serde(default)]
    #[schemars(schema_with = "schema::filled_short")]
    pub first: Option<String>,
    /// The last one.
    #[serde(default)]
    #[schemars(schema_with = "schema::filled_short")]
    pub last: Option<String>,
}

/// `pos.v1.<store>.day_close`, one a day: the day is its number. Its serialised form is the canonical content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DayClose {
    /// The store that closes.
    pub store: StoreCode,
    /// The local day.
    #[schemars(schema_with = "schema::day")]
    pub day: NaiveDate,
    /// Settled bills issued that day.
    pub invoices: DayTotals,
    /// Refunds of that day; not compared where the store doesn't say.
    #[serde(default)]
    pub refunds: Option<DayTotals>,
}

impl StoreDocument for DayClose {
    const KIND: &'static str = "day_close";
    const NUMBER: &'static str = "day";

    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        Ok(Self {
            store: root.store()?,
            day: root.required("day", root.day("day")?)?,
            invoices: root.required("invoices", read_totals(&root, "invoices")?)?,
            refunds: read_totals(&root, "refunds")?,
        })
    }
}

fn read_totals(root: &Reader<'_>, key: &str) -> Result<Option<DayTotals>, Fault> {
    let Some(reader) = root.object(key)? else { return Ok(None) };
    Ok(Some(DayTotals {
        count: reader.required("count", reader.number("count", MAX_COUNT)?)?,
        sum: reader.required("sum", reader.money("sum")?)?,
        first: reader.filled_short("first")?,
        last: reader.filled_short("last")?,
    }))
}
