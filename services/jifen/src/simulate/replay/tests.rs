use serde_json::{Value, json};

use super::{super::source::Source, *};

/// The preset `points` with more in its files.
fn program(earn: &str, campaigns: &str) -> AppliedProgram {
    let mut files = jifen_program::preset("points").expect("the preset");
    let text = files.get_mut("earn.toml").expect("its rates");
    *text = format!("{earn}\n{text}");
    files.insert("campaigns.toml".to_owned(), campaigns.to_owned());
    let (program, _) = jifen_program::check(&files).unwrap_or_else(|findings| panic!("{findings:?}"));
    AppliedProgram {
        version: 0,
        hash: String::new(),
        effective_from: "2000-01-01".parse().expect("a day"),
        applied_at: chrono::DateTime::UNIX_EPOCH,
        program,
    }
}

fn bill(number: &str, phone: &str, day: &str, category: &str, amount: &str) -> Value {
    json!({
        "store": "SH01", "invoice_no": number, "issued_at": format!("{day}T10:00:00+08:00"), "customer": { "phone": phone },
        "lines": [{ "line": 1, "category": category, "payer": "customer", "amount": amount }],
    })
}

fn outcome(program: &AppliedProgram, bills: &[Value]) -> Outcome {
    outcome_of(program, bills, &Garage::default())
}

fn outcome_of(program: &AppliedProgram, bills: &[Value], garage: &Garage) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bills.iter().map(|bill| format!("{bill}\n")).collect::<Vec<_>>().concat()).expect("written");
    let mut source = Source::lines(file.path()).expect("a source");
    let mut replay = Replay::new(program, garage);
    source.next_parcel(1_000).expect("invoices").iter().for_each(|recorded| replay.add(recorded));
    assert_eq!(source.left_out(), (0, None));
    replay.outcome()
}

fn sums(outcome: &Outcome) -> [i64; 4] {
    [outcome.base, outcome.first_spending, outcome.bonus(), outcome.total()].map(|points| points.0)
}

const DOUBLE: &str =
    "[[campaign]]\ncode = \"double\"\nname = { zh = \"双倍\", en = \"double\" }\nfactor = \"2\"\nfrom = 2026-10-01\nto = 2026-10-07\n";

#[test]
fn the_documents_numbers_come_out() {
    // Exact default 2: 5,000 + 5,000 + 100.
    let capped = program("invoice_cap = 5000", DOUBLE);
    assert_eq!(sums(&outcome(&capped, &[bill("R1", "13800138000", "2026-10-01", "maintenance", "4000")])), [5_000, 100, 5_000, 10_100]);
    // Exact default 17: 900 left, 1,500 due.
    let budget = program("", &format!("{DOUBLE}budget = 2400\n"));
    let bills = |second: &str| ["R1", "R2"].map(|number| bill(number, second, "2026-10-02", "maintenance", "1000"));
    assert_eq!(sums(&outcome(&budget, &bills("13800138000"))), [3_000, 100, 2_400, 5_500]);
    // Outside the week nothing is doubled, and another customer has a first spending of his own.
    let two = [bill("R1", "13800138000", "2026-10-08", "repair", "900"), bill("R2", "13800138001", "2026-10-08", "repair", "500")];
    assert_eq!(sums(&outcome(&budget, &two)), [1_400, 200, 0, 1_600]);
    // The day's cap is a customer's, and a day's.
    let daily = program("daily_cap = 1000", "");
    let days = [
        bill("R1", "13800138000", "2026-10-08", "repair", "900"),
        bill("R2", "13800138000", "2026-10-08", "repair", "900"),
        bill("R3", "13800138001", "2026-10-08", "repair", "900"),
        bill("R4", "13800138000", "2026-10-09", "repair", "900"),
    ];
    assert_eq!(sums(&outcome(&daily, &days)), [900 + 100 + 900 + 900, 200, 0, 3_000]);
    let unknown = outcome(&daily, &[bill("R1", "13800138000", "2026-10-08", "boat", "900")]);
    assert_eq!((unknown.invoices, unknown.without_rate, unknown.unknown.len()), (0, 1, 1));
}

