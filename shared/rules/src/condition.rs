//! Conditions in CEL: yes or no over documented variables, all of them whole numbers, texts or truths. CEL decides, Rust computes.
//!
//! A condition comes from a program's author and runs in every copy on every invoice of its days, so it is narrow: bounded
//! in length, brackets and operators (the library walks its tree by recursion), without loops, decimals or names that are not
//! listed here. What passes [`Condition::compile`] can't fail for a missing name.

mod quick;

use std::{
    cell::OnceCell,
    fmt,
    sync::{Arc, LazyLock},
    thread,
};

use cel::{Context, Env, Program, Value};

use self::quick::Truth;

/// Bytes of a condition.
pub const MOST_BYTES: usize = 2_048;
/// Opening brackets of a condition.
pub const MOST_BRACKETS: usize = 16;
/// Signs of operators: each may be one more step down when it runs.
pub const MOST_OPERATORS: usize = 24;
/// The parser's own stack: it needs far more than running does.
const PARSER_STACK_BYTES: usize = 64 << 20;

/// What a condition may name, with what it is; also what the documentation lists.
pub const VARIABLES: [(&str, &str); 13] = [
    ("store", "text: the issuing store"),
    ("tier", "text: the member's tier at settlement"),
    ("categories", "list of texts: categories that the customer paid for"),
    ("base", "number: base points of the invoice, after caps"),
    ("paid_fen", "number: what the customer paid, in fen"),
    ("visit", "truth: a visit to the workshop"),
    ("paid_visit", "truth: a visit for which the customer paid"),
    ("first_spending", "truth: the member's first spending came with it"),
    ("vehicle", "truth: it names a vehicle"),
    ("month", "number: month of the business date, 1 to 12"),
    ("day", "number: its day, 1 to 31"),
    ("weekday", "number: 1 Monday to 7 Sunday"),
    ("hour", "number: local hour of settlement, 0 to 23"),
];

/// Further words: what CEL itself knows and a condition may use.
const WORDS: [&str; 7] = ["true", "false", "in", "size", "contains", "startsWith", "endsWith"];

/// The values of one invoice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "VARIABLES says what they are")]
pub struct Variables<'a> {
    pub store: &'a str,
    pub tier: &'a str,
    pub categories: Vec<&'a str>,
    pub base: i64,
    pub paid_fen: i64,
    pub visit: bool,
    pub paid_visit: bool,
    pub first_spending: bool,
    pub vehicle: bool,
    pub month: u32,
    pub day: u32,
    pub weekday: u32,
    pub hour: u32,
}

/// The values of one invoice, as often as conditions ask for them: what the library needs of them is made once, and only if a
/// condition is asked that is left to it.
pub struct Facts<'a> {
    variables: Variables<'a>,
    bound: OnceCell<Context<'static, 'static>>,
}

impl<'a> Facts<'a> {
    /// Of an invoice.
    pub fn new(variables: Variables<'a>) -> Self {
        Self { variables, bound: OnceCell::new() }
    }

    /// As the library takes them.
    fn bound(&self) -> &Context<'static, 'static> {
        self.bound.get_or_init(|| {
            let of = &self.variables;
            let mut context = Context::with_env(Arc::clone(&STANDARD));
            let categories: Vec<Value> = of.categories.iter().map(|category| Value::from(*category)).collect();
            let values = [
                ("store", Value::from(of.store)),
                ("tier", Value::from(of.tier)),
                ("categories", Value::from(categories)),
                ("base", Value::Int(of.base)),
                ("paid_fen", Value::Int(of.paid_fen)),
                ("visit", Value::Bool(of.visit)),
                ("paid_visit", Value::Bool(of.paid_visit)),
                ("first_spending", Value::Bool(of.first_spending)),
                ("vehicle", Value::Bool(of.vehicle)),
                ("month", Value::Int(of.month.into())),
                ("day", Value::Int(of.day.into())),
                ("weekday", Value::Int(of.weekday.into())),
                ("hour", Value::Int(of.hour.into())),
            ];
            for (name, value) in values {
                context.add_variable_from_value(name, value);
            }
            context
        })
    }
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCondition {
    /// Over the limit of bytes.
    #[error("is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// Over the limit of brackets.
    #[error("has more than {MOST_BRACKETS} brackets")]
    TooDeep,
    /// Over the limit of operators.
    #[error("has more than {MOST_OPERATORS} signs of operators")]
    TooMuch,
    /// A name that nobody fills in.
    #[error("{0} is unknown: a condition may name {names}", names = names())]
    UnknownName(String),
    /// A decimal.
    #[error("{0} is no whole number: amounts are in fen, 100 a yuan")]
    NotWhole(String),
    /// Not CEL.
    #[error("is no CEL expression: {0}")]
    Syntax(String),
    /// Something else than yes or no.
    #[error("must be true or false, not {0}")]
    NotATruth(String),
    /// It fails on an ordinary invoice.
    #[error("fails on an ordinary invoice: {0}")]
    Fails(String),
}

fn names() -> String {
    VARIABLES.map(|(name, _)| name).join(", ")
}

/// A condition that can be asked.
#[derive(Clone)]
pub struct Condition {
    program: Arc<Program>,
    /// The same for answering without the library.
    quick: Option<Arc<Truth>>,
    source: String,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.source)
    }
}

