//! Seals and the heads under them: written once, never changed.

use chrono::{DateTime, Utc};
use jifen_proof::{Hash, Leaf, PublicKey, Seal, Statement, seal::Signed};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

/// How far the sealer looked.
#[derive(Debug, Clone)]
pub struct Place {
    /// When; `None` if it shall look on at once.
    pub looked_at: Option<DateTime<Utc>>,
    /// Entries posted before were looked at.
    pub looked_to: Option<DateTime<Utc>>,
    /// On the round through all accounts: the last one looked at.
    pub round_to: Option<Uuid>,
}

/// Where the sealer is.
pub async fn load_place(tx: &mut PgConnection) -> Result<Place, Failure> {
    Ok(sqlx::query_as!(Place, "select looked_at, looked_to, round_to from sealing").fetch_one(tx).await?)
}

/// Where the sealer is now.
pub async fn save_place(tx: &mut PgConnection, place: &Place) -> Result<(), Failure> {
    sqlx::query!("update sealing set looked_at = $1, looked_to = $2, round_to = $3", place.looked_at, place.looked_to, place.round_to)
        .execute(tx)
        .await?;
    Ok(())
}

/// The head of a chain that grew, and how far it is sealed.
#[derive(Debug, Clone, Copy)]
pub struct Grown {
    /// The head.
    pub leaf: Leaf,
    /// The sequence of the sealed head before.
    pub behind: i64,
}

fn grown(member_id: Uuid, sequence: i64, head: &[u8], behind: i64) -> Result<Grown, BadRow> {
    let head = Hash::of_slice(head).ok_or_else(|| BadRow { table: "account", key: member_id.to_string(), what: "head" })?;
    Ok(Grown { leaf: Leaf { member_id, sequence, head }, behind })
}

/// Chains that grew and have an entry posted at `from` or later: so many at most.
pub async fn list_recent(tx: &mut PgConnection, from: DateTime<Utc>, limit: i64) -> Result<Vec<Grown>, Failure> {
    let rows = sqlx::query!(
        r#"select a.member_id, a.sequence, a.head, coalesce(s.sequence, 0) as "behind!"
           from (select distinct member_id from entry where posted_at >= $1) r
                cross join lateral (select * from account a where a.member_id = r.member_id offset 0) a
                left join lateral (select sequence from sealed_head s where s.member_id = r.member_id
                                   order by s.sequence desc limit 1) s on true
           where a.sequence > coalesce(s.sequence, 0) limit $2"#,
        from,
        limit
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| grown(row.member_id, row.sequence, &row.head, row.behind)).collect::<Result<_, _>>()?)
}

/// Of the next so many accounts behind `after`, in the order of their members: the chains that grew, and the last account looked at, if
/// there are more behind it.
pub async fn list_round(tx: &mut PgConnection, after: Option<Uuid>, limit: i64) -> Result<(Vec<Grown>, Option<Uuid>), Failure> {
    let rows = sqlx::query!(
        r#"select a.member_id, a.sequence, a.head, coalesce(s.sequence, 0) as "behind!"
           from (select * from account where member_id >= $1 order by member_id limit $2) a
                left join lateral (select sequence from sealed_head s where s.member_id = a.member_id
                                   order by s.sequence desc limit 1) s on true
           order by a.member_id"#,
        after.map_or(Uuid::nil(), |after| Uuid::from_u128(after.as_u128().saturating_add(1))),
        limit
    )
    .fetch_all(tx)
    .await?;
    let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < limit;
    let last = rows.last().filter(|_| !is_last).map(|row| row.member_id);
    let rows = rows.into_iter().filter(|row| row.sequence > row.behind);
    Ok((rows.map(|row| grown(row.member_id, row.sequence, &row.head, row.behind)).collect::<Result<_, _>>()?, last))
}

