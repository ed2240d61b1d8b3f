//! What entries gave, and what was taken of it since; and the lots that it can be taken from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{AccrualSource, EntryKind};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    accruals::DocumentKey,
    entries::{category_of, kind_of, source_of},
};
use crate::domain::{
    account::{Account, Movement},
    correct::Given,
    ending::EXPIRED,
};

struct Row {
    entry_id: Uuid,
    debit: String,
    points: i64,
    kind: String,
    store: String,
    document: String,
    category: String,
    rule: String,
    ordinal: i32,
    qualifying: bool,
    pending: bool,
    lot_id: Uuid,
    expires_on: NaiveDate,
    rate: Option<String>,
    base: Option<i64>,
    posted_at: DateTime<Utc>,
    of_entry: Option<Uuid>,
    source: Option<String>,
}

impl TryFrom<Row> for Given {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "entry", key: row.entry_id.to_string(), what };
        let movement = Movement {
            entry_id: row.entry_id,
            source: source_of(row.source.as_deref()).ok_or_else(|| bad("source"))?,
            kind: kind_of(&row.kind).ok_or_else(|| bad("kind"))?,
            store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
            category: category_of(&row.category).map_err(|()| bad("category"))?,
            document: row.document,
            rule: row.rule,
            ordinal: row.ordinal,
            points: Points(row.points),
            lot_id: row.lot_id,
            expires_on: row.expires_on,
            paid: None,
            rate: row.rate,
            base: row.base.map(Points),
            posted_at: row.posted_at,
            qualifying: row.qualifying,
            of_entry: None,
        };
        Ok(Self { funder: row.debit, movement, taken: Points::ZERO, pending: row.pending })
    }
}

