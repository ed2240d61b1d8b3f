//! Conditions of the usual kind, answered without the library: a hundred campaigns ask a hundred of them of every invoice.
//!
//! What is read here is the library's own tree, and only as much of CEL as keeps its types: truths of comparisons, memberships and
//! texts, whole numbers with their arithmetic. Any other condition is left to the library. Where both can answer they answer alike,
//! failures included: a test holds them against each other.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, operators},
};

use super::Variables;

/// Yes or no; none where it fails on these values.
#[derive(Debug, Clone)]
pub(super) enum Truth {
    Is(bool),
    Of(fn(&Variables<'_>) -> bool),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    If(Box<Self>, Box<Self>, Box<Self>),
    Same(Box<Self>, Box<Self>),
    Compares(Number, Comparison, Number),
    Equal(Text, Text),
    NumberIn(Number, Vec<Number>),
    TextIn(Text, Vec<Text>),
    Paid(Text),
    Has(Text, fn(&str, &str) -> bool, Text),
}

/// A whole number; none where it can't be computed.
#[derive(Debug, Clone)]
pub(super) enum Number {
    Is(i64),
    Of(fn(&Variables<'_>) -> i64),
    Negative(Box<Self>),
    Computed(Box<Self>, fn(i64, i64) -> Option<i64>, Box<Self>),
    If(Box<Truth>, Box<Self>, Box<Self>),
}

/// A text.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Is(String),
    Store,
    Tier,
}

/// How numbers are compared.
type Comparison = fn(&i64, &i64) -> bool;

impl Truth {
    /// Reads a condition; none if it is left to the library.
    pub(super) fn read(of: &IdedExpr) -> Option<Self> {
        match &of.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => Some(Self::Is(*value.inner())),
            Expr::Ident(name) => Some(Self::Of(match name.as_str() {
                "visit" => |of| of.visit,
                "paid_visit" => |of| of.paid_visit,
                "first_spending" => |of| of.first_spending,
                "vehicle" => |of| of.vehicle,
                _ => return None,
            })),
            Expr::Call(call) => Self::called(call),
            _ => None,
        }
    }

    fn called(call: &CallExpr) -> Option<Self> {
        let truth = |place: usize| Self::read(&call.args[place]).map(Box::new);
        if let Some(target) = &call.target {
            let has: fn(&str, &str) -> bool = match call.func_name.as_str() {
                "contains" => |text, part| text.contains(part),
                "startsWith" => |text, part| text.starts_with(part),
                "endsWith" => |text, part| text.ends_with(part),
                _ => return None,
            };
            let [part] = call.args.as_slice() else { return None };
            return Some(Self::Has(Text::read(target)?, has, Text::read(part)?));
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [_]) => Some(Self::Not(truth(0)?)),
            (operators::LOGICAL_AND, [_, _]) => Some(Self::And(truth(0)?, truth(1)?)),
            (operators::LOGICAL_OR, [_, _]) => Some(Self::Or(truth(0)?, truth(1)?)),
            (operators::CONDITIONAL, [..]) if call.args.len() == 3 => Some(Self::If(truth(0)?, truth(1)?, truth(2)?)),
            (operators::EQUALS, [left, right]) => Self::equal(left, right),
            (operators::NOT_EQUALS, [left, right]) => Some(Self::Not(Box::new(Self::equal(left, right)?))),
            (operators::IN, [wanted, list]) => Self::within(wanted, &list.expr),
            (operator, [left, right]) => {
                let compares: Comparison = match operator {
                    operators::LESS => |left, right| left < right,
                    operators::LESS_EQUALS => |left, right| left <= right,
                    operators::GREATER => |left, right| left > right,
                    operators::GREATER_EQUALS => |left, right| left >= right,
                    _ => return None,
                };
                Some(Self::Compares(Number::read(left)?, compares, Number::read(right)?))
            }
            _ => None,
        }
    }

    fn equal(left: &IdedExpr, right: &IdedExpr) -> Option<Self> {
        if let (Some(left), Some(right)) = (Number::read(left), Number::read(right)) {
            return Some(Self::Compares(left, |left, right| left == right, right));
        }
        if let (Some(left), Some(right)) = (Text::read(left), Text::read(right)) {
            return Some(Self::Equal(left, right));
        }
        Some(Self::Same(Box::new(Self::read(left)?), Box::new(Self::read(right)?)))
    }

    fn within(wanted: &IdedExpr, list: &Expr) -> Option<Self> {
        match list {
            Expr::Ident(name) if name == "categories" => Some(Self::Paid(Text::read(wanted)?)),
            Expr::List(list) if list.optional_indices.is_empty() => match Text::read(wanted) {
                Some(wanted) => Some(Self::TextIn(wanted, list.elements.iter().map(Text::read).collect::<Option<_>>()?)),
                None => Some(Self::NumberIn(Number::read(wanted)?, list.elements.iter().map(Number::read).collect::<Option<_>>()?)),
            },
            _ => None,
        }
    }

    /// The answer for an invoice.
    pub(super) fn answer(&self, of: &Variables<'_>) -> Option<bool> {
        match self {
            Self::Is(value) => Some(*value),
            Self::Of(value) => Some(value(of)),
            Self::Not(inner) => inner.answer(of).map(|value| !value),
            // One side may decide although the other one fails; but the left one is answered whatever fails on the right.
            Self::And(left, right) => match left.answer(of) {
                Some(false) => Some(false),
                left => match (left, right.answer(of)?) {
                    (Some(_), right) => Some(right),
                    (None, right) => (!right).then_some(false),
                },
            },
            Self::Or(left, right) => match left.answer(of) {
                Some(true) => Some(true),
                left => match (left, right.answer(of)?) {
                    (Some(_), right) => Some(right),
                    (None, right) => right.then_some(true),
                },
            },
            Self::If(asked, yes, no) => {
                if asked.answer(of)? {
                    yes.answer(of)
                } else {
                    no.answer(of)
                }
            }
            Self::Same(left, right) => Some(left.answer(of)? == right.answer(of)?),
            Self::Compares(left, compares, right) => Some(compares(&left.value(of)?, &right.value(of)?)),
            Self::Equal(left, right) => Some(left.value(of) == right.value(of)),
            Self::NumberIn(wanted, list) => {
                let wanted = wanted.value(of)?;
                // Every element is computed, as the library does: one that fails is a failure, found or not.
                list.iter().try_fold(false, |found, one| Some(found | (one.value(of)? == wanted)))
            }
            Self::TextIn(wanted, list) => Some(list.iter().any(|one| one.value(of) == wanted.value(of))),
            Self::Paid(category) => Some(of.categories.contains(&category.value(of))),
            Self::Has(text, has, part) => Some(has(text.value(of), part.value(of))),
        }
    }
}

impl Number {
    fn read(of: &IdedExpr) -> Option<Self> {
        match &of.expr {
            Expr::Literal(LiteralValue::Int(value)) => Some(Self::Is(*value.inner())),
            Expr::Ident(name) => Some(Self::Of(match name.as_str() {
                "base" => |of| of.base,
                "paid_fen" => |of| of.paid_fen,
                "month" => |of| of.month.into(),
                "day" => |of| of.day.into(),
                "weekday" => |of| of.weekday.into(),
                "hour" => |of| of.hour.into(),
                _ => return None,
            })),
            Expr::Call(call) if call.target.is_none() => Self::called(call),
            _ => None,
        }
    }

