//! How a number came about, in a sentence.

use jifen_contracts::{
    code::Text,
    event::{AccrualSource, EntryKind},
};
use jifen_kernel::Money;

use crate::{domain::direct::Outcome, store::listing::ListedEntry};

/// Of an entry.
pub fn why(entry: &ListedEntry) -> Text {
    let rate = entry.rate.as_deref().unwrap_or("?");
    match entry.posted.kind {
        EntryKind::Accrual => of_accrual(entry, rate),
        EntryKind::FirstSpending => Text::new("首次消费奖励", "for the first spending"),
        EntryKind::Bonus if entry.source == AccrualSource::Grant => Text::new("活动奖励", "granted by a campaign"),
        EntryKind::Bonus => of_bonus(entry, rate),
        EntryKind::Interaction => Text::new("互动奖励", "for an interaction"),
        EntryKind::Partner => {
            let paid = paid_of(entry);
            Text::new(format!("合作商消费 {paid} 元，按合作商费率取整"), format!("{paid} yuan paid to a partner, at its rate, floored"))
        }
        EntryKind::Activation => Text::new("待生效积分转为可用", "pending points became spendable"),
        EntryKind::Lapse => Text::new("会员未激活，待生效积分已收回", "the member wasn't activated: pending points went back"),
        EntryKind::Reversal => of_reversal(&entry.posted.rule),
        EntryKind::Repayment => Text::new("抵还欠分", "repaid a debt"),
        EntryKind::Hold => Text::new("兑换/抵扣预占", "reserved for a redemption"),
        EntryKind::Capture => Text::new("兑换/抵扣", "spent"),
        EntryKind::Release => Text::new("预占取消，积分退回", "a reservation ended: points came back"),
        EntryKind::Return => Text::new("所抵扣的结算单作废，积分退回", "what they were spent on was voided: points came back"),
        EntryKind::Expiry => Text::new("积分到期", "expired unspent"),
        EntryKind::Revival => Text::new("过期积分恢复", "expired points live again"),
        EntryKind::Adjustment => of_adjustment(entry),
        EntryKind::Import => Text::new("期初余额导入", "an opening balance"),
    }
}

fn of_accrual(entry: &ListedEntry, rate: &str) -> Text {
    let (category, paid, points) = (category_of(entry), paid_of(entry), entry.posted.points);
    match entry.base {
        Some(base) => Text::new(
            format!("{category}：客户实付 {paid} 元 × {rate} 分/元，取整得 {base} 分，封顶后 {points} 分"),
            format!("{category}: {paid} yuan paid by the customer x {rate} points a yuan, floored to {base}, cut by a cap to {points}"),
        ),
        None => Text::new(
            format!("{category}：客户实付 {paid} 元 × {rate} 分/元，取整"),
            format!("{category}: {paid} yuan paid by the customer x {rate} points a yuan, floored"),
        ),
    }
}

fn of_bonus(entry: &ListedEntry, rate: &str) -> Text {
    let (category, Some(base)) = (category_of(entry), entry.base) else {
        return Text::new("活动固定奖励", "campaign: a fixed bonus");
    };
    Text::new(
        format!("活动加倍：{category} 基础 {base} 分 × ({rate} - 1)，取整，以活动预算为限"),
        format!("campaign: {base} base points of {category} x ({rate} - 1), floored, within the campaign's budget"),
    )
}

/// The rule of a reversal is `<correction>:<number>`.
fn of_reversal(rule: &str) -> Text {
    let (kind, number) = rule.split_once(':').unwrap_or((rule, ""));
    match kind {
        "refund" => Text::new(format!("退款 {number}，积分冲回"), format!("refund {number}: points taken back")),
        "rejection" => Text::new("审核未通过，待生效积分已收回", "a reviewer refused them: pending points went back"),
        "void" => Text::new(format!("结算单作废 {number}，积分冲回"), format!("the invoice was voided by {number}: points taken back")),
        _ => Text::new(format!("结算单由 {number} 取代，积分冲回"), format!("the invoice was replaced by {number}: points taken back")),
    }
}

/// The rule of an adjustment is `adjustment:<reason>@<version>`.
fn of_adjustment(entry: &ListedEntry) -> Text {
    let reason = entry.posted.rule.split([':', '@']).nth(1).unwrap_or_default();
    if entry.debit == "active" {
        Text::new(format!("人工扣减（{reason}）"), format!("taken by staff ({reason})"))
    } else {
        Text::new(format!("人工增加（{reason}）"), format!("given by staff ({reason})"))
    }
}

fn category_of(entry: &ListedEntry) -> &str {
    entry.posted.category.as_ref().map_or("", |category| category.as_str())
}

fn paid_of(entry: &ListedEntry) -> Money {
    Money::from_fen(entry.paid_fen.unwrap_or_default())
}

/// Of an accrual without an invoice.
pub fn why_outcome(outcome: Outcome) -> Text {
    let (zh, en) = match outcome {
        Outcome::Rewarded => ("按规则奖励", "rewarded by its rule"),
        Outcome::Off => ("该类互动未开放奖励", "this kind earns nothing now"),
        Outcome::OverLimit => ("本周期奖励次数已满", "the period has had its rewards"),
        Outcome::AboutMissing => ("未说明所关联的工单或活动", "it doesn't say which order or event it is about"),
        Outcome::OrderUnknown => ("所关联的工单不存在", "the order that it is about never came"),
        Outcome::OtherMember => ("所关联的工单属于其他会员", "the order that it is about is another member's"),
        Outcome::TooLate => ("超过工单结算后的有效天数", "the order that it is about is too old"),
        Outcome::BelowOnePoint => ("金额不足一积分", "too little for a point"),
        Outcome::BudgetSpent => ("合作商预算已用完，按剩余预算发放", "the partner's budget had less left"),
    };
    Text::new(zh, en)
}
