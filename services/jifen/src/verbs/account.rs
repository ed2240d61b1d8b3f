//! `jifen account`: a member's points, tier and last entries.

use anyhow::Result;
use jifen_contracts::endpoint::{AccountGet, EntriesList, EntriesRequest, MemberGet, MemberRequest, StandingGet};

use crate::{client::Client, output::Printer, settings::Settings};

/// Entries shown.
const ENTRIES: u32 = 10;

pub async fn account(settings: &Settings, member_no: &str, out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    show(&client, member_no, out).await
}

pub async fn show(client: &Client, member_no: &str, out: Printer) -> Result<()> {
    let who = MemberRequest { member_no: member_no.to_owned() };
    let page = EntriesRequest { member_no: member_no.to_owned(), limit: Some(ENTRIES), before: None };
    let (member, account, standing, entries) = tokio::join!(
        client.ask::<MemberGet>(&who),
        client.ask::<AccountGet>(&who),
        client.ask::<StandingGet>(&who),
        client.ask::<EntriesList>(&page),
    );
    let (member, account, standing, entries) = (member?, account?, standing?, entries?);
    out.line(format!("会员 {}  {}  {}  （{}）", member.member_no, member.name_masked, member.phone_masked, member.store));
    out.line(format!(
        "等级 {} ({})   定级积分 {}{}",
        standing.name.zh,
        standing.tier,
        standing.qualifying,
        standing.next.map(|next| format!("   距 {} 还差 {}", next.tier, next.missing.points)).unwrap_or_default()
    ));
    if let Some(year) = &standing.year {
        let kept = if year.earned { "已保级 earned" } else { "尚未保级 not earned yet" };
        out.line(format!("  会员年度 {} - {}，宽限至 {}   {kept}", year.from, year.to, year.grace_to));
    }
    for one in &standing.entitlements {
        out.line(format!("  权益 {} ({})   剩余 {}/{}   有效至 {}", one.name.zh, one.benefit, one.left, one.count, one.valid_until));
    }
    out.line(format!(
        "可用 active {}   待生效 pending {}   预扣 reserved {}   欠分 debt {}   累计 lifetime {}",
        account.active, account.pending, account.reserved, account.debt, account.lifetime
    ));
    if account.frozen {
        out.line("账户已冻结 frozen：可积分，不可使用");
    }
    for expiring in &account.expiring {
        out.line(format!("  到期 {}  {} 分", expiring.on, expiring.points));
    }
    let head = ["#", "points", "kind", "store", "document", "rule", "expires", "why"].map(str::to_owned).to_vec();
    let rows = entries.entries.into_iter().map(|entry| {
        vec![
            entry.sequence.to_string(),
            format!("{}{}", sign(&entry.debit, &entry.credit), entry.points),
            entry.kind.as_str().to_owned(),
            entry.store,
            entry.document,
            entry.rule,
            entry.expires_on.to_string(),
            entry.why.zh,
        ]
    });
    out.table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    Ok(())
}

/// What an entry does to all that the member has: many only move it. What leaves `debt` for outside is owed.
fn sign(debit: &str, credit: &str) -> &'static str {
    let own = |name: &str| ["active", "pending", "reserved", "debt"].contains(&name);
    match (own(debit), own(credit)) {
        (false, _) => "+",
        (true, false) => "-",
        (true, true) => "=",
    }
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn a_sign_says_what_becomes_of_all_that_a_member_has() {
        for (debit, credit, expected) in [
            ("issued:SH01", "active", "+"),
            ("active", "reserved", "="),
            ("reserved", "redeemed:SH02", "-"),
            ("redeemed:SH02", "active", "+"),
            ("active", "debt", "="),
            ("debt", "issued:SH01", "-"),
            ("adjusted", "active", "+"),
            ("active", "adjusted", "-"),
        ] {
            assert_eq!(sign(debit, credit), expected, "{debit} -> {credit}");
        }
    }
}