    fn called(call: &CallExpr) -> Option<Self> {
        let number = |place: usize| Self::read(&call.args[place]).map(Box::new);
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::NEGATE, [_]) => Some(Self::Negative(number(0)?)),
            (operators::CONDITIONAL, [asked, _, _]) => Some(Self::If(Box::new(Truth::read(asked)?), number(1)?, number(2)?)),
            ("size", [list]) => match &list.expr {
                Expr::Ident(name) if name == "categories" => Some(Self::Of(|of| i64::try_from(of.categories.len()).unwrap_or(i64::MAX))),
                _ => None,
            },
            (operator, [_, _]) => {
                let computed = match operator {
                    operators::ADD => i64::checked_add,
                    operators::SUBSTRACT => i64::checked_sub,
                    operators::MULTIPLY => i64::checked_mul,
                    operators::DIVIDE => i64::checked_div,
                    operators::MODULO => i64::checked_rem,
                    _ => return None,
                };
                Some(Self::Computed(number(0)?, computed, number(1)?))
            }
            _ => None,
        }
    }

    fn value(&self, of: &Variables<'_>) -> Option<i64> {
        match self {
            Self::Is(value) => Some(*value),
            Self::Of(value) => Some(value(of)),
            Self::Negative(inner) => inner.value(of)?.checked_neg(),
            Self::Computed(left, computed, right) => computed(left.value(of)?, right.value(of)?),
            Self::If(asked, yes, no) => {
                if asked.answer(of)? {
                    yes.value(of)
                } else {
                    no.value(of)
                }
            }
        }
    }
}

impl Text {
    fn read(of: &IdedExpr) -> Option<Self> {
        match &of.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(Self::Is(text.inner().to_owned())),
            Expr::Ident(name) if name == "store" => Some(Self::Store),
            Expr::Ident(name) if name == "tier" => Some(Self::Tier),
            _ => None,
        }
    }

    fn value<'a>(&'a self, of: &'a Variables<'_>) -> &'a str {
        match self {
            Self::Is(text) => text,
            Self::Store => of.store,
            Self::Tier => of.tier,
        }
    }
}

#[cfg(test)]
mod tests;
