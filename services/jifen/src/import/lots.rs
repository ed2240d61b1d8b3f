//! `jifen import lots`: what members had in another system, lot by lot. The system judges each line and imports it once, so a file can
//! be imported again, or go on where it broke off; a dry run asks the same and changes nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use clap::Args;
use encoding_rs::Encoding;
use futures_util::{StreamExt, stream};
use jifen_contracts::{
    Problem, code,
    endpoint::{ImportStatus, ImportedLot, LotsImport, LotsImportReply, LotsImportRequest},
};
use jifen_kernel::{Clock, Ids, Points, StoreCode, SystemClock, Token};
use serde::Deserialize;

use super::{
    beside,
    faults::{ErrorFile, LineFault},
    mapping::clean,
};
use crate::{client::Client, output::Printer, settings::Settings};

/// Lots of one request: what the system takes.
const TOGETHER: usize = 500;
/// Requests on their way.
const IN_FLIGHT: usize = 4;
/// A system that is busy is asked again after this time, so often.
const AGAIN: (Duration, u32) = (Duration::from_secs(1), 60);

#[derive(Debug, Args)]
pub struct Options {
    /// A CSV file, one row a lot.
    file: PathBuf,
    /// Where they come from, as `old_system`: with a row's line its identity, so that it is imported once.
    #[arg(long)]
    source: String,
    /// Which column is what: a TOML file (deploy/import/lots.toml is a commented one).
    #[arg(long)]
    mapping: PathBuf,
    /// Has everything judged, prints counts, changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where the lines that could not be imported are written, with their reasons; FILE.errors.csv if not given.
    #[arg(long)]
    errors: Option<PathBuf>,
    /// Goes on where an import broke off: passes over the rows before this line of the file.
    #[arg(long, default_value_t = 0)]
    from_line: u64,
}

/// What can stand in a column, or be the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    /// Names the row among those of its source; the file's line if not given.
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
struct Mapping {
    #[serde(default = "utf_8")]
    encoding: String,
    #[serde(default = "comma")]
    delimiter: char,
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

impl Mapping {
    fn parse(text: &str) -> Result<Self> {
        let mapping: Self = toml::from_str(text)?;
        if Encoding::for_label(mapping.encoding.as_bytes()).is_none() {
            bail!("encoding {:?} is unknown: \"utf-8\" and \"gb18030\" are usual", mapping.encoding);
        }
        if !mapping.delimiter.is_ascii() {
            bail!("delimiter is one ASCII character");
        }
        if mapping.dates.is_empty() {
            bail!("dates: name at least one format, as \"%Y-%m-%d\"");
        }
        let given = |field: &Field| mapping.columns.contains_key(field) || mapping.constants.contains_key(field);
        if let Some((_, missing)) = NEEDED.iter().find(|(field, _)| !given(field)) {
            bail!("columns: {missing} is missing, and is no constant either");
        }
        if mapping.constants.keys().any(|field| mapping.columns.contains_key(field)) {
            bail!("a field stands in columns and in constants");
        }
        Ok(mapping)
    }
}

/// A file's rows, read by a mapping.
struct Rows {
    columns: BTreeMap<Field, (usize, String)>,
    mapping: Mapping,
    records: Vec<(u64, csv::StringRecord)>,
}

/// Where a record stands: blank lines before it count as its own in the reader's eyes.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let blank = text.as_bytes().get(start..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').map(|_| 1).sum::<u64>()
}

