//! `jifen freeze`, `jifen unfreeze`: an account that nothing may leave.

use anyhow::Result;
use jifen_contracts::endpoint::{AccountFreeze, AccountUnfreeze, Endpoint, FreezeReply, FreezeRequest, Staff};
use jifen_kernel::{Clock, SystemClock};

use crate::{client::Client, output::Printer, settings::Settings};

/// Who does something.
#[derive(Debug, clap::Args)]
pub struct By {
    /// The staff number of who does it.
    #[arg(long)]
    staff: String,
    /// In which role.
    #[arg(long)]
    role: String,
}

impl From<By> for Staff {
    fn from(by: By) -> Self {
        Self { staff_id: by.staff, role: by.role }
    }
}

/// Which account, and why.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The number on the card.
    member_no: String,
    /// Why, 1 to 200 characters; no personal values.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    by: By,
}

/// An id of its own for what is typed once.
pub fn operation_id() -> String {
    jifen_kernel::Ids::system().next(SystemClock.now()).to_string()
}

pub async fn freeze(settings: &Settings, options: Options, out: Printer) -> Result<()> {
    change::<AccountFreeze>(settings, options, out).await
}

pub async fn unfreeze(settings: &Settings, options: Options, out: Printer) -> Result<()> {
    change::<AccountUnfreeze>(settings, options, out).await
}

async fn change<E: Endpoint<Request = FreezeRequest, Reply = FreezeReply>>(
    settings: &Settings,
    options: Options,
    out: Printer,
) -> Result<()> {
    let Options { member_no, reason, by } = options;
    let client = Client::connect(settings).await?;
    let request = FreezeRequest { operation_id: operation_id(), member_no: member_no.clone(), reason, by: by.into() };
    let reply = client.ask::<E>(&request).await?;
    let state = if reply.frozen { "已冻结 frozen" } else { "已解冻 unfrozen" };
    out.line(format!("{member_no} {state}"));
    Ok(())
}
