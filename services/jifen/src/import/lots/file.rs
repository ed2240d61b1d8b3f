//! A file of opening balances: its mapping, its rows, and which row is which.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use encoding_rs::Encoding;
use jifen_contracts::{code, endpoint::ImportedLot};
use jifen_kernel::{Points, StoreCode};
use serde::Deserialize;

use super::super::{faults::LineFault, mapping::clean, rows::check_lines};

/// What can stand in a column, or be the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    /// Names the row among those of its source; without it a row is known by what it says.
    Line,
    MemberNo,
    Store,
    Points,
    ExpiresOn,
    EarnedOn,
    Qualifying,
}

const NEEDED: [(Field, &str); 4] =
    [(Field::MemberNo, "member_no"), (Field::Store, "store"), (Field::Points, "points"), (Field::ExpiresOn, "expires_on")];

/// The mapping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default = "utf_8")]
    encoding: String,
    #[serde(default = "comma")]
    delimiter: char,
    #[serde(default = "double_quote")]
    quote: String,
    #[serde(default)]
    multiline: bool,
    dates: Vec<String>,
    #[serde(default)]
    ignore_in_points: String,
    columns: BTreeMap<Field, String>,
    #[serde(default)]
    constants: BTreeMap<Field, String>,
    #[serde(default)]
    values: BTreeMap<Field, BTreeMap<String, String>>,
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

impl Mapping {
    /// Reads and checks it.
    pub fn parse(text: &str) -> Result<Self> {
        let mapping: Self = toml::from_str(text)?;
        if Encoding::for_label(mapping.encoding.as_bytes()).is_none() {
            bail!("encoding {:?} is unknown: \"utf-8\" and \"gb18030\" are usual", mapping.encoding);
        }
        if !mapping.delimiter.is_ascii() || mapping.quote.len() > 1 || mapping.quote == mapping.delimiter.to_string() {
            bail!("delimiter and quote are one ASCII character each, not the same (quote may be empty: nothing is quoted)");
        }
        if mapping.dates.is_empty() {
            bail!("dates: name at least one format, as \"%Y-%m-%d\"");
        }
        let given = |field: &Field| mapping.columns.contains_key(field) || mapping.constants.contains_key(field);
        if let Some((_, missing)) = NEEDED.iter().find(|(field, _)| !given(field)) {
            bail!("columns: {missing} is missing, and is no constant either");
        }
        if mapping.constants.contains_key(&Field::Line) {
            bail!("constants: line names each row, so it is a column");
        }
        if mapping.constants.keys().any(|field| mapping.columns.contains_key(field)) {
            bail!("a field stands in columns and in constants");
        }
        Ok(mapping)
    }
}

/// A file's rows, read by a mapping.
pub struct Rows {
    columns: BTreeMap<Field, (usize, String)>,
    /// So many each row has.
    width: usize,
    mapping: Mapping,
    records: Vec<(u64, csv::StringRecord)>,
    /// Lines of the file, blank ones too.
    pub lines: u64,
}

/// A row and what it reads as, or why as nothing.
pub type ReadRow = (u64, Result<ImportedLot, LineFault>);

/// Where a record stands: blank lines before it count as its own in the reader's eyes.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let blank = text.as_bytes().get(start..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').map(|_| 1).sum::<u64>()
}

