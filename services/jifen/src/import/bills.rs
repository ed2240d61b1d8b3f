//! From rows to bills. The rows of a bill stand together, one a line of the bill: so a file of any size is read with one bill in
//! memory. Whether they do is looked at before anything is sent ([`scan`]): a bill whose rows are scattered is refused whole, since
//! nobody could say of its first part that it is the whole bill.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::Arc,
};

use anyhow::{Result, bail};
use jifen_contracts::{
    code::{self, Code},
    document::{Fault, Invoice, MAX_LINES, StoreDocument},
};
use jifen_kernel::StoreCode;
use serde_json::{Map, Value, json};

use super::{
    faults::LineFault,
    mapping::{Field, Mapping, Plan, Unmapped, clean},
    rows::{Row, Rows},
};

/// Bills of one file: their numbers' hashes are held, 8 bytes each.
const MAX_BILLS: usize = 20_000_000;

/// A bill of the file.
pub struct Bill {
    /// Its number.
    pub number: String,
    /// The file's line of each of its lines.
    pub lines: Vec<u64>,
    /// As a document, or why it is none: one fault a line at least.
    pub read: Result<Ready, Vec<LineFault>>,
}

/// A bill that the contract's reader takes.
pub struct Ready {
    /// As it was read.
    pub invoice: Invoice,
    /// As it is sent.
    pub data: Map<String, Value>,
}

/// What reading the file gives next.
pub enum Item {
    /// A bill.
    Bill(Box<Bill>),
    /// Lines that belong to none.
    Stray(Vec<LineFault>),
}

/// What a look at the whole file says.
#[derive(Debug, Default)]
pub struct Scan {
    /// Rows that the mapping wants.
    pub rows: u64,
    /// Rows that it leaves out.
    pub left_out: u64,
    /// Bills, each once.
    pub bills: u64,
    /// Numbers that stand in more than one place, by hash.
    scattered: HashSet<u64>,
}

fn hash(number: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    number.hash(&mut hasher);
    hasher.finish()
}

/// Reads the whole file once for the numbers alone. `progress` hears how many bytes were read.
pub fn scan(path: &Path, mapping: &Mapping, mut progress: impl FnMut(u64)) -> Result<Scan> {
    let mut rows = Rows::open(path, mapping)?;
    let plan = rows.plan();
    let (mut scan, mut seen, mut last) = (Scan::default(), HashSet::new(), None);
    while let Some(row) = rows.next_row()? {
        if !plan.wants(&row.record) {
            scan.left_out += 1;
            continue;
        }
        scan.rows += 1;
        if scan.rows.is_multiple_of(10_000) {
            progress(rows.bytes_read());
        }
        let number = plan.raw(Field::InvoiceNo, &row.record);
        if number.is_empty() || number.contains(char::REPLACEMENT_CHARACTER) || row.record.len() != plan.columns {
            continue;
        }
        let number = hash(&number);
        if last.replace(number) != Some(number) && !seen.insert(number) {
            scan.scattered.insert(number);
        }
        if seen.len() > MAX_BILLS {
            bail!("the file has more than {MAX_BILLS} bills: split it");
        }
    }
    progress(rows.bytes_read());
    scan.bills = seen.len() as u64;
    Ok(scan)
}

/// The bills of a file, in its order.
pub struct Bills {
    rows: Rows,
    plan: Arc<Plan>,
    store: StoreCode,
    scan: Arc<Scan>,
    from_line: u64,
    open: Option<Open>,
    ahead: Option<Row>,
    /// A line just before, which may be of the bill that begins now.
    spoils_next: Option<u64>,
}

/// A bill whose rows are being read.
struct Open {
    number: String,
    rows: Vec<Row>,
    /// There are more than a bill may have.
    too_many: bool,
    /// A row of it that is no text.
    fault: Option<LineFault>,
    /// A line beside it that can't be read, and may be its own.
    spoiled_by: Option<u64>,
}

/// Whose a row is.
enum Belongs {
    /// A bill's; with a fault, all of that bill is wrong.
    To(String, Option<LineFault>),
    /// Nobody knows: it may be of the bill before or behind it.
    Nowhere(LineFault),
}

