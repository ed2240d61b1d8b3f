//! What somebody does who may change every row, and knows how hashes are made.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_proof::{Entry, Hash, Leaf, Seal, SealingKey, Statement, seal::Tree};
use rand::{Rng, rngs::StdRng};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// One changing of one member's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    /// A column of an entry.
    Edit(&'static str, &'static str),
    /// An entry is removed.
    Delete,
    /// The end is cut off, the account made to match.
    Cut,
    /// An entry more, somewhere.
    InsertAtPlace,
    /// An entry more behind the last, with the right hash.
    Append,
    /// Two entries change places.
    Swap,
    /// One entry's points, with everything that follows computed again.
    Rewrite,
    /// The same, and the sealed heads, too.
    RewriteSealed,
    /// An entry is given to somebody else.
    Move,
    /// A column of the account.
    Account(&'static str),
    /// The account is removed.
    NoAccount,
    /// A lot.
    Lot(&'static str),
}

/// All of them.
pub const ATTACKS: &[Attack] = &[
    Attack::Edit("points", "points + 1"),
    Attack::Edit("debit", "'issued:SH02'"),
    Attack::Edit("credit", "'expired'"),
    Attack::Edit("kind", "'import'"),
    Attack::Edit("store", "'SH09'"),
    Attack::Edit("document", "document || 'x'"),
    Attack::Edit("category", "'vehicle'"),
    Attack::Edit("rule", "rule || '9'"),
    Attack::Edit("ordinal", "ordinal + 1000000"),
    Attack::Edit("qualifying", "not qualifying"),
    Attack::Edit("pending", "not pending"),
    Attack::Edit("lot_id", "gen_random_uuid()"),
    Attack::Edit("expires_on", "expires_on + 1"),
    Attack::Edit("expires_on", "'infinity'"),
    Attack::Edit("paid_fen", "coalesce(paid_fen, 0) + 1"),
    Attack::Edit("rate", "coalesce(rate, '') || '1'"),
    Attack::Edit("rate", "''"),
    Attack::Edit("base", "coalesce(base, 0) + 1"),
    Attack::Edit("posted_at", "posted_at + interval '1 microsecond'"),
    Attack::Edit("posted_at", "'-infinity'"),
    Attack::Edit("hash", "sha256(hash)"),
    Attack::Edit("entry_id", "gen_random_uuid()"),
    Attack::Edit("source", "case source when 'grant' then 'interaction' else 'grant' end"),
    Attack::Edit("source", "'invoice'"),
    Attack::Edit("of_entry", "gen_random_uuid()"),
    Attack::Delete,
    Attack::Delete,
    Attack::Cut,
    Attack::Cut,
    Attack::InsertAtPlace,
    Attack::Append,
    Attack::Swap,
    Attack::Swap,
    Attack::Rewrite,
    Attack::Rewrite,
    Attack::RewriteSealed,
    Attack::RewriteSealed,
    Attack::Move,
    Attack::Account("active"),
    Attack::Account("pending"),
    Attack::Account("reserved"),
    Attack::Account("debt"),
    Attack::Account("lifetime"),
    Attack::Account("first_spending_ordinal"),
    Attack::Account("head"),
    Attack::Account("sequence"),
    Attack::NoAccount,
    Attack::Lot("remaining = remaining - 1"),
    Attack::Lot("store = 'SH07'"),
    Attack::Lot("lot_id = gen_random_uuid()"),
    Attack::Lot("delete"),
];

/// An entry with its hash, as it stands.
pub struct Row {
    pub said: Entry<'static>,
    pub hash: Hash,
}

#[derive(sqlx::FromRow)]
struct Stored {
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
    expires_on: NaiveDate,
    paid_fen: Option<i64>,
    rate: Option<String>,
    base: Option<i64>,
    posted_at: DateTime<Utc>,
    of_entry: Option<Uuid>,
    hash: Vec<u8>,
}

impl From<Stored> for Row {
    fn from(row: Stored) -> Self {
        let kind = if row.kind == "grant" { "bonus".to_owned() } else { row.kind };
        let said = Entry {
            member_id: row.member_id,
            sequence: row.sequence,
            entry_id: row.entry_id,
            debit: row.debit.into(),
            credit: row.credit.into(),
            points: row.points,
            kind: kind.into(),
            source: row.source.unwrap_or_else(|| "invoice".to_owned()).into(),
            store: row.store.into(),
            document: row.document.into(),
            category: row.category.into(),
            rule: row.rule.into(),
            ordinal: row.ordinal,
            qualifying: row.qualifying,
            pending: row.pending,
            lot_id: row.lot_id,
            expires_on: row.expires_on,
            paid_fen: row.paid_fen,
            rate: row.rate.map(Into::into),
            base: row.base,
            posted_at: row.posted_at,
            of_entry: row.of_entry,
        };
        Self { said, hash: Hash::of_slice(&row.hash).expect("hash") }
    }
}

/// A member's entries.
pub async fn rows(tx: &mut PgConnection, member: Uuid) -> Vec<Row> {
    let stored: Vec<Stored> =
        sqlx::query_as("select * from entry where member_id = $1 order by sequence").bind(member).fetch_all(tx).await.expect("entries");
    stored.into_iter().map(Row::from).collect()
}

async fn run(tx: &mut PgConnection, sql: String, member: Uuid, place: i64) {
    let done =
        sqlx::query(AssertSqlSafe(sql.clone())).bind(member).bind(place).execute(tx).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert!(done.rows_affected() > 0, "{sql} changed nothing");
}

/// Sets the account to what the entries up to `place` come to, as a good forger does.
async fn match_account(tx: &mut PgConnection, member: Uuid, place: i64) {
    let sum = |account| {
        format!(
            "(select greatest(coalesce(sum(case '{account}' when credit then points when debit then -points else 0 end), 0), 0) from entry where member_id = $1)"
        )
    };
    let sql = format!(
        "update account set sequence = $2, active = {}, pending = {},
                head = coalesce((select hash from entry where member_id = $1 and sequence = $2), decode(repeat('00', 32), 'hex'))
         where member_id = $1",
        sum("active"),
        sum("pending")
    );
    run(tx, sql, member, place).await;
    let lots = "update lot l set remaining = least(l.points, (select greatest(0, sum(case 'active' when credit then e.points when debit then -e.points else 0 end))
                                               from entry e where e.member_id = $1 and e.lot_id = l.lot_id)) where member_id = $1 and $2 >= 0";
    sqlx::query(lots).bind(member).bind(place).execute(tx).await.expect("lots");
}

