//! How a DMS's export reads as invoices: a TOML file that says which column is what. `deploy/import/` has a commented one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use encoding_rs::Encoding;
use serde::Deserialize;

/// What can stand in a column, or be the same for all: the fields of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    InvoiceNo,
    IssuedAt,
    WorkOrder,
    Replaces,
    MemberNo,
    Phone,
    Vin,
    Plate,
    OdometerKm,
    Advisor,
    Line,
    Category,
    Payer,
    Amount,
    Principal,
    Description,
}

impl Field {
    /// Those that are the bill's: they stand on its first row, or on each alike.
    pub const OF_BILL: [Self; 10] = [
        Self::InvoiceNo,
        Self::IssuedAt,
        Self::WorkOrder,
        Self::Replaces,
        Self::MemberNo,
        Self::Phone,
        Self::Vin,
        Self::Plate,
        Self::OdometerKm,
        Self::Advisor,
    ];
    /// Those of which at least one says who the bill is for.
    pub const CUSTOMER: [Self; 4] = [Self::MemberNo, Self::Phone, Self::Vin, Self::Plate];
    /// Those without which there is no bill.
    const NEEDED: [Self; 5] = [Self::InvoiceNo, Self::IssuedAt, Self::Category, Self::Payer, Self::Amount];

    /// As in the document and in the mapping.
    pub fn word(self) -> &'static str {
        match self {
            Self::InvoiceNo => "invoice_no",
            Self::IssuedAt => "issued_at",
            Self::WorkOrder => "work_order",
            Self::Replaces => "replaces",
            Self::MemberNo => "member_no",
            Self::Phone => "phone",
            Self::Vin => "vin",
            Self::Plate => "plate",
            Self::OdometerKm => "odometer_km",
            Self::Advisor => "advisor",
            Self::Line => "line",
            Self::Category => "category",
            Self::Payer => "payer",
            Self::Amount => "amount",
            Self::Principal => "principal",
            Self::Description => "description",
        }
    }
}

/// What may be taken off a whole bill.
const REDUCTIONS: [&str; 4] = ["discount", "rounding", "points", "voucher"];

/// One column, or several whose values are joined by a blank (a date and a time).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Columns {
    One(String),
    Several(Vec<String>),
}

impl Columns {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default = "utf_8")]
    encoding: String,
    #[serde(default = "comma")]
    pub delimiter: char,
    #[serde(default = "double_quote")]
    pub quote: String,
    /// Values may hold line breaks.
    #[serde(default)]
    pub multiline: bool,
    #[serde(default)]
    pub skip_lines: u32,
    #[serde(default = "yes")]
    pub header: bool,
    #[serde(default = "shanghai")]
    time_zone: String,
    dates: Vec<String>,
    #[serde(default)]
    ignore_in_amounts: String,
    columns: BTreeMap<Field, Columns>,
    #[serde(default)]
    reductions: BTreeMap<String, String>,
    #[serde(default)]
    values: BTreeMap<Field, BTreeMap<String, String>>,
    #[serde(default)]
    constants: BTreeMap<Field, String>,
    #[serde(default)]
    only: BTreeMap<String, Vec<String>>,
}

fn utf_8() -> String {
    "utf-8".to_owned()
}

fn comma() -> char {
    ','
}

fn double_quote() -> String {
    "\"".to_owned()
}

fn yes() -> bool {
    true
}

fn shanghai() -> String {
    "Asia/Shanghai".to_owned()
}

