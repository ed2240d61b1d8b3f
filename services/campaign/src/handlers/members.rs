//! `member.registered`, `activated`, `lapsed`, `updated`: who may take part, when their birthdays are, and which cars they have.
//!
//! State-carrying events: no claim, a higher sequence replaces what is there. Birthdays are kept by the year from which they
//! count, so that neither the order of events nor the year in which they are read makes a difference.

use std::collections::BTreeMap;

use jifen_contracts::{
    EventType,
    endpoint::MemberStatus,
    event::{MemberActivated, MemberLapsed, MemberRegistered, MemberUpdated, VehicleKeys},
};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{
    BatchHandler, Ctx, Decode, Event, Failure, Fates, Incoming, Outbox, Poison,
    message::{Cause, RawMessage},
};
use sqlx::PgConnection;

use crate::{
    domain::person::Birthday,
    store::member::{self, Garage, Known},
};

/// Learns what audiences ask of members.
pub struct LearnMembers;

/// What one event says of a member.
#[derive(Debug)]
pub struct MemberFact {
    member_id: MemberId,
    sequence: i64,
    store: StoreCode,
    status: MemberStatus,
    /// None where the event says nothing about it.
    birthday: Option<Birthday>,
    /// Likewise.
    cars: Option<Vec<VehicleKeys>>,
    /// The birthday before is not known and will not be: the registration was missed.
    is_first: bool,
}

impl MemberFact {
    /// The subjects of these events.
    pub fn filters() -> [String; 4] {
        [MemberRegistered::filter(), MemberActivated::filter(), MemberLapsed::filter(), MemberUpdated::filter()]
    }
}

impl Decode for MemberFact {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        let month = |birthday: Option<jifen_contracts::event::MonthDay>| birthday.map(|birthday| birthday.month);
        match raw.subject.split('.').nth(2) {
            Some(MemberRegistered::NAME) => {
                let (event, cause) = Event::<MemberRegistered>::decode(raw)?;
                let (sequence, data) = (sequence_of(&event), event.data);
                let birthday = Some(Birthday { from_year: 0, sequence, month: month(data.birthday) });
                let cars = Some(data.vehicles);
                Ok((
                    Self { member_id: data.member_id, sequence, store: data.store, status: data.status, birthday, cars, is_first: false },
                    cause,
                ))
            }
            Some(MemberUpdated::NAME) => {
                let (event, cause) = Event::<MemberUpdated>::decode(raw)?;
                let (sequence, data) = (sequence_of(&event), event.data);
                let birthday = Some(Birthday { from_year: data.birthday_from_year.unwrap_or(0), sequence, month: month(data.birthday) });
                let (is_first, cars) = (data.announced, Some(data.vehicles));
                Ok((Self { member_id: data.member_id, sequence, store: data.store, status: data.status, birthday, cars, is_first }, cause))
            }
            Some(MemberActivated::NAME) => {
                let (event, cause) = Event::<MemberActivated>::decode(raw)?;
                let (sequence, data) = (sequence_of(&event), event.data);
                Ok((
                    Self {
                        member_id: data.member_id,
                        sequence,
                        store: data.store,
                        status: MemberStatus::Active,
                        birthday: None,
                        cars: None,
                        is_first: false,
                    },
                    cause,
                ))
            }
            _ => {
                let (event, cause) = Event::<MemberLapsed>::decode(raw)?;
                let (sequence, data) = (sequence_of(&event), event.data);
                Ok((
                    Self {
                        member_id: data.member_id,
                        sequence,
                        store: data.store,
                        status: MemberStatus::Lapsed,
                        birthday: None,
                        cars: None,
                        is_first: false,
                    },
                    cause,
                ))
            }
        }
    }
}

/// A member's events are ordered by it; one without comes before all others.
fn sequence_of<T>(event: &Event<T>) -> i64 {
    event.sequence.unwrap_or(0)
}

impl BatchHandler for LearnMembers {
    type Item = MemberFact;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<MemberFact>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        _: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<MemberFact>],
        (): &(),
        _: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let mut known: BTreeMap<MemberId, Known<'_>> = BTreeMap::new();
        let mut birthdays: BTreeMap<(MemberId, i32), Birthday> = BTreeMap::new();
        let mut garages: BTreeMap<MemberId, Garage<'_>> = BTreeMap::new();
        for Incoming { item, .. } in batch {
            let newer = known.get(&item.member_id).is_none_or(|known| known.sequence < item.sequence);
            if newer {
                known.insert(item.member_id, Known { store: item.store.as_str(), status: item.status, sequence: item.sequence });
            }
            if let Some(cars) = &item.cars
                && garages.get(&item.member_id).is_none_or(|garage| garage.sequence < item.sequence)
            {
                garages.insert(item.member_id, Garage { sequence: item.sequence, cars });
            }
            if item.is_first {
                // Whatever is known of it stays: any event has a higher sequence.
                birthdays.entry((item.member_id, 0)).or_insert(Birthday { from_year: 0, sequence: -1, month: None });
            }
            if let Some(birthday) = item.birthday {
                let last = birthdays.entry((item.member_id, birthday.from_year)).or_insert(birthday);
                if last.sequence < birthday.sequence {
                    *last = birthday;
                }
            }
        }
        member::save(tx, &known).await?;
        member::save_birthdays(tx, &birthdays).await?;
        member::save_garages(tx, &garages).await?;
        Ok(Fates::done())
    }
}
