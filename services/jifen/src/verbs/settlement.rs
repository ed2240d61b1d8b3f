//! `jifen settlement`: a month between stores, for people and as CSV for the books.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use jifen_points::settlement::{self, GROUP, Month};
use sqlx::Connection;

use super::verify::{connect, installation};
use crate::{output::Printer, settings::Settings, sheet::cell};

/// Which month.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The month, such as 2026-10.
    #[arg(long, value_parser = month)]
    month: NaiveDate,
    /// Writes pairs, stores, journals and late facts as CSV into this folder.
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
}

fn month(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").map_err(|_| "write the month as 2026-10".to_owned())
}

type Rows = Vec<Vec<String>>;

pub async fn settlement(settings: &Settings, options: &Options, out: Printer) -> Result<()> {
    let (_, keys) = installation(settings)?;
    let mut connection = connect(settings, &keys).await?;
    let mut moment = connection.begin_with("begin isolation level repeatable read, read only").await?;
    let found = settlement::load(&mut moment, options.month).await?;
    moment.rollback().await?;
    let name = options.month.format("%Y-%m").to_string();
    let state = found
        .closed
        .as_ref()
        .map_or_else(|| "未关账 open: may still change".to_owned(), |closed| format!("已关账 closed {}", closed.at.to_rfc3339()));
    out.line(format!("{name}  {state}  每分 {} 元/point", found.point_value));
    if let Some(folder) = &options.csv {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let parts = [
            ("pairs", pairs(&found, &name)),
            ("stores", stores(&found, &name)),
            ("journal", journal(&found, &name)),
            ("late", late(&found, &name)),
        ];
        for (part, rows) in parts {
            let path = folder.join(format!("settlement-{name}-{part}.csv"));
            write(&path, &rows).with_context(|| format!("writing {}", path.display()))?;
            out.line(path.display());
        }
        return Ok(());
    }
    for rows in [pairs(&found, &name), stores(&found, &name)] {
        if rows.len() > 1 {
            out.line("");
            out.table(&rows);
        }
    }
    let debt = found.point_value.value_of(found.settled.debt);
    out.line(format!("\n会员欠分 owed by members: {} ({debt} 元)", found.settled.debt));
    if !found.late.is_empty() {
        out.line(format!("以前月份的单据 late facts of earlier months: {}; --csv DIR lists them", found.late.len()));
    }
    Ok(())
}

fn write(path: &Path, rows: &Rows) -> Result<()> {
    fs::write(path, sheet(rows)?)?;
    Ok(())
}

/// As spreadsheets read it: with the mark by which they know UTF-8, and nothing that they would compute.
fn sheet(rows: &Rows) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().from_writer("\u{feff}".as_bytes().to_vec());
    for row in rows {
        writer.write_record(row.iter().map(|text| cell(text).into_owned()))?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The group's books have no store's code.
fn named(store: &str) -> String {
    if store == GROUP { "集团 group".to_owned() } else { store.to_owned() }
}

fn pairs(found: &Month, month: &str) -> Rows {
    let mut rows = vec![head(&[
        "月份 month",
        "出资门店 funded by",
        "使用门店 spent at",
        "兑换 spent",
        "退回 returned",
        "其他 other",
        "应付积分 due",
        "应付金额 amount",
    ])];
    rows.extend(found.settled.pairs.iter().map(|((debtor, creditor), pair)| {
        let points = [pair.spent, pair.returned, pair.other, pair.due].map(|points| points.to_string());
        [vec![month.to_owned(), named(debtor), named(creditor)], points.into(), vec![pair.amount.to_string()]].concat()
    }));
    rows
}

fn stores(found: &Month, month: &str) -> Rows {
    let mut rows = vec![head(&[
        "月份 month",
        "门店 store",
        "发放 issued",
        "冲正 reversed",
        "兑换 redeemed",
        "过期 breakage",
        "过期金额 breakage amount",
        "期末负债 liability",
        "负债金额 liability amount",
    ])];
    rows.extend(found.settled.stores.iter().map(|(store, sum)| {
        let points = [sum.issued, sum.reversed, sum.redeemed, sum.breakage].map(|points| points.to_string());
        let rest = vec![sum.breakage_amount.to_string(), sum.liability.to_string(), sum.liability_amount.to_string()];
        [vec![month.to_owned(), named(store)], points.into(), rest].concat()
    }));
    rows
}

fn journal(found: &Month, month: &str) -> Rows {
    let mut rows = vec![head(&[
        "月份 month",
        "凭证 voucher",
        "门店 store",
        "科目 account",
        "科目名称 account name",
        "对方门店 counterpart",
        "摘要 kind",
        "积分 points",
        "借方 debit",
        "贷方 credit",
    ])];
    rows.extend(found.settled.lines.iter().map(|line| {
        let account = format!("{} / {}", line.account.zh, line.account.en);
        let other = line.counterpart.as_deref().map(named).unwrap_or_default();
        let amounts = [line.points.to_string(), line.debit.to_string(), line.credit.to_string()];
        let names = vec![
            month.to_owned(),
            line.voucher.to_string(),
            named(&line.store),
            line.account.code.to_owned(),
            account,
            other,
            line.kind.clone(),
        ];
        [names, amounts.into()].concat()
    }));
    rows
}

fn late(found: &Month, month: &str) -> Rows {
    let mut rows = vec![head(&[
        "月份 month",
        "门店 store",
        "单据 document",
        "来源 source",
        "摘要 kind",
        "业务月份 business month",
        "积分 points",
        "分录数 entries",
    ])];
    rows.extend(found.late.iter().map(|late| {
        let business = late.business_month.format("%Y-%m").to_string();
        let names = [month, &late.store, &late.document, &late.source, &late.kind, &business].map(str::to_owned);
        [names.to_vec(), vec![late.points.to_string(), late.entries.to_string()]].concat()
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documents_number_is_no_formula_in_the_books() {
        let rows = vec![vec!["=1+1".to_owned(), "-12.30".to_owned(), "R1".to_owned()]];
        assert_eq!(String::from_utf8(sheet(&rows).expect("a sheet")).expect("text"), "\u{feff}'=1+1,-12.30,R1\n");
    }
}
