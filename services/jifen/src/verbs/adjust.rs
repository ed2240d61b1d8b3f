//! `jifen adjust`: points given or taken by staff.

use anyhow::{Context, Result};
use clap::Subcommand;
use jifen_contracts::endpoint::{
    AdjustmentApprove, AdjustmentCreate, AdjustmentCreateRequest, AdjustmentDecisionRequest, AdjustmentList, AdjustmentReject,
    AdjustmentReply, AdjustmentState, AdjustmentsRequest,
};
use jifen_kernel::Points;
use serde::Deserialize;
use uuid::Uuid;

use super::freeze::{By, operation_id};
use crate::{client::Client, output::Printer, settings::Settings};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Gives points, or takes some where the number is negative.
    Create {
        /// The number on the card.
        member_no: String,
        /// How many.
        #[arg(allow_hyphen_values = true)]
        points: i64,
        /// The store that it is charged to.
        #[arg(long)]
        store: String,
        /// One of the program's reasons: goodwill, complaint, correction, abuse.
        #[arg(long)]
        reason: String,
        /// More about it; no personal values.
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        by: By,
    },
    /// A second person agrees to what waits.
    Approve {
        /// Its key, from the list.
        adjustment_id: Uuid,
        #[command(flatten)]
        by: By,
    },
    /// A second person refuses what waits.
    Reject {
        /// Its key, from the list.
        adjustment_id: Uuid,
        #[command(flatten)]
        by: By,
    },
    /// Lists them, newest first.
    List {
        /// Only of this member.
        #[arg(long)]
        member_no: Option<String>,
        /// Only waiting, posted or rejected ones.
        #[arg(long)]
        state: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

pub async fn run(settings: &Settings, verb: Verb, out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    let operation_id = operation_id();
    let shown = match verb {
        Verb::Create { member_no, points, store, reason, note, by } => {
            let request = AdjustmentCreateRequest { operation_id, store, member_no, points: Points(points), reason, note, by: by.into() };
            vec![client.ask::<AdjustmentCreate>(&request).await?]
        }
        Verb::Approve { adjustment_id, by } => {
            let request = AdjustmentDecisionRequest { operation_id, adjustment_id, by: by.into() };
            vec![client.ask::<AdjustmentApprove>(&request).await?]
        }
        Verb::Reject { adjustment_id, by } => {
            let request = AdjustmentDecisionRequest { operation_id, adjustment_id, by: by.into() };
            vec![client.ask::<AdjustmentReject>(&request).await?]
        }
        Verb::List { member_no, state, limit } => {
            let state = state.map(|state| AdjustmentState::deserialize(serde_json::Value::String(state))).transpose();
            let state = state.context("--state must be waiting, posted or rejected")?;
            let request = AdjustmentsRequest { member_no, state, limit: Some(limit), before: None };
            client.ask::<AdjustmentList>(&request).await?.adjustments
        }
    };
    show(shown, out);
    Ok(())
}

fn show(adjustments: Vec<AdjustmentReply>, out: Printer) {
    let head =
        ["adjustment_id", "member", "points", "state", "store", "reason", "by", "decided by", "at", "note"].map(str::to_owned).to_vec();
    let rows = adjustments.into_iter().map(|adjustment| {
        vec![
            adjustment.adjustment_id.to_string(),
            adjustment.member_no,
            adjustment.points.to_string(),
            adjustment.state.as_str().to_owned(),
            adjustment.store.to_string(),
            adjustment.reason,
            format!("{} ({})", adjustment.by.staff_id, adjustment.by.role),
            adjustment.decided_by.map(|by| format!("{} ({})", by.staff_id, by.role)).unwrap_or_default(),
            adjustment.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            adjustment.note.unwrap_or_default(),
        ]
    });
    out.table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
}