/// The tier before the invoice decides, and a tier is reached by what was replayed.
#[test]
fn who_has_risen_earns_faster() {
    let mut program = program("", "");
    let (silver, factor) = (program.program.tiers[1].code.clone(), jifen_kernel::Rate::try_new("1.2").expect("a rate"));
    program.program.earn.tier_factors = BTreeMap::from([(silver, factor)]);
    let bills = ["R1", "R2"].map(|number| bill(number, "13800138000", "2026-10-08", "repair", "6000"));
    assert_eq!(sums(&outcome(&program, &bills)), [12_000, 100, 1_200, 13_300]);
}

#[test]
fn made_up_invoices_are_the_same_for_the_same_seed() {
    let program = program("", DOUBLE);
    let garage = Garage::made_up([&program.program]);
    let run = |seed: u64| {
        let (mut source, mut replay) = (Source::made_up(3_000, seed, &program), Replay::new(&program, &garage));
        loop {
            let parcel = source.next_parcel(1_000).expect("invoices");
            if parcel.is_empty() {
                return replay.outcome();
            }
            for recorded in &parcel {
                replay.add(recorded);
            }
        }
    };
    let first = run(1);
    assert_eq!((first.invoices, first.clone()), (3_000, run(1)));
    assert_ne!(first, run(2));
    assert_eq!(first.stores.values().copied().sum::<Points>(), first.total());
}

/// A condition may ask whether the bill is for a car. And a file may have any number of blank lines.
#[test]
fn a_bill_is_for_the_car_that_it_names_and_blank_lines_are_none() {
    let of_cars = program("", &format!("{DOUBLE}condition = \"vehicle\"\n"));
    let mut of_car = bill("R1", "13800138000", "2026-10-01", "repair", "900");
    of_car["customer"]["vin"] = "LSVAU2A37N2183294".into();
    let without = bill("R2", "13800138000", "2026-10-01", "repair", "900");
    assert_eq!(sums(&outcome(&of_cars, &[of_car.clone(), without])), [1_800, 100, 900, 2_800]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{}{of_car}\n\n", "\n".repeat(300_000))).expect("written");
    let mut source = Source::lines(file.path()).expect("a source");
    assert_eq!(source.next_parcel(10).expect("invoices").len(), 1);
    assert_eq!((source.next_parcel(10).expect("the end").len(), source.left_out()), (0, (0, None)));
}

/// A campaign for cars finds them in a list; a made-up customer has a made-up car.
#[test]
fn a_campaign_of_a_series_is_for_the_cars_of_that_series() {
    let of_series = program("", &format!("{DOUBLE}vehicle = {{ series = [\"朗逸\"], below_months = 36 }}\n"));
    let file = tempfile::NamedTempFile::new().expect("a file");
    let list = "vin,series,new_on\nLSVAU2A37N2183294,朗逸,2024-05-20\nLSVAU2A37N2183295,朗逸,2020-05-20\nLSVAU2A37N2183296,途观,\n";
    std::fs::write(file.path(), list).expect("written");
    let garage = Garage::list(file.path()).expect("a list");
    let bill_of = |number: &str, vin: &str| {
        let mut bill = bill(number, "13800138000", "2026-10-01", "repair", "900");
        bill["customer"]["vin"] = vin.into();
        bill
    };
    let cars = ["LSVAU2A37N2183294", "LSVAU2A37N2183295", "LSVAU2A37N2183296", "LSVAU2A37N2183297"];
    let bills: Vec<Value> = cars.iter().enumerate().map(|(place, vin)| bill_of(&format!("R{place}"), vin)).collect();
    assert_eq!(sums(&outcome_of(&of_series, &bills, &garage)), [3_600, 100, 900, 4_600], "the first car alone");
    assert_eq!(sums(&outcome(&of_series, &bills))[2], 0, "nobody said what these cars are");
    std::fs::write(file.path(), "vin,series\nshort,朗逸\n").expect("written");
    assert!(Garage::list(file.path()).expect_err("no VIN").to_string().contains("line 2"));
    let made_up = Garage::made_up([&of_series.program]);
    let (mut source, mut replay) = (Source::made_up(3_000, 1, &of_series), Replay::new(&of_series, &made_up));
    source.next_parcel(3_000).expect("invoices").iter().for_each(|recorded| replay.add(recorded));
    assert!(replay.outcome().bonus().is_positive());
}
