//! `jifen day`: what a store says of its day, against what arrived of it.

use std::process::ExitCode;

use anyhow::Result;
use chrono::NaiveDate;
use jifen_contracts::{
    endpoint::{DayCompare, DayRequest},
    event::{DayDifference, DayDifferenceKind, DaySide},
};

use crate::{client::Client, output::Printer, settings::Settings};

/// Which day.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The store's code.
    store: String,
    /// The local day, such as 2026-10-31.
    day: NaiveDate,
    /// All of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Fails where anything differs, and where the store has not closed the day: for whoever checks from a script.
pub async fn day(settings: &Settings, options: Options, out: Printer) -> Result<ExitCode> {
    let client = Client::connect(settings).await?;
    let found = client.ask::<DayCompare>(&DayRequest { store: options.store, day: options.day }).await?;
    let equal = found.closed_at.is_some() && found.invoice_differences.is_empty() && found.refund_differences.is_empty();
    let code = if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if options.json {
        out.line(serde_json::to_string_pretty(&found)?);
        return Ok(code);
    }
    let closed = found.closed_at.map_or_else(|| "未日结 not closed".to_owned(), |at| format!("已日结 closed {}", at.to_rfc3339()));
    out.line(format!("{} {}  {closed}", found.store, found.day));
    let head = ["", "笔数 count", "金额 sum", "首号 first", "末号 last"].map(str::to_owned).to_vec();
    let sides = [("结算单 invoices", &found.invoices), ("退款单 refunds", &found.refunds)];
    out.table(&[vec![head], sides.into_iter().flat_map(|(name, side)| rows(name, side)).collect()].concat());
    let differences = [("结算单 invoice", &found.invoice_differences), ("退款单 refund", &found.refund_differences)];
    for (name, difference) in differences.into_iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one))) {
        out.line(format!("{name}: {}", said(difference)));
    }
    if found.closed_at.is_some() {
        out.note(if equal { "一致 equal" } else { "不一致 DIFFERENT" });
    }
    Ok(code)
}

fn rows(name: &str, side: &DaySide) -> Vec<Vec<String>> {
    let row = |of: &str, count: u32, sum: String, numbers: [&Option<String>; 2]| {
        let [first, last] = numbers.map(|number| number.clone().unwrap_or_default());
        vec![format!("{name} {of}"), count.to_string(), sum, first, last]
    };
    let said = side.said.as_ref().map(|said| row("门店 said", said.count, said.sum.to_string(), [&said.first, &said.last]));
    let arrived = &side.arrived;
    let arrived = row("到达 arrived", arrived.count, arrived.sum.to_string(), [&arrived.first, &arrived.last]);
    said.into_iter().chain([arrived]).collect()
}

fn said(difference: &DayDifference) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let document = text(&difference.document);
    let (said, arrived) = (text(&difference.said), text(&difference.arrived));
    match difference.kind {
        DayDifferenceKind::Missing => format!("缺失 {document} missing: it never came, or was refused (`jifen rejects list`)"),
        DayDifferenceKind::MissingOrUnused => {
            format!("缺失或未使用 {document} missing or unused: it never came, or was refused, or is a number that the store didn't issue")
        }
        DayDifferenceKind::OtherDay => format!("日期不符 {document} came for another day: {arrived}"),
        DayDifferenceKind::NotCounted => format!("门店未计入 {document} came, and the store's numbers leave it out"),
        DayDifferenceKind::Count => format!("笔数不符 count: said {said}, arrived {arrived}"),
        DayDifferenceKind::Sum => format!("金额不符 sum: said {said}, arrived {arrived}"),
        DayDifferenceKind::First => format!("首号不符 first number: said {said}, arrived {arrived}"),
        DayDifferenceKind::Last => format!("末号不符 last number: said {said}, arrived {arrived}"),
    }
}
