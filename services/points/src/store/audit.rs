//! The ledger as it stands, for whoever checks it: nothing is believed, and nothing that somebody wrote ends the reading.
//!
//! Not the way of a posting: these statements read ranges of everything in the order of the keys, a bounded part at a time.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};
use futures_util::TryStreamExt;
use jifen_contracts::event::Balance;
use jifen_kernel::{MemberId, Points};
use jifen_proof::{Entry, Hash, Leaf, Seal};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    entries::{is_written, kind_of, source_of},
    seals::SealRow,
};
use crate::domain::{
    account::on_lifetime,
    audit::{AuditedAccount, AuditedEntry, AuditedLot, MemberAudit, SealedHead},
};

/// Members from the first to the last, both included.
pub type Range = (Uuid, Uuid);

/// How many accounts and entries there are, as far as accounts know.
pub async fn count(connection: &mut PgConnection) -> Result<(i64, i64), Failure> {
    let row = sqlx::query!(r#"select count(*) as "accounts!", coalesce(sum(sequence), 0)::bigint as "entries!" from account"#)
        .fetch_one(connection)
        .await?;
    Ok((row.accounts, row.entries))
}

/// The member of a number.
pub async fn find_member(connection: &mut PgConnection, member_no: &str) -> Result<Option<Uuid>, Failure> {
    Ok(sqlx::query_scalar!("select member_id from account where member_no = $1", member_no).fetch_optional(connection).await?)
}

/// The last of the next so many accounts from this member on; `None` if there are fewer.
pub async fn last_of_part(connection: &mut PgConnection, from: Uuid, accounts: i64) -> Result<Option<Uuid>, Failure> {
    let last =
        sqlx::query_scalar!("select member_id from account where member_id >= $1 order by member_id offset $2 limit 1", from, accounts - 1);
    Ok(last.fetch_optional(connection).await?)
}

/// Accounts, lots and sealed heads of these members.
pub async fn load_members(connection: &mut PgConnection, (first, last): Range) -> Result<BTreeMap<Uuid, MemberAudit>, Failure> {
    let mut members = BTreeMap::new();
    let accounts = sqlx::query!(
        "select member_id, member_no, active, pending, reserved, debt, lifetime, first_spending_ordinal, sequence, head
         from account where member_id between $1 and $2",
        first,
        last
    );
    for row in accounts.fetch_all(&mut *connection).await? {
        let account = AuditedAccount {
            member_no: row.member_no,
            balance: Balance {
                active: Points(row.active),
                pending: Points(row.pending),
                reserved: Points(row.reserved),
                debt: Points(row.debt),
            },
            lifetime: Points(row.lifetime),
            first_spending_ordinal: row.first_spending_ordinal,
            sequence: row.sequence,
            // What is no hash is not that of the newest entry either.
            head: Hash::of_slice(&row.head).unwrap_or(Hash([0xff; 32])),
        };
        member(&mut members, row.member_id).account = Some(account);
    }
    let lots = sqlx::query!(
        r#"select member_id as "member_id!", lot_id as "lot_id!", store as "store!", remaining as "remaining!", false as "pending!"
           from lot where member_id between $1 and $2
           union all select member_id, lot_id, store, points, true from pending_lot where member_id between $1 and $2"#,
        first,
        last
    );
    for row in lots.fetch_all(&mut *connection).await? {
        let lot = AuditedLot { lot_id: row.lot_id, store: row.store, left: row.remaining, pending: row.pending };
        member(&mut members, row.member_id).lots.push(lot);
    }
    let sealed = sqlx::query!(
        "select member_id, sequence, behind, head, seal from sealed_head where member_id between $1 and $2 order by member_id, sequence",
        first,
        last
    );
    for row in sealed.fetch_all(&mut *connection).await? {
        let head = Hash::of_slice(&row.head).unwrap_or(Hash([0xff; 32]));
        let sealed = SealedHead { sequence: row.sequence, behind: row.behind, head, seal: row.seal };
        member(&mut members, row.member_id).sealed.push(sealed);
    }
    Ok(members)
}

fn member(members: &mut BTreeMap<Uuid, MemberAudit>, member_id: Uuid) -> &mut MemberAudit {
    members.entry(member_id).or_insert_with(|| MemberAudit::new(MemberId(member_id)))
}

/// A row of the ledger. Instants and days are numbers: one that no calendar has must not end the reading.
struct EntryRow {
    member_id: Uuid,
    sequence: i64,
    entry_id: Uuid,
    debit: String,
    credit: String,
    points: i64,
    kind: String,
    source: Option<String>,
    store: String,
    document: String,
    category: String,
    rule: String,
    ordinal: i32,
    qualifying: bool,
    pending: bool,
    lot_id: Uuid,
    expires_days: Option<i32>,
    paid_fen: Option<i64>,
    rate: Option<String>,
    base: Option<i64>,
    posted_micros: Option<i64>,
    hash: Vec<u8>,
    of_entry: Option<Uuid>,
}

impl EntryRow {
    /// What it says, in the words of its hash; or the column that can't be what a posting wrote.
    fn said(self) -> Result<(Entry<'static>, i64, i32), &'static str> {
        let source = source_of(self.source.as_deref()).ok_or("source")?;
        let kind = kind_of(&self.kind).ok_or("kind")?;
        // Several words of the table may stand for one word of the hash: only one of them is written.
        if !is_written(kind, &self.kind, source, self.source.as_deref()) {
            return Err("kind");
        }
        if self.rate.as_ref().is_some_and(String::is_empty) {
            return Err("rate");
        }
        let days = self.expires_days.and_then(|days| u64::try_from(days).ok()).ok_or("expires_on")?;
        let lifetime = on_lifetime(kind, source, self.qualifying);
        let ordinal = if kind == jifen_contracts::event::EntryKind::FirstSpending { self.ordinal } else { 0 };
        let entry = Entry {
            member_id: self.member_id,
            sequence: self.sequence,
            entry_id: self.entry_id,
            debit: self.debit.into(),
            credit: self.credit.into(),
            points: self.points,
            kind: kind.as_str().into(),
            source: source.as_str().into(),
            store: self.store.into(),
            document: self.document.into(),
            category: self.category.into(),
            rule: self.rule.into(),
            ordinal: self.ordinal,
            qualifying: self.qualifying,
            pending: self.pending,
            lot_id: self.lot_id,
            expires_on: NaiveDate::from_ymd_opt(1, 1, 1).and_then(|first| first.checked_add_days(Days::new(days))).ok_or("expires_on")?,
            paid_fen: self.paid_fen,
            rate: self.rate.map(Into::into),
            base: self.base,
            posted_at: self.posted_micros.and_then(DateTime::from_timestamp_micros).ok_or("posted_at")?,
            of_entry: self.of_entry,
        };
        Ok((entry, lifetime, ordinal))
    }
}

impl From<EntryRow> for AuditedEntry {
    fn from(row: EntryRow) -> Self {
        let hash = Hash::of_slice(&row.hash).unwrap_or(Hash([0xff; 32]));
        let (member_id, sequence, entry_id) = (MemberId(row.member_id), row.sequence, row.entry_id);
        let (said, on_lifetime, first_spending) = match row.said() {
            Ok((said, lifetime, ordinal)) => (Ok(said), lifetime, ordinal),
            Err(column) => (Err(column), 0, 0),
        };
        Self { member_id, sequence, entry_id, hash, said, on_lifetime, first_spending }
    }
}

/// Shows every entry of these members, in the order of members and places. However many there are, few are in memory.
pub async fn each_entry(connection: &mut PgConnection, (first, last): Range, mut show: impl FnMut(AuditedEntry)) -> Result<(), Failure> {
    let mut rows = sqlx::query_as!(
        EntryRow,
        r#"select member_id, sequence, entry_id, debit, credit, points, kind, source, store, document, category, rule, ordinal,
                  qualifying, pending, lot_id, paid_fen, rate, base, hash, of_entry,
                  case when expires_on between '0001-01-01' and '9999-12-31' then expires_on - date '0001-01-01' end as expires_days,
                  case when posted_at between '0001-01-01' and '9999-12-31'
                       then (extract(epoch from posted_at) * 1000000)::bigint end as posted_micros
           from entry where member_id between $1 and $2 order by member_id, sequence, entry_id"#,
        first,
        last
    )
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        show(row.into());
    }
    Ok(())
}

/// A place in a chain as it stands.
#[derive(Debug)]
pub struct Place {
    /// The entry there, if it is there.
    pub entry: Option<(Uuid, Hash)>,
    /// The member's number, if there is an account.
    pub member_no: Option<String>,
    /// The sealed head before, as far as that is stored.
    pub behind: Option<i64>,
}

/// What stands at these places.
pub async fn load_places(connection: &mut PgConnection, places: &[(Uuid, i64)]) -> Result<BTreeMap<(Uuid, i64), Place>, Failure> {
    let rows = sqlx::query!(
        r#"select u.member_id as "member_id!", u.sequence as "sequence!", e.entry_id as "entry_id?", e.hash as "hash?",
                  (select member_no from account a where a.member_id = u.member_id) as member_no,
                  (select behind from sealed_head s where s.member_id = u.member_id and s.sequence = u.sequence limit 1) as behind
           from unnest($1::uuid[], $2::bigint[]) u(member_id, sequence)
                left join lateral (select entry_id, hash from entry e where e.member_id = u.member_id and e.sequence = u.sequence limit 1) e on true"#,
        &places.iter().map(|(member, _)| *member).collect::<Vec<_>>(),
        &places.iter().map(|(_, sequence)| *sequence).collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await?;
    let place = |entry_id: Option<Uuid>, hash: Option<Vec<u8>>, member_no, behind| {
        let entry = entry_id.zip(hash).map(|(entry, hash)| (entry, Hash::of_slice(&hash).unwrap_or(Hash([0xff; 32]))));
        Place { entry, member_no, behind }
    };
    let rows = rows.into_iter();
    Ok(rows.map(|row| ((row.member_id, row.sequence), place(row.entry_id, row.hash, row.member_no, row.behind))).collect())
}

/// A page of seals by number, as they stand: so many at most, or only these.
pub async fn list_seals(
    connection: &mut PgConnection,
    from: i64,
    only: Option<&[i64]>,
    limit: i64,
) -> Result<Vec<(i64, Result<Seal, BadRow>)>, Failure> {
    let rows = sqlx::query_as!(
        SealRow,
        "select seal, sealed_at, previous, root, leaves, key, signature from seal
         where seal >= $1 and ($2::bigint[] is null or seal = any($2)) order by seal limit $3",
        from,
        only,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.seal, row.read())).collect())
}