impl Bills {
    /// Opens a file. Bills that begin before `from_line` are passed over.
    pub fn open(path: &Path, mapping: &Mapping, store: StoreCode, scan: Arc<Scan>, from_line: u64) -> Result<Self> {
        let rows = Rows::open(path, mapping)?;
        Ok(Self { plan: rows.plan(), rows, store, scan, from_line, open: None, ahead: None, spoils_next: None })
    }

    /// The mapping that knows this file's columns.
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// What comes next; `None` at the end of the file.
    pub fn next_item(&mut self) -> Result<Option<Item>> {
        loop {
            let row = match self.ahead.take() {
                Some(row) => Some(row),
                None => self.rows.next_row()?,
            };
            let Some(row) = row else { return Ok(self.open.take().and_then(|open| self.finish(open))) };
            if !self.plan.wants(&row.record) {
                continue;
            }
            let stray = match self.belongs(&row) {
                Belongs::Nowhere(fault) => Some(self.spoil(&row, fault)),
                Belongs::To(number, fault) => match &mut self.open {
                    Some(open) if open.number == number => open.add(row, fault),
                    Some(_) => {
                        self.ahead = Some(row);
                        if let Some(item) = self.open.take().and_then(|open| self.finish(open)) {
                            return Ok(Some(item));
                        }
                        None
                    }
                    None => {
                        let spoiled_by = self.spoils_next.take();
                        self.open = Some(Open { number, rows: vec![row], too_many: false, fault, spoiled_by });
                        None
                    }
                },
            };
            if let Some(fault) = stray.filter(|fault| fault.line >= self.from_line) {
                return Ok(Some(Item::Stray(vec![fault])));
            }
        }
    }

    fn belongs(&self, row: &Row) -> Belongs {
        let (columns, found) = (self.plan.columns, row.record.len());
        if found != columns {
            let fault = LineFault::new(row.line, "", code::IMPORT_WRONG_COLUMNS);
            return Belongs::Nowhere(
                fault.more(&format!("应为 {columns} 列，实为 {found} 列"), &format!("{columns} expected, {found} found")),
            );
        }
        let number = self.plan.raw(Field::InvoiceNo, &row.record);
        let not_text = |value: &str| value.contains(char::REPLACEMENT_CHARACTER);
        let fault = row.record.iter().any(not_text).then(|| LineFault::new(row.line, "", code::IMPORT_BAD_ENCODING));
        if number.is_empty() {
            return Belongs::Nowhere(LineFault::new(row.line, self.plan.column_of(Field::InvoiceNo), code::DOCUMENT_MISSING_FIELD));
        }
        match fault {
            Some(fault) if not_text(&number) => Belongs::Nowhere(fault),
            fault => Belongs::To(number, fault),
        }
    }

    /// A row of nobody makes its neighbours doubtful: sent without it, a bill could lack a line.
    fn spoil(&mut self, row: &Row, fault: LineFault) -> LineFault {
        let number = self.plan.raw(Field::InvoiceNo, &row.record);
        let is_of_open = self.open.as_ref().is_some_and(|open| open.number == number);
        if let Some(open) = &mut self.open {
            open.spoiled_by.get_or_insert(row.line);
        }
        if !is_of_open {
            self.spoils_next = Some(row.line);
        }
        fault
    }

    fn finish(&mut self, open: Open) -> Option<Item> {
        if open.rows.first().is_none_or(|row| row.line < self.from_line) {
            return None;
        }
        let lines: Vec<u64> = open.rows.iter().map(|row| row.line).collect();
        let read = if self.scan.scattered.contains(&hash(&open.number)) {
            Err(self.whole(&lines, code::IMPORT_SCATTERED))
        } else if open.too_many {
            Err(self.whole(&lines, code::DOCUMENT_TOO_MANY_LINES))
        } else if let Some(fault) = open.fault {
            Err(the_others(fault, &lines))
        } else if let Some(line) = open.spoiled_by {
            Err(lines.iter().map(|own| incomplete(*own, line)).collect())
        } else {
            Assembly { plan: &self.plan, rows: &open.rows }.read(&self.store).map_err(|fault| the_others(fault, &lines))
        };
        Some(Item::Bill(Box::new(Bill { number: open.number, lines, read })))
    }

