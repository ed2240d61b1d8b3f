//! What the demo will send: pure, the same for the same seed and day.

use anyhow::{Context, Result};
use chrono::{Days, NaiveDate};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{Options, invoices, people, people::Person};

/// Days of business.
const DAYS: u64 = 10;
/// One customer in so many registers only after half of the documents.
const LATE_ONE_IN: usize = 7;
/// One invoice in so many is sent twice, conflicts, is broken, is of a stranger.
const DUPLICATE_ONE_IN: usize = 25;
const CONFLICT_ONE_IN: usize = 100;
const BROKEN_ONE_IN: usize = 50;
const STRANGER_ONE_IN: usize = 80;
const DISAGREEING_ONE_IN: usize = 250;

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where.
    pub subject: String,
    /// What.
    pub bytes: Vec<u8>,
}

/// The whole demo.
pub struct Plan {
    /// First business day.
    pub first_day: NaiveDate,
    /// The last: yesterday.
    pub last_day: NaiveDate,
    /// First day of the double-points week.
    pub double_from: NaiveDate,
    /// Its last.
    pub double_to: NaiveDate,
    /// Everybody; the last `late_people` register late.
    pub people: Vec<Person>,
    /// How many register late.
    pub late_people: usize,
    /// In the order of the stores' clocks.
    pub messages: Vec<Message>,
}

impl Plan {
    /// Plans the ten days that end the day before `today`.
    pub fn new(options: &Options, today: NaiveDate) -> Self {
        let mut rng = StdRng::seed_from_u64(options.seed);
        let first_day = today - Days::new(DAYS);
        let people: Vec<Person> =
            (0..options.members.max(2)).map(|number| people::person(&mut rng, number, options.seed, first_day)).collect();
        let late_people = people.len() / LATE_ONE_IN;
        let mut plan = Self {
            first_day,
            last_day: today - Days::new(1),
            double_from: today - Days::new(8),
            double_to: today - Days::new(2),
            people,
            late_people,
            messages: Vec::new(),
        };
        plan.fill(&mut rng, options, today);
        plan
    }

    fn fill(&mut self, rng: &mut StdRng, options: &Options, today: NaiveDate) {
        let early = self.people.len() - self.late_people;
        for number in 0..options.invoices {
            let day = self.first_day + Days::new(number as u64 * DAYS / options.invoices.max(1) as u64);
            let person = &self.people[rng.random_range(0..self.people.len())];
            let mut bill = invoices::good(rng, number, person, day);
            if number % STRANGER_ONE_IN == 1 {
                bill["customer"] = json!({ "phone": format!("199{:08}", options.seed % 1_000 * 10_000 + number as u64) });
            } else if number % DISAGREEING_ONE_IN == 2 {
                // One member's phone with another's car. Both are registered from the start, so the order doesn't matter.
                let (a, b) = (rng.random_range(0..early), rng.random_range(0..early - 1));
                let b = if b >= a { b + 1 } else { b };
                bill["customer"] = json!({ "phone": self.people[a].phone, "vin": self.people[b].vin });
            }
            let message = as_message(&bill, number);
            if number % DUPLICATE_ONE_IN == 3 {
                // The same content, the other way of sending it.
                self.messages.push(as_message(&bill, number + 1));
            }
            if number % CONFLICT_ONE_IN == 4 {
                self.messages.push(as_message(&invoices::conflicting(&bill), number));
            }
            if number % BROKEN_ONE_IN == 5 {
                let wrong = invoices::broken(number / BROKEN_ONE_IN, &invoices::good(rng, 90_000 + number, person, day), today);
                self.messages.push(Message { subject: wrong.subject, bytes: wrong.bytes });
            }
            self.messages.push(message);
        }
    }

    /// The demo's program: the preset with its double-points week.
    pub fn program_files(&self) -> Result<std::collections::BTreeMap<String, String>> {
        let mut files = jifen_program::preset("demo").context("the preset `demo` is missing")?;
        files.insert("campaigns.toml".to_owned(), self.campaigns_toml());
        Ok(files)
    }

    fn campaigns_toml(&self) -> String {
        format!(
            "[[campaign]]\ncode = \"double_week\"\nname = {{ zh = \"双倍积分周\", en = \"Double-points week\" }}\nfactor = \"2\"\n\
             from = {}\nto = {}\nbudget = 100000000\n",
            self.double_from, self.double_to
        )
    }
}

/// Half of the stores send structured CloudEvents, the others the bare document.
fn as_message(bill: &Value, number: usize) -> Message {
    let store = bill["store"].as_str().unwrap_or("SH01");
    let body = if number.is_multiple_of(2) {
        json!({
            "specversion": "1.0", "id": format!("{store}-{}-{number}", bill["invoice_no"].as_str().unwrap_or_default()),
            "type": "pos.invoice", "source": format!("/dms/{store}"), "data": bill
        })
    } else {
        bill.clone()
    };
    Message { subject: format!("pos.v1.{store}.invoice"), bytes: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::document::{Invoice, StoreDocument, open};

    use super::*;

    #[test]
    fn the_same_seed_and_day_give_the_same_demo_and_all_good_bills_read() {
        let day: NaiveDate = "2026-10-11".parse().expect("date");
        let (plan, again) = (Plan::new(&Options::default(), day), Plan::new(&Options::default(), day));
        assert_eq!(plan.messages.len(), again.messages.len());
        assert!(plan.messages.iter().zip(&again.messages).all(|(a, b)| a.bytes == b.bytes));
        let (mut good, mut bad) = (0, std::collections::BTreeSet::new());
        for message in &plan.messages {
            match open(&message.bytes).and_then(|opened| Invoice::read(&opened.data)) {
                Ok(_) => good += 1,
                Err(fault) => _ = bad.insert(fault.code.code),
            }
        }
        assert!(good >= 2_000, "{good}");
        assert!(bad.len() >= 7, "{bad:?}");
        let phones: std::collections::BTreeSet<_> = plan.people.iter().map(|person| &person.phone).collect();
        assert_eq!(phones.len(), plan.people.len());
        for person in &plan.people {
            assert!(jifen_kernel::Phone::try_new(&person.phone).is_ok() && jifen_kernel::Vin::try_new(&person.vin).is_ok());
            assert!(jifen_kernel::Plate::try_new(&person.plate).is_ok(), "{}", person.plate);
        }
    }
}
