//! The first start, by any number of copies, and what the service's role may do.

use jifen_contracts::endpoint::{ProgramGet, ProgramGetRequest, ProgramList, ProgramsRequest};
use jifen_testkit::eventually;

use crate::support::{Bench, DEADLINE, day, preset};

#[tokio::test]
async fn copies_that_start_together_store_and_announce_version_1_once() {
    let bench = Bench::start().await;
    let copies = tokio::join!(bench.copy(), bench.copy(), bench.copy());
    eventually(DEADLINE, || async { bench.ask::<ProgramGet>(ProgramGetRequest { version: None }).await.ok() }).await;
    let (points, _) = jifen_program::check(&preset("points")).expect("program");
    let listed = bench.ask::<ProgramList>(ProgramsRequest::default()).await.expect("list");
    assert!(!listed.more);
    let [first] = &listed.versions[..] else { panic!("{} versions", listed.versions.len()) };
    assert_eq!((first.version, first.effective_from), (1, day("2000-01-01")));
    assert_eq!((&first.hash, &first.program), (&jifen_program::hash(&points), &points));
    let announced = bench.announced().await;
    assert_eq!(announced.len(), 1);
    assert_eq!((&announced[0].data.0, announced[0].sequence.as_deref()), (first, Some("00000000000000000001")));
    // Every copy's runtime has asked for it, as any other service's would.
    for copy in [&copies.0, &copies.1, &copies.2] {
        eventually(DEADLINE, || async { copy.cx().programs.get(1) }).await;
    }
    assert!(copies.0.stop().await && copies.1.stop().await && copies.2.stop().await);
    // A later start finds it and adds nothing.
    let again = bench.copy().await;
    assert_eq!((bench.numbers().await, bench.announced().await.len()), (vec![1], 1));
    assert!(again.stop().await);
}

#[tokio::test]
async fn the_services_role_can_neither_change_nor_remove_a_version() {
    let bench = Bench::start().await;
    let copy = bench.copy().await;
    let role = bench.env.pool("program");
    for sql in ["update version set hash = hash", "delete from version", "truncate version"] {
        let refused = sqlx::query(sql).execute(&role).await.expect_err(sql);
        assert_eq!(refused.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"), "{sql}");
    }
    assert!(copy.stop().await);
}