/// The newest seal.
pub async fn find_newest(tx: &mut PgConnection) -> Result<Option<Statement>, Failure> {
    let row =
        sqlx::query_as!(SealRow, "select seal, sealed_at, previous, root, leaves, key, signature from seal order by seal desc limit 1")
            .fetch_optional(tx)
            .await?;
    Ok(row.map(|row| row.read().map(|seal| seal.statement)).transpose()?)
}

/// Seals from this number on, in their order: so many at most.
pub async fn list_from(tx: &mut PgConnection, from: i64, limit: i64) -> Result<Vec<Seal>, Failure> {
    let rows = sqlx::query_as!(
        SealRow,
        "select seal, sealed_at, previous, root, leaves, key, signature from seal where seal >= $1 order by seal limit $2",
        from,
        limit
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(SealRow::read).collect::<Result<_, _>>()?)
}

/// The leaves of a seal, in the order of its tree.
pub async fn list_leaves(tx: &mut PgConnection, seal: i64) -> Result<Vec<Leaf>, Failure> {
    let rows =
        sqlx::query!("select member_id, sequence, head from sealed_head where seal = $1 order by member_id", seal).fetch_all(tx).await?;
    let leaf = |row_id: Uuid, sequence, head: &[u8]| {
        let bad = || BadRow { table: "sealed_head", key: format!("{row_id}/{sequence}"), what: "head" };
        Ok::<_, BadRow>(Leaf { member_id: row_id, sequence, head: Hash::of_slice(head).ok_or_else(bad)? })
    };
    Ok(rows.into_iter().map(|row| leaf(row.member_id, row.sequence, &row.head)).collect::<Result<_, _>>()?)
}

/// A row as it stands, whoever wrote it.
pub(super) struct SealRow {
    pub seal: i64,
    pub sealed_at: DateTime<Utc>,
    pub previous: Vec<u8>,
    pub root: Vec<u8>,
    pub leaves: i64,
    pub key: Vec<u8>,
    pub signature: Vec<u8>,
}

impl SealRow {
    pub fn read(self) -> Result<Seal, BadRow> {
        let bad = |what| BadRow { table: "seal", key: self.seal.to_string(), what };
        Ok(Seal {
            statement: Statement {
                seal: self.seal,
                at: self.sealed_at,
                previous: Hash::of_slice(&self.previous).ok_or_else(|| bad("previous"))?,
                root: Hash::of_slice(&self.root).ok_or_else(|| bad("root"))?,
                leaves: u64::try_from(self.leaves).map_err(|_| bad("leaves"))?,
            },
            key: PublicKey::try_new(&hex::encode(&self.key)).map_err(|_| bad("key"))?,
            signature: Signed(self.signature.as_slice().try_into().map_err(|_| bad("signature"))?),
            heads: None,
        })
    }
}

/// Writes a seal and the heads under it.
pub async fn save(tx: &mut PgConnection, seal: &Seal, heads: &[Grown]) -> Result<(), Failure> {
    let said = &seal.statement;
    sqlx::query!(
        "insert into seal (seal, sealed_at, previous, root, leaves, key, signature) values ($1, $2, $3, $4, $5, $6, $7)",
        said.seal,
        said.at,
        &said.previous.0,
        &said.root.0,
        i64::try_from(said.leaves).unwrap_or(i64::MAX),
        &seal.key.to_bytes(),
        &seal.signature.0,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into sealed_head (member_id, sequence, behind, head, seal)
         select u.*, $5 from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) u",
        &heads.iter().map(|head| head.leaf.member_id).collect::<Vec<_>>(),
        &heads.iter().map(|head| head.leaf.sequence).collect::<Vec<_>>(),
        &heads.iter().map(|head| head.behind).collect::<Vec<_>>(),
        &heads.iter().map(|head| head.leaf.head.0.to_vec()).collect::<Vec<_>>(),
        said.seal,
    )
    .execute(tx)
    .await?;
    Ok(())
}
