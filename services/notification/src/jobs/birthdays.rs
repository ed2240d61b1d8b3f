//! A week before a birthday: the member hears of it, with the offer that the program has for the month; staff may be asked to call.

use chrono::Datelike;
use jifen_contracts::program::{AppliedProgram, TaskKind};
use jifen_kernel::Token;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step, message::Cause};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{
        occasion::{Facts, From, Occasion, Reason, Rules},
        send::decide_send,
        timing,
    },
    handlers::{kept, tasks::give_tasks},
    store::{self, members::Celebrates},
};

/// Days between the message and the birthday.
const AHEAD: chrono::Duration = chrono::Duration::days(7);
/// Members of one part.
const ROWS: i64 = 1_000;

/// Greets ahead of birthdays.
#[derive(Debug)]
pub struct Birthdays;

impl DailyJob for Birthdays {
    const NAME: &'static str = "birthdays";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let Some(applied) = cx.programs.in_force_at(out.now()) else { return Err(Failure::transient("no program in force is known yet")) };
        let on = due.day + AHEAD;
        let after = due.cursor.as_ref().and_then(|cursor| cursor.as_str()?.parse().ok()).unwrap_or(Uuid::nil());
        let found = store::members::list_birthdays(tx, &timing::birthdays_on(on), on, after, ROWS).await?;
        let mut sends = Vec::with_capacity(found.len());
        for member in &found {
            let occasion = Occasion {
                member_id: member.member_id,
                business_key: on.year().to_string(),
                store: member.store.clone(),
                rules: Rules::Version(applied.version),
                facts: Facts::Birthday { on, offer: offer(&applied, on, member.tier.as_ref()) },
            };
            let send = decide_send(&occasion, &applied, None, cx.ids.next(out.now()), out.now()).map_err(Failure::defect)?;
            sends.push(kept::keep(cx, send, &occasion.facts));
        }
        store::send::claim(tx, &sends, out.now()).await?;
        if applied.program.messages.tasks.iter().any(|task| task.kind == TaskKind::BirthdayCall) {
            let reasons: Vec<Reason> = found.iter().map(|member| reason(member, &applied, due.day, on.year())).collect();
            let cause = Cause::default();
            let reasons: Vec<_> = reasons.iter().map(|reason| (&cause, reason, applied.as_ref())).collect();
            give_tasks(cx, tx, &reasons, out).await?;
        }
        let is_full = i64::try_from(found.len()).unwrap_or(i64::MAX) == ROWS;
        Ok(found.last().filter(|_| is_full).map_or(Step::Done, |last| Step::More(json!(last.member_id.0.to_string()))))
    }
}

/// The first of the program's birthday campaigns that holds on the day, for members of this tier.
fn offer(applied: &AppliedProgram, on: chrono::NaiveDate, tier: Option<&Token>) -> Option<Token> {
    let lowest = applied.program.tiers.first().map(|tier| &tier.code);
    let tier = tier.or(lowest);
    let mut campaigns = applied.program.campaigns.iter();
    let fits = campaigns.find(|campaign| {
        let concerned = campaign.tiers.is_empty() || tier.is_some_and(|tier| campaign.tiers.contains(tier));
        campaign.birthday_month && campaign.from <= on && on <= campaign.to && concerned
    });
    fits.map(|campaign| campaign.code.clone())
}

fn reason(member: &Celebrates, applied: &AppliedProgram, day: chrono::NaiveDate, year: i32) -> Reason {
    Reason {
        kind: TaskKind::BirthdayCall,
        member_id: member.member_id,
        member_no: None,
        store: member.store.clone(),
        from: From::Day(day),
        about: year.to_string(),
        rules: Rules::Version(applied.version),
    }
}