impl Mapping {
    /// Reads and checks it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading the mapping {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("the mapping {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mapping: Self = toml::from_str(text)?;
        mapping.zone()?;
        mapping.encoding()?;
        if !mapping.delimiter.is_ascii() || mapping.quote.len() > 1 || mapping.quote == mapping.delimiter.to_string() {
            bail!("delimiter and quote are one ASCII character each, not the same (quote may be empty: nothing is quoted)");
        }
        if mapping.dates.is_empty() {
            bail!("dates: name at least one format, as \"%Y-%m-%d %H:%M:%S\"");
        }
        let given = |field: &Field| mapping.columns.contains_key(field) || mapping.constants.contains_key(field);
        if let Some(missing) = Field::NEEDED.iter().find(|field| !given(field)) {
            bail!("columns: {} is missing, and is no constant either", missing.word());
        }
        if let Some(twice) = mapping.constants.keys().find(|field| mapping.columns.contains_key(field)) {
            bail!("{} stands in columns and in constants", twice.word());
        }
        if !Field::CUSTOMER.iter().any(|field| mapping.columns.contains_key(field)) {
            bail!("columns: at least one of member_no, phone, vin and plate says who the bill is for");
        }
        if let Some(unknown) = mapping.reductions.keys().find(|kind| !REDUCTIONS.contains(&kind.as_str())) {
            bail!("reductions: {unknown} is none of {}", REDUCTIONS.join(", "));
        }
        Ok(mapping)
    }

    fn zone(&self) -> Result<Tz> {
        self.time_zone.parse().map_err(|_| anyhow::anyhow!("time_zone {:?} is unknown: name it as \"Asia/Shanghai\"", self.time_zone))
    }

    /// Of the file.
    pub fn encoding(&self) -> Result<&'static Encoding> {
        Encoding::for_label(self.encoding.as_bytes())
            .with_context(|| format!("encoding {:?} is unknown: \"utf-8\" and \"gb18030\" (also GBK and GB2312) are usual", self.encoding))
    }

    /// The mapping against a file's columns.
    pub fn resolve(&self, header: &[String]) -> Result<Plan> {
        let index = |name: &String| {
            let mut found = header.iter().enumerate().filter(|(_, column)| *column == name).map(|(index, _)| index);
            match (found.next(), found.next()) {
                (Some(index), None) => Ok(index),
                (None, _) => bail!("the file has no column {name:?}; it has {} (is the encoding right?)", header.join(" | ")),
                (Some(_), Some(_)) => bail!("the file has two columns {name:?}: rename one, or set header = false and use numbers"),
            }
        };
        let mut sources: BTreeMap<Field, Source> =
            self.constants.iter().map(|(field, value)| (*field, Source::Constant(value.clone()))).collect();
        for (field, columns) in &self.columns {
            let indexes = columns.names().iter().map(index).collect::<Result<Vec<_>>>()?;
            sources.insert(*field, Source::Columns(indexes, columns.names().join(" + ")));
        }
        let reductions =
            self.reductions.iter().map(|(kind, name)| Ok((kind.clone(), index(name)?, name.clone()))).collect::<Result<Vec<_>>>()?;
        let only = self
            .only
            .iter()
            .map(|(name, values)| Ok((index(name)?, values.iter().cloned().collect::<BTreeSet<_>>())))
            .collect::<Result<Vec<_>>>()?;
        Ok(Plan {
            columns: header.len(),
            sources,
            reductions,
            only,
            values: self.values.clone(),
            dates: self.dates.clone(),
            zone: self.zone()?,
            ignore: self.ignore_in_amounts.clone(),
        })
    }
}

/// Where a field comes from.
#[derive(Debug, Clone)]
pub enum Source {
    Columns(Vec<usize>, String),
    Constant(String),
}

/// A mapping that knows where each column stands.
#[derive(Debug, Clone)]
pub struct Plan {
    /// So many each row has.
    pub columns: usize,
    sources: BTreeMap<Field, Source>,
    /// Kind, column, its name.
    pub reductions: Vec<(String, usize, String)>,
    only: Vec<(usize, BTreeSet<String>)>,
    values: BTreeMap<Field, BTreeMap<String, String>>,
    dates: Vec<String>,
    /// The zone of the file's dates.
    pub zone: Tz,
    ignore: String,
}

/// A value that the mapping does not know.
#[derive(Debug, PartialEq, Eq)]
pub struct Unmapped(pub String);

impl Plan {
    /// Whether a row is one of those to import.
    pub fn wants(&self, row: &csv::StringRecord) -> bool {
        self.only.iter().all(|(column, values)| values.contains(clean(row.get(*column).unwrap_or_default())))
    }

    /// The column of a field, as people know it.
    pub fn column_of(&self, field: Field) -> &str {
        match self.sources.get(&field) {
            Some(Source::Columns(_, name)) => name,
            Some(Source::Constant(_)) | None => field.word(),
        }
    }

    /// What the row says of a field, before it is looked up among the values; empty for nothing.
    pub fn raw(&self, field: Field, row: &csv::StringRecord) -> String {
        match self.sources.get(&field) {
            Some(Source::Constant(value)) => value.clone(),
            Some(Source::Columns(indexes, _)) => {
                let parts = indexes.iter().map(|index| clean(row.get(*index).unwrap_or_default())).filter(|part| !part.is_empty());
                parts.collect::<Vec<_>>().join(" ")
            }
            None => String::new(),
        }
    }

    /// What the row says of a field, in the contract's words.
    pub fn value(&self, field: Field, row: &csv::StringRecord) -> Result<String, Unmapped> {
        let raw = self.raw(field, row);
        match (self.values.get(&field), self.sources.get(&field)) {
            (Some(words), Some(Source::Columns(..))) => words.get(&raw).cloned().ok_or(Unmapped(raw)),
            _ => Ok(raw),
        }
    }

