//! `member.registered`, `member.activated`: who is there, and from when on tiers are granted.
//!
//! Both only ever add to what is known, so they may come often and in any order: an activation holds whatever is heard later of
//! the registration, and a registration that needed none is one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    EventType,
    endpoint::MemberStatus,
    event::{MemberActivated, MemberRegistered},
};
use jifen_kernel::{MemberId, StoreCode, clock};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;

use crate::{
    settle::{Day, Heard as Said, News, settle},
    store::standing,
};

/// A registration, which may await its activation.
pub struct Register;

/// The activation of a registration.
pub struct Activate;

/// What is heard of a member.
struct Heard<'a> {
    member_id: MemberId,
    member_no: &'a str,
    store: &'a StoreCode,
    /// Active from here on; none while activation is awaited.
    active_at: Option<DateTime<Utc>>,
}

impl BatchHandler for Register {
    type Item = Event<MemberRegistered>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Self::Item>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Self::Item>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let heard = |event: &'_ MemberRegistered| (event.status == MemberStatus::Active).then_some(event.registered_at);
        hear(cx, tx, batch, out, |event| Heard {
            member_id: event.member_id,
            member_no: &event.member_no,
            store: &event.store,
            active_at: heard(event),
        })
        .await
    }
}

impl BatchHandler for Activate {
    type Item = Event<MemberActivated>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Self::Item>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Self::Item>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        hear(cx, tx, batch, out, |event| Heard {
            member_id: event.member_id,
            member_no: &event.member_no,
            store: &event.store,
            active_at: Some(event.at),
        })
        .await
    }
}

async fn hear<T: EventType>(
    cx: &Ctx,
    tx: &mut PgConnection,
    batch: &[Incoming<Event<T>>],
    out: &mut Outbox,
    read: impl Fn(&T) -> Heard<'_> + Sync,
) -> Result<Fates, Failure> {
    let Some(rules) = cx.programs.in_force_at(out.now()) else {
        let retry = (0..batch.len()).map(|place| (place, "no program in force is known yet".to_owned()));
        return Ok(Fates { retry: retry.collect(), ..Fates::done() });
    };
    let heard: Vec<Heard<'_>> = batch.iter().map(|incoming| read(&incoming.item.data)).collect();
    let members = heard.iter().map(|heard| (heard.member_id, (heard.member_no, heard.store))).collect();
    let mut standings = standing::load_locked(tx, &members).await?;
    for heard in &heard {
        if let Some(standing) = standings.get_mut(&heard.member_id) {
            // The store of the registration is the member's, whatever document was first.
            standing.store = Some(heard.store.clone());
            standing.register(heard.active_at.map(|at| clock::local_date(at, rules.program.time_zone())));
        }
    }
    let news: Vec<News<'_>> = heard
        .iter()
        .zip(batch)
        .map(|(heard, incoming)| News {
            member_id: heard.member_id,
            cause: &incoming.cause,
            rules: Arc::clone(&rules),
            heard: Said::Other("activation"),
        })
        .collect();
    settle(cx, tx, &mut standings, &news, Day::today(out, &rules), out).await?;
    standing::save(tx, &standings).await?;
    Ok(Fates::done())
}