/// The standard functions, built once.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Condition {
    /// Reads a condition, and tries it on an ordinary invoice.
    pub fn compile(source: &str) -> Result<Self, BadCondition> {
        look(source)?;
        let text = source.to_owned();
        let parsed = thread::Builder::new()
            .stack_size(PARSER_STACK_BYTES)
            .spawn(move || Program::compile(&text).map_err(|errors| errors.to_string()))
            .map_err(|error| BadCondition::Syntax(error.to_string()))?
            .join();
        let program = match parsed {
            Ok(Ok(program)) => program,
            Ok(Err(why)) => return Err(BadCondition::Syntax(why.split_whitespace().collect::<Vec<_>>().join(" "))),
            Err(_) => return Err(BadCondition::Syntax("it can't be read".to_owned())),
        };
        let quick = Truth::read(program.expression()).map(Arc::new);
        let condition = Self { program: Arc::new(program), quick, source: source.to_owned() };
        match condition.run(&Facts::new(ordinary())) {
            Ok(Value::Bool(_)) => Ok(condition),
            Ok(other) => Err(BadCondition::NotATruth(other.type_of().to_string())),
            Err(why) => Err(BadCondition::Fails(why)),
        }
    }

    /// Whether it holds. One that fails on these values (a division by zero) doesn't: always the same answer for the same invoice.
    pub fn holds(&self, of: &Facts<'_>) -> bool {
        match &self.quick {
            Some(quick) => quick.answer(&of.variables) == Some(true),
            None => matches!(self.run(of), Ok(Value::Bool(true))),
        }
    }

    /// Whether it asks for nothing but the day: then it holds for all invoices of a day or for none.
    pub fn is_of_the_day(&self) -> bool {
        let of_invoices = VARIABLES.iter().map(|(name, _)| *name).filter(|name| !["month", "day", "weekday"].contains(name));
        !of_invoices.into_iter().any(|name| self.names(name))
    }

    /// Whether it asks for a variable.
    pub fn names(&self, variable: &str) -> bool {
        self.program.references().has_variable(variable)
    }

    fn run(&self, of: &Facts<'_>) -> Result<Value, String> {
        self.program.execute(of.bound()).map_err(|why| why.to_string())
    }
}

/// What a condition is tried on.
fn ordinary() -> Variables<'static> {
    Variables {
        store: "SH01",
        tier: "regular",
        categories: vec!["maintenance"],
        base: 1_500,
        paid_fen: 100_000,
        visit: true,
        paid_visit: true,
        first_spending: false,
        vehicle: true,
        month: 10,
        day: 1,
        weekday: 4,
        hour: 10,
    }
}

/// Looks at the text before the parser does: limits, and words outside quotes.
fn look(source: &str) -> Result<(), BadCondition> {
    if source.len() > MOST_BYTES {
        return Err(BadCondition::TooLong);
    }
    let count = |signs: &str| source.chars().filter(|sign| signs.contains(*sign)).count();
    if count("([{") > MOST_BRACKETS {
        return Err(BadCondition::TooDeep);
    }
    // `&&` and its like are one; a comma goes no deeper.
    let twice = ["&&", "||", "==", "!=", "<=", ">="].iter().map(|operator| source.matches(operator).count()).sum::<usize>();
    if count("+-*/%!?:&|<>=.").saturating_sub(twice) > MOST_OPERATORS {
        return Err(BadCondition::TooMuch);
    }
    for word in words_outside_quotes(source) {
        if word.starts_with(|sign: char| sign.is_ascii_digit()) {
            if !word.chars().all(|sign| sign.is_ascii_digit()) {
                return Err(BadCondition::NotWhole(word));
            }
        } else if !WORDS.contains(&word.as_str()) && !VARIABLES.iter().any(|known| known.0 == word) {
            return Err(BadCondition::UnknownName(word));
        }
    }
    Ok(())
}