    fn whole(&self, lines: &[u64], code: Code) -> Vec<LineFault> {
        lines.iter().map(|line| LineFault::new(*line, self.plan.column_of(Field::InvoiceNo), code)).collect()
    }
}

impl Open {
    /// Takes a row. One beyond the limit is not held: it comes back at once as a fault, and the bill is refused when it ends.
    fn add(&mut self, row: Row, fault: Option<LineFault>) -> Option<LineFault> {
        if self.rows.len() < MAX_LINES {
            self.rows.push(row);
            self.fault = self.fault.take().or(fault);
            return None;
        }
        self.too_many = true;
        Some(LineFault::new(row.line, "", code::DOCUMENT_TOO_MANY_LINES))
    }
}

fn incomplete(line: u64, bad: u64) -> LineFault {
    LineFault::new(line, "", code::IMPORT_INCOMPLETE).more(&format!("见第 {bad} 行"), &format!("see line {bad}"))
}

/// A fault of one line is the end of the whole bill: its other lines say so, so that none is lost.
pub fn the_others(fault: LineFault, lines: &[u64]) -> Vec<LineFault> {
    let bad = fault.line;
    let mut all: Vec<LineFault> = lines.iter().filter(|line| **line != bad).map(|line| incomplete(*line, bad)).collect();
    all.push(fault);
    all.sort_by_key(|fault| fault.line);
    all
}

/// Rows that become one document.
struct Assembly<'a> {
    plan: &'a Plan,
    rows: &'a [Row],
}

