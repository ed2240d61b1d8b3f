//! What a file would bring, for a dry run: counts and sums by category, payer and day.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use jifen_contracts::document::Invoice;
use jifen_kernel::Money;

use crate::output::Printer;

/// More days than these are shown by month.
const MAX_DAYS: usize = 31;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sum {
    count: u64,
    amount: Money,
}

impl Sum {
    fn add(&mut self, amount: Money) {
        self.count += 1;
        self.amount += amount;
    }
}

/// Sums of bills.
#[derive(Debug, Default)]
pub struct Totals {
    bills: Sum,
    categories: BTreeMap<String, Sum>,
    payers: BTreeMap<String, Sum>,
    days: BTreeMap<NaiveDate, Sum>,
}

impl Totals {
    /// Adds a bill; its day is the zone's.
    pub fn add(&mut self, invoice: &Invoice, zone: Tz) {
        for line in &invoice.lines {
            let payer = serde_json::to_value(line.payer).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
            self.categories.entry(line.category.to_string()).or_default().add(line.amount);
            self.payers.entry(payer).or_default().add(line.amount);
        }
        let amount: Money = invoice.lines.iter().map(|line| line.amount).sum();
        self.bills.add(amount);
        self.days.entry(invoice.issued_at.with_timezone(&zone).date_naive()).or_default().add(amount);
    }

    /// Shows them.
    pub fn show(&self, out: Printer) {
        out.line(format!("{} bills, {} yuan before reductions", self.bills.count, self.bills.amount));
        let rows = |what: &str, sums: Vec<(String, &Sum)>| {
            let head = vec![what.to_owned(), "count".to_owned(), "yuan".to_owned()];
            let rows = sums.into_iter().map(|(name, sum)| vec![name, sum.count.to_string(), sum.amount.to_string()]);
            out.table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        };
        rows("category (lines)", self.categories.iter().map(|(name, sum)| (name.clone(), sum)).collect());
        rows("payer (lines)", self.payers.iter().map(|(name, sum)| (name.clone(), sum)).collect());
        if self.days.len() <= MAX_DAYS {
            rows("day (bills)", self.days.iter().map(|(day, sum)| (day.to_string(), sum)).collect());
        } else {
            let months = self.by_month();
            rows("month (bills)", months.iter().map(|(month, sum)| (month.clone(), sum)).collect());
        }
    }

    fn by_month(&self) -> BTreeMap<String, Sum> {
        let mut months: BTreeMap<String, Sum> = BTreeMap::new();
        for (day, sum) in &self.days {
            let month = months.entry(format!("{:04}-{:02}", day.year(), day.month())).or_default();
            month.count += sum.count;
            month.amount += sum.amount;
        }
        months
    }
}