/// Computes the hashes from `place` on again.
async fn rechain(tx: &mut PgConnection, member: Uuid, place: i64) -> Vec<Row> {
    let mut rows = rows(tx, member).await;
    let mut before = Hash::NONE;
    for row in &mut rows {
        if row.said.sequence >= place {
            row.hash = row.said.hash(&before);
            let sql = "update entry set hash = $3 where member_id = $1 and sequence = $2";
            sqlx::query(sql).bind(member).bind(row.said.sequence).bind(row.hash.0.to_vec()).execute(&mut *tx).await.expect("hash");
        }
        before = row.hash;
    }
    rows
}

/// Does it to a member with these entries; says at which place, and to whom else.
pub async fn attack(tx: &mut PgConnection, rng: &mut StdRng, attack: Attack, member: Uuid, other: Uuid) -> (Option<i64>, Option<Uuid>) {
    let rows = rows(tx, member).await;
    let count = i64::try_from(rows.len()).expect("count");
    let place = rng.random_range(1..=count);
    match attack {
        Attack::Edit(column, value) => {
            run(tx, format!("update entry set {column} = {value} where member_id = $1 and sequence = $2"), member, place).await;
            (Some(place), None)
        }
        Attack::Delete => {
            run(tx, "delete from entry where member_id = $1 and sequence = $2".to_owned(), member, place).await;
            (Some(place), None)
        }
        Attack::Cut => {
            run(tx, "delete from entry where member_id = $1 and sequence >= $2".to_owned(), member, place).await;
            match_account(tx, member, place - 1).await;
            (Some(place), None)
        }
        Attack::InsertAtPlace | Attack::Append => {
            let at = if attack == Attack::Append { count + 1 } else { place };
            let mut said = rows[usize::try_from(place - 1).expect("index")].said.clone();
            (said.sequence, said.entry_id, said.ordinal) = (at, Uuid::from_u128(rng.random()), rng.random_range(1_000_000..2_000_000));
            let hash = said.hash(&rows[usize::try_from((at - 2).max(0)).expect("index")].hash);
            let sql = "insert into entry select member_id, $3, $4, debit, credit, points, kind, store, document, category, rule, $5, qualifying, pending,
                              lot_id, expires_on, paid_fen, rate, base, posted_at, $6, source, of_entry
                       from entry where member_id = $1 and sequence = $2";
            let insert = sqlx::query(sql).bind(member).bind(place).bind(at).bind(said.entry_id).bind(said.ordinal).bind(hash.0.to_vec());
            insert.execute(tx).await.expect("inserted");
            (Some(at), None)
        }
        Attack::Swap => {
            let second = if place == count { 1 } else { place + 1 };
            let sql = format!(
                "update entry set sequence = case sequence when $2 then {second} else $2 end where member_id = $1 and sequence in ($2, {second})"
            );
            run(tx, sql, member, place).await;
            (Some(place), None)
        }
        Attack::Rewrite | Attack::RewriteSealed => {
            run(tx, "update entry set points = points + 100000 where member_id = $1 and sequence = $2".to_owned(), member, place).await;
            let forged = rechain(tx, member, place).await;
            match_account(tx, member, count).await;
            if attack == Attack::RewriteSealed {
                for row in forged {
                    let sql = "update sealed_head set head = $3 where member_id = $1 and sequence = $2";
                    sqlx::query(sql).bind(member).bind(row.said.sequence).bind(row.hash.0.to_vec()).execute(&mut *tx).await.expect("head");
                }
            }
            (Some(place), None)
        }
        Attack::Move => {
            let sql = format!("update entry set member_id = '{other}', sequence = sequence + 1000 where member_id = $1 and sequence = $2");
            run(tx, sql, member, place).await;
            (Some(place), Some(other))
        }
        Attack::Account(column) => {
            let value = if column == "head" { "sha256(head)".to_owned() } else { format!("{column} + 1") };
            run(tx, format!("update account set {column} = {value} where member_id = $1 and $2 > 0"), member, place).await;
            (None, None)
        }
        Attack::NoAccount => {
            run(tx, "delete from account where member_id = $1 and $2 > 0".to_owned(), member, place).await;
            (None, None)
        }
        Attack::Lot(what) => {
            let lot = "lot_id = (select lot_id from lot where member_id = $1 and remaining > 0 order by lot_id limit 1)";
            let sql = if what == "delete" { "delete from lot".to_owned() } else { format!("update lot set {what}") };
            run(tx, format!("{sql} where member_id = $1 and $2 > 0 and {lot}"), member, place).await;
            (None, None)
        }
    }
}