/// The seals that a member's heads are under.
pub async fn list_seals_of(connection: &mut PgConnection, member_id: Uuid) -> Result<Vec<i64>, Failure> {
    let seals = sqlx::query_scalar!("select distinct seal from sealed_head where member_id = $1 order by seal", member_id);
    Ok(seals.fetch_all(connection).await?)
}

/// Shows the leaves of these seals in the order of their trees.
pub async fn each_leaf(
    connection: &mut PgConnection,
    (first, last): (i64, i64),
    only: Option<&[i64]>,
    mut show: impl FnMut(i64, Leaf),
) -> Result<(), Failure> {
    let mut rows = sqlx::query!(
        "select seal, member_id, sequence, head from sealed_head
         where seal between $1 and $2 and ($3::bigint[] is null or seal = any($3)) order by seal, member_id, sequence",
        first,
        last,
        only
    )
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let head = Hash::of_slice(&row.head).unwrap_or(Hash([0xff; 32]));
        show(row.seal, Leaf { member_id: row.member_id, sequence: row.sequence, head });
    }
    Ok(())
}

/// An entry by its key, with its member: looked for without an index, which no posting needs.
pub async fn find_entry(connection: &mut PgConnection, entry_id: Uuid) -> Result<Option<(Uuid, i64)>, Failure> {
    let row =
        sqlx::query!("select member_id, sequence from entry where entry_id = $1 limit 1", entry_id).fetch_optional(connection).await?;
    Ok(row.map(|row| (row.member_id, row.sequence)))
}

/// The first sealed head of a member that reaches this place.
pub async fn find_sealed(connection: &mut PgConnection, member_id: Uuid, sequence: i64) -> Result<Option<(i64, i64)>, Failure> {
    let row = sqlx::query!(
        "select sequence, seal from sealed_head where member_id = $1 and sequence >= $2 order by sequence limit 1",
        member_id,
        sequence
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.sequence, row.seal)))
}