/// What documents of a source gave, base and bonuses, in the order of their chains, with what became of it.
pub async fn load(tx: &mut PgConnection, source: AccrualSource, keys: &[DocumentKey]) -> Result<HashMap<DocumentKey, Vec<Given>>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        // No further condition: it must be planned by the key alone.
        "select entry_id, debit, points, kind, store, document, category, rule, ordinal, qualifying, pending, lot_id, expires_on, rate,
                base, posted_at, of_entry, source
         from entry where (store, document) in (select * from unnest($1::text[], $2::text[])) order by member_id, sequence",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let mut given: HashMap<DocumentKey, Vec<Given>> = HashMap::new();
    for row in rows {
        if source_of(row.source.as_deref()) != Some(source) {
            continue;
        }
        let found = given.entry((row.store.clone(), row.document.clone())).or_default();
        match (row.of_entry, kind_of(&row.kind)) {
            (None, Some(EntryKind::Accrual | EntryKind::Bonus)) => found.push(row.try_into()?),
            (Some(of), Some(kind)) => {
                // Entries stand behind those that they move.
                for given in found.iter_mut().filter(|given| given.movement.entry_id == of) {
                    match kind {
                        EntryKind::Reversal | EntryKind::Lapse => given.taken += Points(row.points),
                        EntryKind::Activation => given.pending = false,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(given)
}

/// The first spendings that stand, of locked accounts. Asks nothing if none does.
pub async fn load_grants(tx: &mut PgConnection, accounts: impl Iterator<Item = &Account>) -> Result<BTreeMap<MemberId, Given>, Failure> {
    let standing: Vec<(Uuid, i32)> = accounts
        .filter(|account| account.first_spending_stands)
        .map(|account| (account.member_id.0, account.first_spending_ordinal))
        .collect();
    if standing.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        r#"select member_id, entry_id, debit, points, kind, store, document, category, rule, ordinal, qualifying,
                  pending and not exists (select 1 from entry a where a.of_entry = e.entry_id and a.kind = 'activation') as "pending!",
                  lot_id, expires_on, rate, base, posted_at, of_entry, source
           from entry e where kind = 'first_spending' and (member_id, ordinal) in (select * from unnest($1::uuid[], $2::int[]))"#,
        &standing.iter().map(|(member, _)| *member).collect::<Vec<_>>(),
        &standing.iter().map(|(_, ordinal)| *ordinal).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let member_id = MemberId(row.member_id);
        let row = Row {
            entry_id: row.entry_id,
            debit: row.debit,
            points: row.points,
            kind: row.kind,
            store: row.store,
            document: row.document,
            category: row.category,
            rule: row.rule,
            ordinal: row.ordinal,
            qualifying: row.qualifying,
            pending: row.pending,
            lot_id: row.lot_id,
            expires_on: row.expires_on,
            rate: row.rate,
            base: row.base,
            posted_at: row.posted_at,
            of_entry: row.of_entry,
            source: row.source,
        };
        Ok((member_id, Given::try_from(row)?))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Points by lot, of one member each.
pub type ByLot = BTreeMap<MemberId, BTreeMap<Uuid, Points>>;

/// What waits in the lots of locked members.
pub async fn load_pending(tx: &mut PgConnection, members: &[MemberId]) -> Result<ByLot, Failure> {
    let members: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    let rows = sqlx::query!("select member_id, lot_id, points from pending_lot where member_id = any($1)", &members).fetch_all(tx).await?;
    let mut pending = ByLot::new();
    for row in rows {
        pending.entry(MemberId(row.member_id)).or_default().insert(row.lot_id, Points(row.points));
    }
    Ok(pending)
}

/// Writes what is left in lots that wait; those with nothing left are gone.
pub async fn save_pending(tx: &mut PgConnection, left: &[(MemberId, Uuid, Points)]) -> Result<(), Failure> {
    type Left<'a> = Vec<&'a (MemberId, Uuid, Points)>;
    let (empty, rest): (Left<'_>, Left<'_>) = left.iter().partition(|(.., points)| !points.is_positive());
    if !rest.is_empty() {
        sqlx::query!(
            "update pending_lot p set points = u.points from unnest($1::uuid[], $2::uuid[], $3::bigint[]) u(member_id, lot_id, points)
             where p.member_id = any($1) and p.lot_id = any($2) and p.member_id = u.member_id and p.lot_id = u.lot_id",
            &rest.iter().map(|(member, ..)| member.0).collect::<Vec<_>>(),
            &rest.iter().map(|(_, lot, _)| *lot).collect::<Vec<_>>(),
            &rest.iter().map(|(.., points)| points.0).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await?;
    }
    if !empty.is_empty() {
        sqlx::query!(
            "delete from pending_lot where member_id = any($1) and lot_id = any($2)",
            &empty.iter().map(|(member, ..)| member.0).collect::<Vec<_>>(),
            &empty.iter().map(|(_, lot, _)| *lot).collect::<Vec<_>>(),
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// What ended unspent of documents, by lot.
#[derive(Debug, Default)]
pub struct Ended {
    /// In which lot, and how much of it was neither revived nor given back.
    pub expired: BTreeMap<Uuid, Points>,
    /// Lots of these documents in which points of another one lived that had come back.
    pub graces: BTreeMap<Uuid, Vec<Uuid>>,
}

/// What ended unspent of these documents, by member. Entries of a lot's end name the document that brought the lot: so what is read are
/// those of the documents, however long the chains are.
pub async fn load_expired(tx: &mut PgConnection, documents: &BTreeSet<DocumentKey>) -> Result<BTreeMap<MemberId, Ended>, Failure> {
    let (stores, numbers): (Vec<String>, Vec<String>) = documents.iter().cloned().unzip();
    let rows = sqlx::query!(
        // Document by document, on the index of their entries, whatever is known of the table.
        r#"select e.member_id, e.lot_id, g.of_lot as "of_lot?",
                  sum(case when e.credit = $3 then e.points else -e.points end)::bigint as "points!"
           from unnest($1::text[], $2::text[]) u(store, document)
                cross join lateral (select * from entry e where e.store = u.store and e.document = u.document offset 0) e
                left join lateral (select of_lot from grace_lot g where g.member_id = e.member_id and g.lot_id = e.lot_id offset 0) g on true
           where e.credit = $3 or e.debit = $3 group by e.member_id, e.lot_id, g.of_lot order by e.member_id, e.lot_id"#,
        &stores,
        &numbers,
        EXPIRED,
    )
    .fetch_all(tx)
    .await?;
    let mut ended: BTreeMap<MemberId, Ended> = BTreeMap::new();
    for row in rows {
        let of_member = ended.entry(MemberId(row.member_id)).or_default();
        of_member.expired.insert(row.lot_id, Points(row.points));
        if let Some(of_lot) = row.of_lot {
            of_member.graces.entry(of_lot).or_default().push(row.lot_id);
        }
    }
    Ok(ended)
}