impl Rows {
    fn open(path: &Path, mapping: Mapping) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("opening {}", path.display()))?;
        let encoding = Encoding::for_label(mapping.encoding.as_bytes()).context("encoding")?;
        let (text, ..) = encoding.decode(&bytes);
        Self::read(&text, mapping)
    }

    fn read(text: &str, mapping: Mapping) -> Result<Self> {
        let delimiter = u8::try_from(mapping.delimiter).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
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
            if record.iter().any(|value| !value.trim().is_empty()) {
                records.push((line, record));
            }
        }
        Ok(Self { columns, mapping, records })
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
            line: self.value(Field::Line, line, row)?.unwrap_or_else(|| line.to_string()),
            member_no: needed(Field::MemberNo)?,
            store: StoreCode::try_new(needed(Field::Store)?).map_err(|_| bad(Field::Store, code::POINTS_UNKNOWN_STORE))?,
            points: points.trim().parse().map(Points).map_err(|_| bad(Field::Points, code::POINTS_IMPORT_AMOUNT))?,
            expires_on: day(Field::ExpiresOn, &needed(Field::ExpiresOn)?)?,
            earned_on: self.value(Field::EarnedOn, line, row)?.map(|text| day(Field::EarnedOn, &text)).transpose()?,
            qualifying,
        })
    }

    /// The column of what the system found wrong.
    fn column_of(&self, field: &str) -> &str {
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

/// What became of the rows.
#[derive(Default)]
struct Tally {
    imported: u64,
    points: i64,
    duplicate: u64,
    rejected: u64,
}

pub async fn run(settings: &Settings, options: Options, out: Printer) -> Result<ExitCode> {
    let source = Token::try_new(options.source.as_str()).context("--source")?;
    let text = std::fs::read_to_string(&options.mapping).with_context(|| format!("reading the mapping {}", options.mapping.display()))?;
    let mapping = Mapping::parse(&text).with_context(|| format!("the mapping {}", options.mapping.display()))?;
    let errors = options.errors.clone().unwrap_or_else(|| beside(&options.file));
    if errors == options.file || errors == options.mapping {
        bail!("--errors names a file that is read: it would be replaced");
    }
    let client = Client::connect(settings).await?;
    let rows = Rows::open(&options.file, mapping)?;
    let mut errors = ErrorFile::new(&errors)?;
    let (mut tally, mut lots) = (Tally::default(), Vec::new());
    for (line, row) in rows.records.iter().filter(|(line, _)| *line >= options.from_line) {
        match rows.lot(*line, row) {
            Ok(lot) => lots.push((*line, lot)),
            Err(fault) => {
                tally.rejected += 1;
                errors.write(&[fault])?;
            }
        }
    }
    let bar = out.progress(lots.len() as u64, if options.dry_run { "lots judged" } else { "lots imported" });
    let request = |part: &[(u64, ImportedLot)]| LotsImportRequest {
        operation_id: Ids::system().next(SystemClock.now()).to_string(),
        source: source.clone(),
        dry_run: options.dry_run,
        lots: part.iter().map(|(_, lot)| lot.clone()).collect(),
    };
    let parts: Vec<_> = lots.chunks(TOGETHER).map(|part| (part, request(part))).collect();
    let mut answers = stream::iter(parts).map(|(part, request)| ask(&client, part, request)).buffered(IN_FLIGHT);
    while let Some((part, answer)) = answers.next().await {
        let Ok(answer) = answer.inspect_err(|problem| out.note(format!("the system refused: {problem}"))) else {
            let line = part.first().map_or(0, |(line, _)| *line);
            out.line(format!("ended early: go on with --from-line {line}, or begin again: what was imported is a duplicate"));
            return Ok(ExitCode::FAILURE);
        };
        for ((line, lot), found) in part.iter().zip(answer.lots) {
            match found.status {
                ImportStatus::Imported => {
                    tally.imported += 1;
                    tally.points += lot.points.0;
                }
                ImportStatus::Duplicate => tally.duplicate += 1,
                ImportStatus::Rejected => {
                    tally.rejected += 1;
                    let column = rows.column_of(found.field.as_deref().unwrap_or_default()).to_owned();
                    let text = found.text.unwrap_or_else(|| code::REQUEST_MALFORMED.text());
                    errors.write(&[LineFault { line: *line, column, code: found.code.unwrap_or_default(), text }])?;
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let Tally { imported, points, duplicate, rejected } = tally;
    out.line(format!("imported {imported} ({points} points)   duplicate {duplicate}   rejected {rejected}"));
    let (written, path) = errors.written();
    if written > 0 {
        out.line(format!("{written} lines stand with their reasons in {}", path.display()));
    }
    if options.dry_run {
        out.line("dry run: nothing was changed");
    }
    Ok(if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks until there is an answer that stays: the same operation, so that it counts once.
async fn ask<'a>(
    client: &Client,
    part: &'a [(u64, ImportedLot)],
    request: LotsImportRequest,
) -> (&'a [(u64, ImportedLot)], Result<LotsImportReply, Problem>) {
    let mut answer = client.ask::<LotsImport>(&request).await;
    for _ in 0..AGAIN.1 {
        if !answer.as_ref().is_err_and(Problem::is_transient) {
            break;
        }
        tokio::time::sleep(AGAIN.0).await;
        answer = client.ask::<LotsImport>(&request).await;
    }
    (part, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../../deploy/import/lots.toml");

    fn rows(text: &str) -> Rows {
        Rows::read(text, Mapping::parse(SAMPLE).expect("the sample")).expect("rows")
    }

    #[test]
    fn rows_become_lots_or_faults_of_their_column() {
        let rows = rows(
            "会员号,门店,积分,到期日,计入定级\nM1,SH01,\"1,200\",2027/12/31,是\n\nM2,SH01,x,2027-12-31,\n,SH01,1,2027-12-31,\nM3,SH01,1,soon,\n",
        );
        let read: Vec<_> = rows.records.iter().map(|(line, row)| rows.lot(*line, row)).collect();
        let first = read[0].as_ref().expect("a lot");
        assert_eq!((first.line.as_str(), first.points, first.qualifying), ("2", Points(1_200), true));
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
}
