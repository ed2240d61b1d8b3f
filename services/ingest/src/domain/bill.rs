//! What is kept of an accepted bill: its lines and reductions, for whatever corrects it later. Nothing personal, and as short as
//! it can be said in readable text: it is written with every invoice.
//!
//! `[[[1,"maintenance",8000],[2,"parts",2050,"warranty"]],[["discount",200]]]`: amounts in fen; who pays is left out of a line that
//! the customer pays.

use jifen_contracts::{
    document::{Invoice, Payer, ReductionKind, Refund},
    event::{AcceptedLine, AcceptedReduction, RefundedLine},
};
use jifen_kernel::{Money, Token};
use serde::{Deserialize, Serialize};

/// A bill's lines and reductions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// The lines, in the bill's order.
    pub lines: Vec<AcceptedLine>,
    /// What was taken off the whole bill.
    pub reductions: Vec<AcceptedReduction>,
}

/// A line as kept. The longest form first: each is a list of another length.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeptLine {
    Principal(u32, Token, i64, Payer, i64),
    Payer(u32, Token, i64, Payer),
    Customer(u32, Token, i64),
}

impl KeptLine {
    fn of(line: &AcceptedLine) -> Self {
        let (category, amount) = (line.category.clone(), line.amount.fen());
        match (line.principal, line.payer) {
            (Some(principal), payer) => Self::Principal(line.line, category, amount, payer, principal.fen()),
            (None, Payer::Customer) => Self::Customer(line.line, category, amount),
            (None, payer) => Self::Payer(line.line, category, amount, payer),
        }
    }

    fn line(self) -> AcceptedLine {
        let (line, category, amount, payer, principal) = match self {
            Self::Principal(line, category, amount, payer, principal) => (line, category, amount, payer, Some(principal)),
            Self::Payer(line, category, amount, payer) => (line, category, amount, payer, None),
            Self::Customer(line, category, amount) => (line, category, amount, Payer::Customer, None),
        };
        AcceptedLine { line, category, payer, amount: Money::from_fen(amount), principal: principal.map(Money::from_fen) }
    }
}

impl Bill {
    /// Of an invoice: descriptions stay behind.
    pub fn of(invoice: &Invoice) -> Self {
        let lines = invoice.lines.iter().map(|line| AcceptedLine {
            line: line.line,
            category: line.category.clone(),
            payer: line.payer,
            amount: line.amount,
            principal: line.principal,
        });
        let reductions = invoice.reductions.iter().map(|reduction| AcceptedReduction { kind: reduction.kind, amount: reduction.amount });
        Self { lines: lines.collect(), reductions: reductions.collect() }
    }

    /// What is to be paid, by all payers together.
    pub fn sum(&self) -> Money {
        let lines: i64 = self.lines.iter().map(|line| line.amount.fen()).sum();
        let reductions: i64 = self.reductions.iter().map(|one| one.amount.fen()).sum();
        Money::from_fen((lines - reductions).max(0))
    }

    /// As it is kept.
    pub fn text(&self) -> String {
        let lines: Vec<KeptLine> = self.lines.iter().map(KeptLine::of).collect();
        let reductions: Vec<(ReductionKind, i64)> = self.reductions.iter().map(|one| (one.kind, one.amount.fen())).collect();
        let reductions = Some(reductions).filter(|reductions| !reductions.is_empty());
        let kept = match &reductions {
            Some(reductions) => serde_json::to_string(&(lines, reductions)),
            None => serde_json::to_string(&(lines,)),
        };
        // Numbers and words: nothing that JSON can't say.
        kept.unwrap_or_default()
    }

    /// Back from what is kept.
    pub fn read(text: &str) -> Option<Self> {
        let (lines, reductions): (Vec<KeptLine>, Vec<(ReductionKind, i64)>) = match serde_json::from_str(text) {
            Ok(both) => both,
            Err(_) => (serde_json::from_str::<(Vec<KeptLine>,)>(text).ok()?.0, Vec::new()),
        };
        let reduction = |(kind, fen)| AcceptedReduction { kind, amount: Money::from_fen(fen) };
        Some(Self { lines: lines.into_iter().map(KeptLine::line).collect(), reductions: reductions.into_iter().map(reduction).collect() })
    }
}

/// What a refund pays back, as events say it.
pub fn refunded(refund: &Refund) -> Vec<RefundedLine> {
    refund.lines.iter().map(|line| RefundedLine { line: line.line, amount: line.amount }).collect()
}

/// The same, as it is kept: `[[1,20000]]`.
pub fn refund_text(refund: &Refund) -> String {
    let lines: Vec<(u32, i64)> = refund.lines.iter().map(|line| (line.line, line.amount.fen())).collect();
    serde_json::to_string(&lines).unwrap_or_default()
}

/// What a refund paid back, from what is kept of it.
pub fn refund_sum(text: &str) -> Money {
    let lines: Vec<(u32, i64)> = serde_json::from_str(text).unwrap_or_default();
    Money::from_fen(lines.iter().map(|(_, fen)| fen).sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::samples::{document, invoice};

    #[test]
    fn what_is_kept_is_short_and_read_again() {
        let bill = Bill::of(&invoice("R1"));
        assert_eq!(bill.text(), r#"[[[1,"maintenance",80000]]]"#);
        assert_eq!(Bill::read(&bill.text()), Some(bill));
        let mut data = document("R2");
        data["lines"] = json!([
            {"line": 1, "category": "maintenance", "payer": "customer", "amount": "80.00", "description": "王小明"},
            {"line": 2, "category": "parts", "payer": "warranty", "amount": "20.50"},
            {"line": 3, "category": "repair", "payer": "stored_value", "amount": "600", "principal": "500"},
        ]);
        data["reductions"] = json!([{"kind": "discount", "amount": "2"}, {"kind": "points", "amount": "1"}]);
        let bill = Bill::of(&jifen_contracts::document::StoreDocument::read(data.as_object().expect("object")).expect("a bill"));
        let kept = r#"[[[1,"maintenance",8000],[2,"parts",2050,"warranty"],[3,"repair",60000,"stored_value",50000]],[["discount",200],["points",100]]]"#;
        assert_eq!(bill.text(), kept);
        assert_eq!(Bill::read(kept), Some(bill));
        for none in ["", "[]", "{}", "[[[1]]]"] {
            assert_eq!(Bill::read(none), None, "{none}");
        }
    }
}