impl Assembly<'_> {
    fn read(&self, store: &StoreCode) -> Result<Ready, LineFault> {
        let mut data = Map::new();
        data.insert("store".to_owned(), json!(store));
        let mut customer = Map::new();
        for field in Field::OF_BILL {
            let Some((text, line)) = self.of_bill(field)? else { continue };
            let value = match field {
                Field::IssuedAt => {
                    let at = self.plan.instant(&text);
                    let at = at.ok_or_else(|| {
                        self.fault(line, field, code::DOCUMENT_BAD_DATE)
                            .more("不符合映射文件中的任何格式", "none of the mapping's formats fits")
                    })?;
                    json!(at.to_rfc3339())
                }
                Field::OdometerKm => {
                    let whole = self.plan.amount(&text);
                    let number = whole.split('.').next().and_then(|whole| whole.parse::<u32>().ok());
                    json!(number.ok_or_else(|| self.fault(line, field, code::DOCUMENT_BAD_FIELD).more("里程须为整数", "a whole number"))?)
                }
                _ => json!(text),
            };
            let place = if Field::CUSTOMER.contains(&field) { &mut customer } else { &mut data };
            place.insert(field.word().to_owned(), value);
        }
        data.insert("customer".to_owned(), Value::Object(customer));
        let lines = self.rows.iter().enumerate().map(|(index, row)| self.line(index, row)).collect::<Result<Vec<_>, _>>()?;
        data.insert("lines".to_owned(), Value::Array(lines));
        let reductions = self.reductions()?;
        if !reductions.is_empty() {
            data.insert("reductions".to_owned(), Value::Array(reductions));
        }
        let invoice = Invoice::read(&data).map_err(|fault| self.placed(&fault))?;
        Ok(Ready { invoice, data })
    }

    fn fault(&self, line: u64, field: Field, code: Code) -> LineFault {
        LineFault::new(line, self.plan.column_of(field), code)
    }

    fn first_line(&self) -> u64 {
        self.rows.first().map_or(0, |row| row.line)
    }

    fn looked_up(&self, field: Field, row: &Row) -> Result<String, LineFault> {
        self.plan.value(field, &row.record).map_err(|Unmapped(value)| {
            // Categories and payers are words of the DMS; other values may be a customer's.
            let shown = if [Field::Category, Field::Payer].contains(&field) { value } else { String::new() };
            self.fault(row.line, field, code::IMPORT_UNMAPPED_VALUE).more(
                &format!("“{shown}” 不在映射文件的 [values.{}] 中", field.word()),
                &format!("{shown:?} is not in [values.{}] of the mapping", field.word()),
            )
        })
    }

    /// A value of the bill: where it stands on several rows, all say the same.
    fn of_bill(&self, field: Field) -> Result<Option<(String, u64)>, LineFault> {
        let mut found: Option<(String, u64)> = None;
        for row in self.rows {
            if self.plan.raw(field, &row.record).is_empty() {
                continue;
            }
            let value = self.looked_up(field, row)?;
            match &found {
                None => found = Some((value, row.line)),
                Some((first, _)) if *first == value => {}
                Some((_, line)) => {
                    let differ = self.fault(row.line, field, code::IMPORT_ROWS_DIFFER);
                    return Err(differ.more(&format!("与第 {line} 行不同"), &format!("line {line} says otherwise")));
                }
            }
        }
        Ok(found)
    }

    fn line(&self, index: usize, row: &Row) -> Result<Value, LineFault> {
        let number = self.plan.raw(Field::Line, &row.record);
        let number = if number.is_empty() { Ok(index + 1) } else { number.parse::<usize>() };
        let number = number.map_err(|_| self.fault(row.line, Field::Line, code::DOCUMENT_BAD_FIELD))?;
        let mut line = Map::new();
        line.insert("line".to_owned(), json!(number));
        for field in [Field::Category, Field::Payer] {
            line.insert(field.word().to_owned(), json!(self.looked_up(field, row)?));
        }
        line.insert("amount".to_owned(), json!(self.plan.amount(&self.plan.raw(Field::Amount, &row.record))));
        for (field, value) in [
            (Field::Principal, self.plan.amount(&self.plan.raw(Field::Principal, &row.record))),
            (Field::Description, self.plan.raw(Field::Description, &row.record)),
        ] {
            if !value.is_empty() {
                line.insert(field.word().to_owned(), json!(value));
            }
        }
        Ok(Value::Object(line))
    }

    /// What is taken off the whole bill: on its first row, or on each alike. Nothing and zero are no reduction.
    fn reductions(&self) -> Result<Vec<Value>, LineFault> {
        let mut all = Vec::new();
        for (kind, column, name) in &self.plan.reductions {
            let mut found: Option<(String, u64)> = None;
            for row in self.rows {
                let amount = self.plan.amount(clean(row.record.get(*column).unwrap_or_default()));
                if amount.is_empty() || amount.trim_start_matches(['0', '.']).is_empty() {
                    continue;
                }
                match &found {
                    None => found = Some((amount, row.line)),
                    Some((first, _)) if *first == amount => {}
                    Some((_, line)) => {
                        let differ = LineFault::new(row.line, name, code::IMPORT_ROWS_DIFFER);
                        return Err(differ.more(&format!("与第 {line} 行不同"), &format!("line {line} says otherwise")));
                    }
                }
            }
            if let Some((amount, _)) = found {
                all.push(json!({ "kind": kind, "amount": amount }));
            }
        }
        Ok(all)
    }

    /// A fault of the document, at the line and column that it came from.
    fn placed(&self, fault: &Fault) -> LineFault {
        let lines: Vec<u64> = self.rows.iter().map(|row| row.line).collect();
        let (line, column) = place_of(fault.pointer.as_deref().unwrap_or_default(), &lines, self.plan);
        let mut placed = LineFault::new(line.unwrap_or(self.first_line()), &column, fault.code);
        placed.text.en.clone_from(&fault.detail);
        placed
    }
}

/// Where in the file a place of the document is: `/lines/2/amount` is the column of amounts of the third line.
pub fn place_of(pointer: &str, lines: &[u64], plan: &Plan) -> (Option<u64>, String) {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    let line = match parts.as_slice() {
        ["lines", index, ..] => index.parse::<usize>().ok().and_then(|index| lines.get(index)).copied(),
        _ => None,
    };
    let of_field = |word: &str| {
        let all = Field::OF_BILL.into_iter().chain([Field::Line, Field::Category, Field::Payer, Field::Amount]);
        all.chain([Field::Principal, Field::Description]).find(|field| field.word() == word).map(|field| plan.column_of(field).to_owned())
    };
    let column = match parts.as_slice() {
        ["reductions", ..] => plan.reductions.iter().map(|(_, _, name)| name.as_str()).collect::<Vec<_>>().join(" + "),
        ["customer"] => Field::CUSTOMER.map(|field| plan.column_of(field).to_owned()).join(" + "),
        [.., last] => of_field(last).unwrap_or_default(),
        [] => String::new(),
    };
    (line, column)
}

#[cfg(test)]
mod tests;
