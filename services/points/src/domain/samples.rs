//! What the domain's tests are given.

use std::collections::BTreeMap;

use chrono::DateTime;
use jifen_contracts::{
    code::Text,
    document::Payer,
    event::{AcceptedLine, AccrualSource, Bonus, BonusRule, InvoiceAccepted},
    program::{AppliedProgram, Earn, Expiry, ExpiryMode, Membership, Messages, Program, Stacking},
};
use jifen_kernel::{MemberId, Money, Points, Rate, StoreCode, Token};
use uuid::Uuid;

use super::direct::DirectAccrual;

pub fn member(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

pub fn applied() -> AppliedProgram {
    let rates = [("maintenance", "1.5"), ("repair", "1.0"), ("parts", "1.2"), ("pass_through", "0")];
    let rates: BTreeMap<Token, Rate> =
        rates.map(|(category, rate)| (Token::try_new(category).expect("token"), Rate::try_new(rate).expect("rate"))).into();
    AppliedProgram {
        version: 1,
        hash: String::new(),
        effective_from: "2000-01-01".parse().expect("date"),
        applied_at: DateTime::UNIX_EPOCH,
        program: Program {
            name: "test".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            stores: vec![jifen_contracts::program::Store {
                code: StoreCode::try_new("SH01").expect("store"),
                name: Text::new("一店", "One"),
                brand: None,
            }],
            earn: Earn { rates, first_spending: Points(100), ..Earn::default() },
            expiry: Expiry {
                months: 24,
                mode: ExpiryMode::EndOfMonth,
                min_days_after_posting: 30,
                days: Vec::new(),
                reminders: Expiry::usual_reminders(),
                revival: None,
            },
            tiers: Vec::new(),
            ladder: jifen_contracts::program::Ladder::default(),
            campaigns: Vec::new(),
            stacking: Stacking::default(),
            holidays: Vec::new(),
            membership: Membership::default(),
            redemption: jifen_contracts::program::Redemption::default(),
            settlement: jifen_contracts::program::Settlement::default(),
            adjustments: jifen_contracts::program::Adjustments::default(),
            messages: Messages { sign: "积分".to_owned(), ..Messages::default() },
        },
    }
}

pub fn invoice(number: &str, category: &str, amount: &str) -> InvoiceAccepted {
    let issued_at = "2026-10-01T02:21:33Z".parse().expect("instant");
    InvoiceAccepted {
        awaiting_activation: false,
        store: StoreCode::try_new("SH01").expect("store"),
        invoice_no: number.to_owned(),
        member_id: member(1),
        member_no: "M1".to_owned(),
        issued_at,
        business_date: "2026-10-01".parse().expect("date"),
        received_at: issued_at,
        program_version: 1,
        replaces: None,
        vehicle: None,
        advisor: None,
        lines: vec![AcceptedLine {
            line: 1,
            category: Token::try_new(category).expect("token"),
            payer: Payer::Customer,
            amount: Money::try_new(amount).expect("money"),
            principal: None,
        }],
        reductions: Vec::new(),
    }
}

pub fn bonus(campaign: &str, category: &str, factor_basis_points: u32, points: i64) -> Bonus {
    let token = |text| Token::try_new(text).expect("token");
    let rule = BonusRule::Multiplier { category: token(category), factor_basis_points };
    Bonus { campaign: token(campaign), version: 1, points: Points(points), rule }
}

/// A review.
pub fn direct(number: &str, who: u128) -> DirectAccrual {
    DirectAccrual {
        source: AccrualSource::Interaction,
        store: StoreCode::try_new("SH01").expect("store"),
        document: number.to_owned(),
        member_id: member(who),
        member_no: "M1".to_owned(),
        occurred_at: "2026-10-01T02:21:33Z".parse().expect("instant"),
        business_date: "2026-10-01".parse().expect("date"),
        program_version: 1,
        subject: "review".to_owned(),
        about: None,
        amount: None,
        bonuses: Vec::new(),
        qualifying: true,
        awaiting: false,
        hold: None,
        expires_on: "2028-10-31".parse().expect("date"),
    }
}
