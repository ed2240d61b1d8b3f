//! Documents that correct an invoice: what a refund or a void comes to, and what becomes of an invoice that another one
//! replaces.
//!
//! A correction names no customer: it is whose invoice it is, and it follows that. While the invoice has not come, or waits itself,
//! the correction waits; when the invoice lapses, so does it. An invoice is taken back once, by whatever came first: a second void
//! of it is accepted and changes nothing. So is more refunded than a line had cost: what stays is points' to say. Each invoice
//! takes back the one that it replaces as soon as it has come, also while it waits for a customer, and whatever becomes of it: of
//! invoices that replace each other in a circle none counts, in whatever order they come.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    code,
    document::{Fault, Refund},
};
use jifen_kernel::MemberId;

use super::{bill::Bill, content::Content, standing::Standing};

/// An accepted invoice, as its corrections see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Whose it is.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Its stamp.
    pub program_version: u32,
    /// Its lines; nothing where an older release accepted it.
    pub bill: Option<Bill>,
    /// It counts no longer.
    pub is_voided: bool,
}

/// The invoice that a correction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// It has not come.
    Absent,
    /// It waits itself.
    Parked,
    /// It waited too long, and never earned.
    Lapsed,
    /// It counted.
    Accepted(Accepted),
}

/// A void, or an invoice in another's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voiding {
    /// Its number.
    pub number: String,
    /// It is an invoice.
    pub is_replacement: bool,
    /// When it was issued.
    pub at: DateTime<Utc>,
    /// Its local day.
    pub business_date: NaiveDate,
    /// When it first arrived.
    pub received_at: DateTime<Utc>,
}

/// What a refund or void comes to.
pub fn decide_correction(content: &Content, target: &Target) -> Result<Standing, Fault> {
    let accepted = match target {
        Target::Absent | Target::Parked => return Ok(Standing::Parked(code::DOCUMENT_AWAITS_INVOICE)),
        Target::Lapsed => return Ok(Standing::Lapsed),
        Target::Accepted(accepted) => accepted,
    };
    if let Content::Refund(refund) = content {
        let Some(bill) = &accepted.bill else {
            let detail = "the invoice was accepted by a release that kept no lines; a void of it can be taken";
            return Err(Fault::at(code::DOCUMENT_UNSUPPORTED, "/invoice_no").detail(detail));
        };
        lines_are_known(refund, bill)?;
    }
    Ok(Standing::Corrects { member_id: accepted.member_id, program_version: accepted.program_version })
}

fn lines_are_known(refund: &Refund, bill: &Bill) -> Result<(), Fault> {
    let known = |number: u32| bill.lines.iter().any(|line| line.line == number);
    match refund.lines.iter().position(|line| !known(line.line)) {
        None => Ok(()),
        Some(place) => {
            let detail = format!("the invoice has no line {}", refund.lines[place].line);
            Err(Fault::at(code::DOCUMENT_UNKNOWN_LINE, format!("/lines/{place}/line")).detail(detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{invoice, refund, void};

    fn accepted(bill: Option<Bill>) -> Target {
        let member_id = MemberId(uuid::Uuid::from_u128(1));
        Target::Accepted(Accepted { member_id, member_no: "M1".to_owned(), program_version: 3, bill, is_voided: false })
    }

    #[test]
    fn a_correction_follows_its_invoice() {
        for content in [refund("C1", "R1", 1, "200"), void("V1", "R1")] {
            for target in [Target::Absent, Target::Parked] {
                assert_eq!(decide_correction(&content, &target), Ok(Standing::Parked(code::DOCUMENT_AWAITS_INVOICE)));
            }
            assert_eq!(decide_correction(&content, &Target::Lapsed), Ok(Standing::Lapsed));
            let found = decide_correction(&content, &accepted(Some(Bill::of(&invoice("R1")))));
            assert!(matches!(found, Ok(Standing::Corrects { program_version: 3, .. })), "{found:?}");
        }
    }

    #[test]
    fn a_line_that_the_invoice_has_not_is_named_and_more_than_it_cost_is_taken() {
        let bill = accepted(Some(Bill::of(&invoice("R1"))));
        assert!(decide_correction(&refund("C1", "R1", 1, "99999"), &bill).is_ok());
        let fault = decide_correction(&refund("C1", "R1", 2, "1"), &bill).expect_err("no line 2");
        assert_eq!((fault.code, fault.pointer.as_deref()), (code::DOCUMENT_UNKNOWN_LINE, Some("/lines/0/line")));
        // Of an invoice whose lines were not kept only the whole can be taken back.
        let fault = decide_correction(&refund("C1", "R1", 1, "1"), &accepted(None)).expect_err("not kept");
        assert_eq!((fault.code, fault.pointer.as_deref()), (code::DOCUMENT_UNSUPPORTED, Some("/invoice_no")));
        assert!(decide_correction(&void("V1", "R1"), &accepted(None)).is_ok());
    }
}