impl Rows {
    /// Reads a file whole: it is refused whole where nobody can say which its rows are.
    pub fn open(path: &Path, mapping: Mapping) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("opening {}", path.display()))?;
        let encoding = Encoding::for_label(mapping.encoding.as_bytes()).context("encoding")?;
        let (text, ..) = encoding.decode(&bytes);
        Self::read(&text, mapping)
    }

    fn read(text: &str, mapping: Mapping) -> Result<Self> {
        let delimiter = u8::try_from(mapping.delimiter).unwrap_or(b',');
        let quote = mapping.quote.bytes().next();
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .delimiter(delimiter)
            .quoting(quote.is_some())
            .quote(quote.unwrap_or(b'"'))
            .from_reader(text.as_bytes());
        check_lines(reader.headers()?, 1, mapping.multiline)?;
        let header: Vec<String> = reader.headers()?.iter().map(|name| clean(name).to_owned()).collect();
        let place = |(field, name): (&Field, &String)| {
            let found = header.iter().position(|column| column == name);
            let found = found.with_context(|| format!("the file has no column {name:?}; it has {}", header.join(" | ")))?;
            Ok((*field, (found, name.clone())))
        };
        let columns = mapping.columns.iter().map(place).collect::<Result<_>>()?;
        let mut records = Vec::new();
        for record in reader.into_records() {
            let record = record?;
            let line = record.position().map_or(0, |position| line_of(text, position));
            check_lines(&record, line, mapping.multiline)?;
            if record.iter().any(|value| !value.trim().is_empty()) {
                records.push((line, record));
            }
        }
        Ok(Self { columns, width: header.len(), mapping, records, lines: text.lines().count() as u64 })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Every row, in the file's order. One without a name of its own is the first, second, … of those that say exactly the same: that
    /// stays so when others are taken out, mended or moved, where a line's number would name another row.
    pub fn lots(&self) -> Vec<ReadRow> {
        let mut alike: HashMap<String, u32> = HashMap::new();
        let mut read = |(line, row): &(u64, csv::StringRecord)| {
            let mut lot = self.lot(*line, row);
            if let Ok(unnamed) = &mut lot
                && unnamed.line.is_empty()
            {
                let count = alike.entry(format!("{unnamed:?}")).or_default();
                *count += 1;
                unnamed.nth = Some(*count);
            }
            (*line, lot)
        };
        self.records.iter().map(&mut read).collect()
    }

    fn has(&self, field: Field) -> bool {
        self.columns.contains_key(&field)
    }

    fn name(&self, field: Field) -> &str {
        self.columns.get(&field).map_or("", |(_, name)| name)
    }

    /// What a row says of a field; `None` for nothing.
    fn value(&self, field: Field, line: u64, row: &csv::StringRecord) -> Result<Option<String>, LineFault> {
        if let Some(value) = self.mapping.constants.get(&field) {
            return Ok(Some(value.clone()));
        }
        let Some((place, name)) = self.columns.get(&field) else { return Ok(None) };
        let raw = clean(row.get(*place).ok_or_else(|| LineFault::new(line, name, code::IMPORT_WRONG_COLUMNS))?);
        if raw.contains('\u{FFFD}') {
            return Err(LineFault::new(line, name, code::IMPORT_BAD_ENCODING));
        }
        match self.mapping.values.get(&field) {
            Some(words) => {
                let unmapped = || LineFault::new(line, name, code::IMPORT_UNMAPPED_VALUE).more(raw, raw);
                words.get(raw).cloned().map(Some).ok_or_else(unmapped)
            }
            None => Ok((!raw.is_empty()).then(|| raw.to_owned())),
        }
    }

    fn lot(&self, line: u64, row: &csv::StringRecord) -> Result<ImportedLot, LineFault> {
        let (width, found) = (self.width, row.len());
        if found != width {
            let fault = LineFault::new(line, "", code::IMPORT_WRONG_COLUMNS);
            return Err(fault.more(&format!("应为 {width} 列，实为 {found} 列"), &format!("{width} expected, {found} found")));
        }
        let needed = |field| {
            let value = self.value(field, line, row)?;
            value.ok_or_else(|| LineFault::new(line, self.name(field), code::DOCUMENT_MISSING_FIELD))
        };
        let bad = |field, code| LineFault::new(line, self.name(field), code);
        let day = |field, text: &str| {
            let found = self.mapping.dates.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
            found.ok_or_else(|| bad(field, code::DOCUMENT_BAD_FIELD))
        };
        let points: String = needed(Field::Points)?.chars().filter(|c| !self.mapping.ignore_in_points.contains(*c)).collect();
        let qualifying = match self.value(Field::Qualifying, line, row)?.as_deref() {
            None | Some("0" | "false" | "no" | "n" | "N" | "否") => false,
            Some("1" | "true" | "yes" | "y" | "Y" | "是") => true,
            Some(_) => return Err(bad(Field::Qualifying, code::IMPORT_UNMAPPED_VALUE)),
        };
        Ok(ImportedLot {
            line: if self.has(Field::Line) { needed(Field::Line)? } else { String::new() },
            nth: None,
            member_no: needed(Field::MemberNo)?,
            store: StoreCode::try_new(needed(Field::Store)?).map_err(|_| bad(Field::Store, code::POINTS_UNKNOWN_STORE))?,
            points: points.trim().parse().map(Points).map_err(|_| bad(Field::Points, code::POINTS_IMPORT_AMOUNT))?,
            expires_on: day(Field::ExpiresOn, &needed(Field::ExpiresOn)?)?,
            earned_on: self.value(Field::EarnedOn, line, row)?.map(|text| day(Field::EarnedOn, &text)).transpose()?,
            qualifying,
        })
    }

    /// The column of what the system found wrong.
    pub fn column_of(&self, field: &str) -> &str {
        let fields = [
            ("line", Field::Line),
            ("member_no", Field::MemberNo),
            ("store", Field::Store),
            ("points", Field::Points),
            ("expires_on", Field::ExpiresOn),
            ("earned_on", Field::EarnedOn),
        ];
        fields.iter().find(|(name, _)| *name == field).map_or("", |(_, field)| self.name(*field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../../../deploy/import/lots.toml");

    fn rows(text: &str) -> Rows {
        Rows::read(text, Mapping::parse(SAMPLE).expect("the sample")).expect("rows")
    }

    #[test]
    fn rows_become_lots_or_faults_of_their_column() {
        let rows = rows(
            "会员号,门店,积分,到期日,计入定级\nM1,SH01,\"1,200\",2027/12/31,是\n\nM2,SH01,x,2027-12-31,\n,SH01,1,2027-12-31,\nM3,SH01,1,soon,\n",
        );
        let read: Vec<_> = rows.lots().into_iter().map(|(_, lot)| lot).collect();
        let first = read[0].as_ref().expect("a lot");
        assert_eq!((first.line.as_str(), first.nth, first.points, first.qualifying), ("", Some(1), Points(1_200), true));
        assert_eq!(first.expires_on.to_string(), "2027-12-31");
        let faults: Vec<_> = read[1..].iter().map(|fault| fault.as_ref().expect_err("a fault")).collect();
        let shown: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column.as_str(), fault.code.as_str())).collect();
        assert_eq!(
            shown,
            [(4, "积分", "points.import_amount"), (5, "会员号", "document.missing_field"), (6, "到期日", "document.bad_field")]
        );
    }

    #[test]
    fn a_mapping_names_what_is_missing() {
        let wrong = |from: &str, to: &str| format!("{:#}", Mapping::parse(&SAMPLE.replace(from, to)).expect_err(to));
        assert!(wrong("points = \"积分\"", "").contains("points is missing"));
        assert!(wrong("encoding = \"utf-8\"", "encoding = \"klingon\"").contains("klingon"));
        assert!(wrong("member_no =", "member =").contains("member"));
    }
    /// Rows behind the header, as `points nth` or the fault's code.
    fn known_by(mapping: &str, header: &str, lines: &[&str]) -> Vec<String> {
        let text = std::iter::once(&header).chain(lines).fold(String::new(), |text, line| text + line + "\n");
        let rows = Rows::read(&text, Mapping::parse(mapping).expect("a mapping")).expect("rows");
        let word = |(_, lot): ReadRow| match lot {
            Ok(lot) => format!("{} {}{}", lot.points, lot.line, lot.nth.map(|nth| nth.to_string()).unwrap_or_default()),
            Err(fault) => fault.code,
        };
        rows.lots().into_iter().map(word).collect()
    }

    #[test]
    fn a_row_is_known_by_what_it_says_wherever_it_stands() {
        const HEADER: &str = "会员号,门店,积分,到期日,计入定级";
        let (a, b, c) = ("A,SH01,500,2027-12-31,", "B,SH01,300,soon,", "C,SH01,700,2027-12-31,");
        assert_eq!(known_by(SAMPLE, HEADER, &[a, b, c]), ["500 1", "document.bad_field", "700 1"]);
        // The rejected one is taken out: the others are who they were. Two that say the same are two, whatever else they look like.
        assert_eq!(known_by(SAMPLE, HEADER, &[a, c]), ["500 1", "700 1"]);
        let same = "C,SH01,\"700\",2027/12/31,否";
        assert_eq!(known_by(SAMPLE, HEADER, &[c, a, same]), ["700 1", "500 1", "700 2"]);
        // With names of their own, these; a row without one is no row.
        let named = SAMPLE.replace("# line = ", "line = ");
        let rows = ["A,SH01,500,2027-12-31,,X7", "C,SH01,700,2027-12-31,,", "C,SH01,700,2027-12-31,"];
        let expected = ["500 X7", "document.missing_field", "import.wrong_columns"];
        assert_eq!(known_by(&named, &format!("{HEADER},批次号"), &rows), expected);
    }

    #[test]
    fn a_quote_that_nobody_closes_imports_nothing() {
        let text = |remark: &str| {
            let rows = "M,SH01,5,2027-12-31,,\n".repeat(3_000);
            format!("会员号,门店,积分,到期日,计入定级,备注\nM,SH01,500,2027-12-31,,{remark}\n{rows}")
        };
        let read = |text: &str, mapping: &str| Rows::read(text, Mapping::parse(mapping).expect("a mapping"));
        let refused = format!("{:#}", read(&text("\"大客户"), SAMPLE).err().expect("refused"));
        assert!(refused.contains("line 2") && refused.contains("line 3003"), "{refused}");
        let several = SAMPLE.replace("multiline = false", "multiline = true");
        assert!(read(&text("\"大客户"), &several).is_err(), "not even then");
        assert!(read(&text("\"大\n客户\""), SAMPLE).is_err());
        assert_eq!(read(&text("\"大\n客户\""), &several).expect("rows").count(), 3_001);
        // Where nothing is quoted, a quote is a character.
        let plain = SAMPLE.replace("quote = \"\\\"\"", "quote = \"\"");
        let rows = read(&text("\"大客户"), &plain).expect("rows");
        assert_eq!((rows.count(), rows.lines), (3_001, 3_002));
    }
}