/// Makes all seals anew over what the sealed heads say now, signed with a key of the forger's own.
pub async fn forge_seals(tx: &mut PgConnection, key: &SealingKey) {
    let numbers: Vec<(i64, DateTime<Utc>)> =
        sqlx::query_as("select seal, sealed_at from seal order by seal").fetch_all(&mut *tx).await.expect("seals");
    let mut previous = Hash::NONE;
    for (number, at) in numbers {
        let heads: Vec<(Uuid, i64, Vec<u8>)> =
            sqlx::query_as("select member_id, sequence, head from sealed_head where seal = $1 order by member_id")
                .bind(number)
                .fetch_all(&mut *tx)
                .await
                .expect("heads");
        let leaf = |(member_id, sequence, head): &(Uuid, i64, Vec<u8>)| Leaf {
            member_id: *member_id,
            sequence: *sequence,
            head: Hash::of_slice(head).expect("hash"),
        };
        let tree = Tree::of(heads.iter().map(leaf));
        let Seal { statement, key, signature, .. } =
            key.sign(Statement { seal: number, at, previous, root: tree.root(), leaves: tree.leaves() });
        let sql = "update seal set previous = $2, root = $3, key = $4, signature = $5 where seal = $1";
        let update = sqlx::query(sql)
            .bind(number)
            .bind(previous.0.to_vec())
            .bind(statement.root.0.to_vec())
            .bind(key.to_bytes().to_vec())
            .bind(signature.0.to_vec());
        update.execute(&mut *tx).await.expect("forged");
        previous = statement.hash();
    }
}