    /// An instant in one of the formats. A day without a time is its noon.
    pub fn instant(&self, text: &str) -> Option<DateTime<FixedOffset>> {
        self.dates.iter().find_map(|format| {
            if format == "rfc3339" {
                return DateTime::parse_from_rfc3339(text).ok();
            }
            let local = NaiveDateTime::parse_from_str(text, format)
                .ok()
                .or_else(|| NaiveDate::parse_from_str(text, format).ok().and_then(|day| day.and_hms_opt(12, 0, 0)))?;
            Some(self.zone.from_local_datetime(&local).earliest()?.fixed_offset())
        })
    }

    /// An amount as the contract writes it: without what is to be ignored, and without zeros behind the second place.
    pub fn amount(&self, text: &str) -> String {
        let mut amount: String = text.chars().filter(|c| !c.is_whitespace() && !self.ignore.contains(*c)).collect();
        if let Some(point) = amount.find('.') {
            while amount.len() > point + 3 && amount.ends_with('0') {
                amount.pop();
            }
        }
        amount
    }
}

/// Without outer blanks, and without what spreadsheets put around numbers that they shall not change: `="0138"`.
pub fn clean(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("=\"").and_then(|inner| inner.strip_suffix('"')).map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../../deploy/import/dms.toml");

    fn plan(text: &str, header: &[&str]) -> Result<Plan> {
        Mapping::parse(text)?.resolve(&header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_sample_is_good_and_errors_name_the_place() {
        Mapping::parse(SAMPLE).expect("the sample");
        let least = "dates = [\"%F\"]\n[columns]\ninvoice_no = \"a\"\nissued_at = \"b\"\ncategory = \"c\"\npayer = \"d\"\namount = \"e\"\nphone = \"f\"\n";
        Mapping::parse(least).expect("the least");
        let wrong = |from: &str, to: &str| format!("{:#}", Mapping::parse(&least.replace(from, to)).expect_err(to));
        for (from, to, said) in [
            ("payer = \"d\"\n", "", "payer is missing"),
            ("phone = \"f\"\n", "", "who the bill is for"),
            ("phone", "fone", "fone"),
            ("dates = [\"%F\"]", "dates = []", "dates"),
            ("dates", "encoding = \"klingon\"\ndates", "klingon"),
            ("dates", "time_zone = \"Mars\"\ndates", "Mars"),
            ("dates", "delimiter = \"\\\"\"\ndates", "delimiter and quote"),
            ("phone = \"f\"\n", "phone = \"f\"\n[constants]\npayer = \"customer\"\n", "columns and in constants"),
            ("phone = \"f\"\n", "phone = \"f\"\n[reductions]\ngift = \"g\"\n", "gift is none of"),
        ] {
            assert!(wrong(from, to).contains(said), "{to}: {}", wrong(from, to));
        }
        let header = ["a", "b", "c", "d", "e", "f"];
        assert!(plan(least, &header).is_ok());
        assert!(format!("{:#}", plan(least, &header[1..]).expect_err("no column")).contains("no column \"a\""));
        assert!(format!("{:#}", plan(least, &["a", "a", "b", "c", "d", "e", "f"]).expect_err("two columns")).contains("two columns"));
    }

    #[test]
    fn dates_and_amounts_become_the_contracts() {
        let text = "dates = [\"%Y/%m/%d %H:%M\", \"%Y-%m-%d\", \"rfc3339\"]\nignore_in_amounts = \"¥,\"\n[columns]\ninvoice_no = \"a\"\nissued_at = \"b\"\ncategory = \"c\"\npayer = \"d\"\namount = \"e\"\nphone = \"f\"\n";
        let plan = plan(text, &["a", "b", "c", "d", "e", "f"]).expect("a plan");
        for (text, instant) in [
            ("2026/10/01 08:05", "2026-10-01T08:05:00+08:00"),
            ("2026-10-01", "2026-10-01T12:00:00+08:00"),
            ("2026-10-01T00:00:00Z", "2026-10-01T00:00:00+00:00"),
        ] {
            assert_eq!(plan.instant(text).map(|at| at.to_rfc3339()).as_deref(), Some(instant));
        }
        assert_eq!(plan.instant("01.10.2026"), None);
        for (text, amount) in [("¥1,200.5000", "1200.50"), ("800", "800"), (" 0.10 ", "0.10"), ("1.005", "1.005"), ("-5", "-5")] {
            assert_eq!(plan.amount(text), amount);
        }
        assert_eq!(clean(" =\"013800138000\"\t"), "013800138000");
    }
}
