//! Accounts: locked in the order of `member_id`, saved once a batch.

use std::collections::BTreeMap;

use jifen_contracts::event::Balance;
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::account::Account;

/// Accounts by member, as locked.
pub type Accounts = BTreeMap<MemberId, Account>;

/// Locks the accounts of `members` (id to number), opening those that aren't there, and loads them.
pub async fn load_locked(tx: &mut PgConnection, members: &BTreeMap<MemberId, &str>) -> Result<Accounts, Failure> {
    let all: Vec<Uuid> = members.keys().map(|member| member.0).collect();
    let mut accounts = lock(tx, &all).await?;
    if accounts.len() < members.len() {
        // A row that isn't there can't be locked. Only new members come here; one that another copy is just opening is waited for.
        // These locks come behind those of known members: two copies that open the same ones may deadlock, and one comes again.
        let missing = || members.iter().filter(|(member, _)| !accounts.contains_key(member));
        let ids: Vec<Uuid> = missing().map(|(member, _)| member.0).collect();
        let numbers: Vec<String> = missing().map(|(_, number)| (*number).to_owned()).collect();
        sqlx::query!(
            "insert into account (member_id, member_no) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing",
            &ids,
            &numbers
        )
        .execute(&mut *tx)
        .await?;
        accounts.append(&mut lock(tx, &ids).await?);
    }
    Ok(accounts)
}

/// Locks these accounts, which are there, and loads them.
pub async fn load_known(tx: &mut PgConnection, members: &[Uuid]) -> Result<Accounts, Failure> {
    lock(tx, members).await
}

async fn lock(tx: &mut PgConnection, members: &[Uuid]) -> Result<Accounts, Failure> {
    let rows = sqlx::query!(
        r#"select member_id, member_no, active, pending, reserved, debt, lifetime, first_spending_ordinal, first_spending_stands,
                coalesce(spendings, 0) as "spendings!", sequence, head
         from account where member_id = any($1) order by member_id for update"#,
        members
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let member_id = MemberId(row.member_id);
        let head = row.head.try_into().map_err(|_| BadRow { table: "account", key: member_id.to_string(), what: "head" })?;
        let account = Account {
            member_id,
            member_no: row.member_no,
            balance: Balance {
                active: Points(row.active),
                pending: Points(row.pending),
                reserved: Points(row.reserved),
                debt: Points(row.debt),
            },
            lifetime: Points(row.lifetime),
            first_spending_ordinal: row.first_spending_ordinal,
            first_spending_stands: row.first_spending_stands,
            spendings: row.spendings,
            sequence: row.sequence,
            head,
        };
        Ok((member_id, account))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Saves locked accounts.
pub async fn save(tx: &mut PgConnection, accounts: &Accounts) -> Result<(), Failure> {
    let each = || accounts.values();
    sqlx::query!(
        "update account a set active = u.active, pending = u.pending, lifetime = u.lifetime, first_spending_ordinal = u.ordinal,
                first_spending_stands = u.stands, sequence = u.sequence, head = u.head, reserved = u.reserved, debt = u.debt,
                spendings = nullif(u.spendings, 0)
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::bool[], $6::bigint[], $7::bytea[], $8::bigint[],
                     $9::bigint[], $10::bigint[], $11::int[])
              u(member_id, active, lifetime, ordinal, stands, sequence, head, pending, reserved, debt, spendings)
         where a.member_id = any($1) and a.member_id = u.member_id",
        &each().map(|a| a.member_id.0).collect::<Vec<_>>(),
        &each().map(|a| a.balance.active.0).collect::<Vec<_>>(),
        &each().map(|a| a.lifetime.0).collect::<Vec<_>>(),
        &each().map(|a| a.first_spending_ordinal).collect::<Vec<_>>(),
        &each().map(|a| a.first_spending_stands).collect::<Vec<_>>(),
        &each().map(|a| a.sequence).collect::<Vec<_>>(),
        &each().map(|a| a.head.to_vec()).collect::<Vec<_>>(),
        &each().map(|a| a.balance.pending.0).collect::<Vec<_>>(),
        &each().map(|a| a.balance.reserved.0).collect::<Vec<_>>(),
        &each().map(|a| a.balance.debt.0).collect::<Vec<_>>(),
        &each().map(|a| a.spendings).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An account as asked for by number.
pub struct AccountRow {
    /// Whose.
    pub member_id: MemberId,
    /// Balances.
    pub balance: Balance,
    /// All ever earned.
    pub lifetime: Points,
    /// Entries so far.
    pub sequence: i64,
    /// Nothing of it can be held, spent or taken.
    pub frozen: bool,
}

/// The account of a member number.
pub async fn find(pool: &PgPool, member_no: &str) -> Result<Option<AccountRow>, Failure> {
    let row = sqlx::query!(
        r#"select member_id, active, pending, reserved, debt, lifetime, sequence,
                  exists (select 1 from account_freeze f where f.member_id = a.member_id and f.unfrozen_at is null) as "frozen!"
           from account a where member_no = $1"#,
        member_no
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| AccountRow {
        member_id: MemberId(row.member_id),
        balance: Balance {
            active: Points(row.active),
            pending: Points(row.pending),
            reserved: Points(row.reserved),
            debt: Points(row.debt),
        },
        lifetime: Points(row.lifetime),
        sequence: row.sequence,
        frozen: row.frozen,
    }))
}

/// Who has these numbers, of those that have an account.
pub async fn list_numbers(pool: &PgPool, numbers: &[String]) -> Result<Vec<(String, MemberId)>, Failure> {
    let rows = sqlx::query!("select member_no, member_id from account where member_no = any($1)", numbers).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| (row.member_no, MemberId(row.member_id))).collect())
}

/// Who has these numbers, of those whose activation was announced here.
pub async fn list_activated_numbers(pool: &PgPool, numbers: &[String]) -> Result<Vec<(String, MemberId)>, Failure> {
    let rows = sqlx::query!(
        "select a.member_no, a.member_id from account a
         where a.member_no = any($1) and exists (select 1 from activation v where v.member_id = a.member_id)",
        numbers
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.member_no, MemberId(row.member_id))).collect())
}
