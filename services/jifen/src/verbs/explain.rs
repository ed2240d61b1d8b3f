//! `jifen explain`: how an entry came about, computed again; or why a document earned nothing.

use anyhow::{Context, Result};
use jifen_contracts::{
    endpoint::{EntriesList, EntriesRequest, EntryExplain, ExplainReply, ExplainRequest},
    event::AccrualSource,
};
use jifen_kernel::StoreCode;
use serde::Deserialize;

use crate::{client::Client, output::Printer, settings::Settings};

/// What is to be explained.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The number on the card.
    member_no: String,
    /// An entry: its place (#) in `jifen account`, or its id.
    #[arg(required_unless_present = "document")]
    entry: Option<String>,
    /// A document instead, as STORE/NUMBER: also one that earned nothing.
    #[arg(long, conflicts_with = "entry")]
    document: Option<String>,
    /// The document's kind: invoice, interaction, partner_purchase, grant.
    #[arg(long, requires = "document", default_value = "invoice")]
    source: String,
}

pub async fn explain(settings: &Settings, options: Options, out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    let request = match (&options.document, &options.entry) {
        (Some(document), _) => of_document(&options, document)?,
        (None, entry) => of_entry(&client, &options.member_no, entry.as_deref().unwrap_or_default()).await?,
    };
    show(&client.ask::<EntryExplain>(&request).await?, out);
    Ok(())
}

fn of_document(options: &Options, document: &str) -> Result<ExplainRequest> {
    let (store, document) = document.split_once('/').context("write the document as STORE/NUMBER, such as SH01/I-9")?;
    let source = AccrualSource::deserialize(serde_json::Value::String(options.source.clone()));
    let source = source.context("--source must be invoice, interaction, partner_purchase or grant")?;
    Ok(ExplainRequest {
        member_no: options.member_no.clone(),
        entry_id: None,
        source: Some(source),
        store: Some(StoreCode::try_new(store)?),
        document: Some(document.to_owned()),
    })
}

async fn of_entry(client: &Client, member_no: &str, entry: &str) -> Result<ExplainRequest> {
    let entry_id = if let Ok(id) = entry.parse() {
        id
    } else {
        let place: i64 = entry.parse().context("ENTRY is its place (#) in `jifen account`, or its id")?;
        let page = EntriesRequest { member_no: member_no.to_owned(), limit: Some(1), before: Some(place.saturating_add(1)) };
        let found = client.ask::<EntriesList>(&page).await?.entries.into_iter().find(|found| found.sequence == place);
        found.with_context(|| format!("{member_no} has no entry {place}"))?.entry_id
    };
    Ok(ExplainRequest { member_no: member_no.to_owned(), entry_id: Some(entry_id), ..ExplainRequest::default() })
}

fn show(reply: &ExplainReply, out: Printer) {
    let text = |value: String| (!value.is_empty()).then_some(value);
    let mut rows = vec![
        ("单据 document", text(format!("{} {}/{}", reply.source.as_str(), reply.store, reply.document))),
        ("营业日 business date", text(reply.business_date.to_string())),
        ("规则 rules", text(reply.entry.as_ref().map_or_else(|| format!("@{}", reply.program_version), |entry| entry.rule.clone()))),
        ("实付 paid", reply.paid.map(|paid| paid.to_string())),
        ("费率 rate", reply.rate.clone()),
        ("基础 base", reply.base.map(|base| base.to_string())),
    ];
    rows.extend(reply.caps.iter().map(|cap| ("封顶 cap", Some(format!("{:?} {}", cap.kind, cap.left)))));
    rows.extend([
        ("结果 outcome", reply.outcome.clone()),
        ("周期内已奖励 counted", reply.counted.map(|counted| counted.to_string())),
        ("预算余额 budget left", reply.budget_left.map(|left| left.to_string())),
        ("积分 points", Some(reply.points.to_string())),
        ("重算 recomputed", Some(format!("{} {}", reply.recomputed, if reply.equal { "一致 equal" } else { "不一致 DIFFERENT" }))),
        ("说明 why", Some(format!("{} / {}", reply.why.zh, reply.why.en))),
    ]);
    let rows = rows.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
    out.table(&rows.collect::<Vec<_>>());
}
