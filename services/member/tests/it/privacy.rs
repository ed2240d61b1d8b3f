//! What rests in the database, and what its role may do there.

use jifen_contracts::endpoint::{MemberGet, MemberRequest, RegisterRequest};
use jifen_runtime::ask;
use sqlx::AssertSqlSafe;

use super::support::{Bench, application, vehicle};

const PHONE: &str = "13800000001";
const NAME: &str = "欧阳修远";
const BIRTHDAY: &str = "1987-06-05";
const VIN: &str = "LSVAU2A37N2183294";
const PLATE: &str = "沪AD19283";

/// Every row of every table of the service, as text.
async fn dump(bench: &Bench) -> String {
    let pool = bench.env.admin_pool();
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'member' and table_type = 'BASE TABLE'",
    )
    .fetch_all(pool)
    .await
    .expect("tables");
    assert!(tables.iter().any(|table| table == "personal") && tables.iter().any(|table| table == "operation"), "{tables:?}");
    let mut dump = String::new();
    for table in tables {
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("select t::text from member.{table} t"))).fetch_all(pool).await.expect("rows");
        dump.push_str(&rows.join("\n"));
        dump.push('\n');
    }
    dump
}

#[tokio::test]
async fn no_personal_value_rests_in_clear() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let mut request = RegisterRequest {
        phone: format!("+86{PHONE}"),
        name: NAME.to_owned(),
        birthday: BIRTHDAY.parse().ok(),
        vehicles: vec![vehicle(Some(VIN), Some(PLATE))],
        ..application("op-1", 1)
    };
    let member_no = bench.must_register(&request).await.member_no;
    // Also what is only answered, and what is refused.
    request.operation_id = "op-2".to_owned();
    assert!(bench.must_register(&request).await.existing);
    request.operation_id = "op-3".to_owned();
    request.phone = "13800000002".to_owned();
    bench.register(&request).await.expect_err("the vehicle is taken");
    request.operation_id = "op-4".to_owned();
    request.phone = format!("{PHONE}99");
    bench.register(&request).await.expect_err("no phone");
    assert!(running.stop().await);

    let dump = dump(&bench).await.to_lowercase();
    assert!(dump.contains(&member_no.to_lowercase()), "the dump is one of this member");
    assert!(dump.contains("op-4"), "and of every operation");
    for value in [PHONE, "13800000002", NAME, "欧阳", BIRTHDAY, "1987", VIN, &VIN[3..], PLATE, "ad19283"] {
        let value = value.to_lowercase();
        assert!(!dump.contains(&value), "{value} stands in the database");
        // Binary columns are shown in hexadecimal.
        for bytes in [value.clone(), value.to_uppercase()] {
            assert!(!dump.contains(&hex::encode(bytes)), "{value} stands in a binary column");
        }
    }
}

#[tokio::test]
async fn a_destroyed_data_key_takes_the_values_with_it() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let member_no = bench.must_register(&application("op-1", 1)).await.member_no;
    let other = bench.must_register(&application("op-2", 2)).await.member_no;
    // Another member's key is no help: it is bound to that member.
    let swap = "update member.data_key k set sealed = (select sealed from member.data_key o where o.member_id <> k.member_id)
                where member_id = (select member_id from member.member where member_no = $1)";
    sqlx::query(swap).bind(&member_no).execute(bench.env.admin_pool()).await.expect("swapped");
    let problem = ask::<MemberGet>(&bench.caller, &MemberRequest { member_no }).await.expect_err("sealed for ever");
    assert_eq!(problem.code, "service.internal");
    assert!(ask::<MemberGet>(&bench.caller, &MemberRequest { member_no: other }).await.is_ok());
    assert!(running.stop().await);
}

#[tokio::test]
async fn the_service_may_not_rewrite_who_registered_and_what_was_reported() {
    let bench = Bench::start().await;
    let pool = bench.env.pool("member");
    for sql in [
        "update member set member_no = member_no",
        "delete from member",
        "update member set store = store",
        "update personal set field = field",
        "update data_key set sealed = sealed",
        "delete from data_key",
        "delete from consent",
        "update identity set hash = hash",
        "delete from sign_up",
        "update vehicle_sale set member_id = member_id",
        "delete from activation_code",
        "truncate identity",
    ] {
        let error = sqlx::query(sql).execute(&pool).await.expect_err(sql);
        assert_eq!(
            error.as_database_error().and_then(|error| error.code().map(|code| code.to_string())).as_deref(),
            Some("42501"),
            "{sql}"
        );
    }
}