/// Names and numbers, a number with its point.
fn words_outside_quotes(source: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quote, mut escaped) = (None, false);
    for sign in source.chars() {
        if let Some(end) = quote {
            if escaped {
                escaped = false;
            } else if sign == '\\' {
                escaped = true;
            } else if sign == end {
                quote = None;
            }
            continue;
        }
        let word = words.last_mut().map(|word: &mut String| (word.clone(), word));
        let Some((before, word)) = word else { continue };
        let number = before.starts_with(|sign: char| sign.is_ascii_digit());
        if sign.is_alphanumeric() || sign == '_' || (sign == '.' && number) {
            word.push(sign);
        } else {
            if sign == '"' || sign == '\'' {
                quote = Some(sign);
            }
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(source: &str) -> bool {
        Condition::compile(source).expect(source).holds(&Facts::new(ordinary()))
    }

    #[test]
    fn a_condition_says_yes_or_no() {
        for (source, expected) in [
            ("paid_fen >= 100000", true),
            ("paid_fen > 100000 || tier == \"gold\"", false),
            ("store in [\"SH01\", \"SH02\"] && hour < 12", true),
            ("\"maintenance\" in categories && size(categories) == 1", true),
            ("categories.contains(\"parts\")", false),
            ("tier.startsWith('reg') && !first_spending", true),
            ("visit && paid_visit && vehicle && month == 10 && day == 1 && weekday == 4", true),
            ("base / 1000 == 1 ? true : false", true),
            ("tier != 'it\\'s 1.5 yuan'", true),
        ] {
            match Condition::compile(source) {
                Ok(condition) => assert_eq!(condition.holds(&Facts::new(ordinary())), expected, "{source}"),
                // Lists have no such function; what counts is that it is refused when it is read.
                Err(BadCondition::Fails(_)) => assert!(source.starts_with("categories.contains")),
                Err(why) => panic!("{source}: {why}"),
            }
        }
        assert!(Condition::compile("tier == 'gold'").expect("a condition").names("tier"));
        assert!(!Condition::compile("visit").expect("a condition").names("tier"));
        let of_the_day = |source| Condition::compile(source).expect("a condition").is_of_the_day();
        assert!(of_the_day("weekday == 6 && day > 20") && of_the_day("true") && !of_the_day("weekday == 6 && hour < 12"));
    }

    #[test]
    fn what_can_not_be_answered_is_refused() {
        for (source, expected) in [
            ("", "is no CEL expression"),
            ("paid >= 1", "paid is unknown"),
            ("member.tier == 'gold'", "member is unknown"),
            ("paid_fen >= 1000.5", "1000.5 is no whole number"),
            ("base * 1e3 > 1", "1e3 is no whole number"),
            ("double(base) > 1", "double is unknown"),
            ("categories.all(c, c == 'x')", "all is unknown"),
            ("base", "must be true or false"),
            ("base == 'x' + 1", "fails on an ordinary invoice"),
            ("visit &&", "is no CEL expression"),
            ("visit) || (visit", "is no CEL expression"),
        ] {
            let why = Condition::compile(source).expect_err(source).to_string();
            assert!(why.contains(expected), "{source}: {why}");
        }
        assert_eq!(Condition::compile(&format!("visit{}", " ".repeat(MOST_BYTES))).expect_err("long"), BadCondition::TooLong);
        assert_eq!(Condition::compile(&format!("{}visit{}", "(".repeat(17), ")".repeat(17))).expect_err("deep"), BadCondition::TooDeep);
        assert_eq!(Condition::compile(&format!("{}visit", "!".repeat(100))).expect_err("much"), BadCondition::TooMuch);
    }

    #[test]
    fn one_that_fails_on_some_values_does_not_hold_there() {
        let condition = Condition::compile("10 / (base - 7) >= 0").expect("a condition");
        assert!(condition.holds(&Facts::new(ordinary())));
        assert!(!condition.holds(&Facts::new(Variables { base: 7, ..ordinary() })));
    }

    #[test]
    fn the_deepest_that_is_let_in_runs_on_a_small_stack() {
        let deepest = [
            format!("{}visit", "!".repeat(MOST_OPERATORS)),
            format!("visit{}", "||visit".repeat(MOST_OPERATORS)),
            format!("base{} == 0", " + base".repeat(MOST_OPERATORS - 1)),
            format!("{} true", "visit ? false : ".repeat(MOST_OPERATORS / 2)),
            format!("{}visit{}", "(".repeat(MOST_BRACKETS), ")".repeat(MOST_BRACKETS)),
        ];
        for source in deepest {
            // A worker's stack has 2 MiB; half of it must do.
            let run = thread::Builder::new()
                .stack_size(1 << 20)
                .spawn(move || Condition::compile(&source).map(|c| c.holds(&Facts::new(ordinary()))));
            assert!(run.expect("a thread").join().expect("it ends").is_ok());
        }
    }

    #[test]
    fn every_variable_has_a_value() {
        for (name, _) in VARIABLES {
            assert!(holds(&format!("{name} == {name}")), "{name}");
        }
    }
}
