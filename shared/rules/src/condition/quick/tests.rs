use super::super::{Condition, Facts, MOST_BYTES, ordinary};
use super::*;

/// Numbers that look random, the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let place = self.roll(all.len() as u64);
        all[usize::try_from(place).expect("a place")]
    }

    fn truth(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.of(&["visit", "paid_visit", "first_spending", "vehicle", "true", "false"]).to_owned();
        }
        match self.roll(11) {
            0 => format!("!({})", self.truth(depth - 1)),
            1 | 2 => format!("({}) && ({})", self.truth(depth - 1), self.truth(depth - 1)),
            3 | 4 => format!("({}) || ({})", self.truth(depth - 1), self.truth(depth - 1)),
            5 => format!("({}) ? ({}) : ({})", self.truth(depth - 1), self.truth(depth - 1), self.truth(depth - 1)),
            6 => format!("({}) {} ({})", self.truth(depth - 1), self.of(&["==", "!="]), self.truth(depth - 1)),
            7 => {
                let operator = self.of(&["==", "!=", "<", "<=", ">", ">="]);
                format!("({}) {operator} ({})", self.number(depth - 1), self.number(depth - 1))
            }
            8 => format!("({}) in [{}, {}]", self.number(depth - 1), self.number(0), self.number(depth - 1)),
            9 => format!("{} {} {}", self.text(), self.of(&["==", "!="]), self.text()),
            _ => {
                let call = self.of(&["in [\"SH01\", store, \"gold\"]", "in categories"]);
                let named = self.of(&["contains", "startsWith", "endsWith"]);
                if self.roll(2) == 0 {
                    format!("{} {call}", self.text())
                } else {
                    format!("{}.{named}({})", self.of(&["store", "tier"]), self.text())
                }
            }
        }
    }

    fn number(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.of(&["base", "paid_fen", "month", "day", "weekday", "hour", "0", "1", "7", "9223372036854775807"]).to_owned();
        }
        match self.roll(5) {
            0 => format!("-({})", self.number(depth - 1)),
            1 => "size(categories)".to_owned(),
            2 => format!("(({}) ? ({}) : ({}))", self.truth(depth - 1), self.number(depth - 1), self.number(depth - 1)),
            _ => format!("({}) {} ({})", self.number(depth - 1), self.of(&["+", "-", "*", "/", "%"]), self.number(depth - 1)),
        }
    }

    fn text(&mut self) -> &'static str {
        self.of(&["store", "tier", "\"SH01\"", "\"gold\"", "\"\"", "\"01\"", "\"maintenance\""])
    }

    fn invoice(&mut self) -> Variables<'static> {
        Variables {
            store: self.of(&["SH01", "SH02"]),
            tier: self.of(&["regular", "gold", ""]),
            categories: vec![vec![], vec!["maintenance"], vec!["parts", "gold"]]
                .swap_remove(usize::try_from(self.roll(3)).expect("a place")),
            base: [0, 1, 7, -3, i64::MAX, i64::MIN][usize::try_from(self.roll(6)).expect("a place")],
            paid_fen: i64::try_from(self.roll(3)).expect("small") * 50_000,
            visit: self.roll(2) == 0,
            paid_visit: self.roll(2) == 0,
            first_spending: self.roll(2) == 0,
            vehicle: self.roll(2) == 0,
            ..ordinary()
        }
    }
}

/// Whatever both can answer they answer alike, failures included.
#[test]
fn it_answers_as_the_library_does() {
    let (mut dice, mut answers, mut compared) = (Dice(1), [0_u32; 3], 0);
    while compared < 20_000 {
        let source = dice.truth(3);
        if source.len() > MOST_BYTES {
            continue;
        }
        // Too deep or too long to be let in is not what this is about.
        let Ok(program) = cel::Program::compile(&source) else { panic!("no CEL: {source}") };
        let quick = Truth::read(program.expression()).unwrap_or_else(|| panic!("left to the library: {source}"));
        for _ in 0..4 {
            let facts = Facts::new(dice.invoice());
            let library = match program.execute(facts.bound()) {
                Ok(cel::Value::Bool(value)) => Some(value),
                Ok(other) => panic!("{source}: {other:?}"),
                Err(_) => None,
            };
            assert_eq!(quick.answer(&facts.variables), library, "{source} on {:?}", facts.variables);
            answers[library.map_or(2, usize::from)] += 1;
            compared += 1;
        }
    }
    assert!(answers.iter().all(|count| *count > 1_000), "no, yes, failure: {answers:?}");
}

#[test]
fn what_it_can_not_read_is_left_to_the_library() {
    for (source, quick) in [
        ("paid_fen >= 100000 && tier == 'gold'", true),
        ("store in [\"SH01\"] && \"parts\" in categories", true),
        ("categories == [\"maintenance\"]", false),
        ("\"a\" + tier == \"agold\"", false),
        ("categories[0] == \"maintenance\"", false),
        ("tier < \"gold\"", false),
    ] {
        let condition = Condition::compile(source).unwrap_or_else(|why| panic!("{source}: {why}"));
        assert_eq!(condition.quick.is_some(), quick, "{source}");
    }
    assert!(Condition::compile("categories == [\"maintenance\"]").expect("a condition").holds(&Facts::new(ordinary())));
}
