//! Many requests at once, over several copies.

use std::collections::BTreeSet;

use jifen_contracts::endpoint::RegisterRequest;

use super::support::{Bench, application, vehicle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_phone_from_many_callers_over_two_copies_is_one_member() {
    let bench = Bench::start().await;
    let (one, two) = (bench.copy().await, bench.copy().await);
    let spellings = ["13800000001", "+8613800000001", "138-0000-0001", "86 138 0000 0001"];
    let requests: Vec<RegisterRequest> =
        (0..32).map(|i| RegisterRequest { phone: spellings[i % 4].to_owned(), ..application(&format!("op-{i}"), 1) }).collect();
    let replies: Vec<_> = bench.register_all(&requests).await.into_iter().map(|answer| answer.expect("registered")).collect();
    assert_eq!(replies.iter().filter(|reply| !reply.existing).count(), 1);
    assert_eq!(replies.iter().map(|reply| reply.member_id).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(replies.iter().map(|reply| reply.member_no.as_str()).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(bench.members().await, 1);
    assert_eq!(bench.announced().await.len(), 1);
    assert!(one.stop().await && two.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_operation_over_two_copies_waits_for_the_first_answer() {
    let bench = Bench::start().await;
    let (one, two) = (bench.copy().await, bench.copy().await);
    let requests = vec![application("op-1", 1); 16];
    let replies: Vec<_> = bench.register_all(&requests).await.into_iter().map(|answer| answer.expect("registered")).collect();
    assert!(replies.iter().all(|reply| *reply == replies[0] && !reply.existing));
    assert_eq!(bench.members().await, 1);
    assert!(one.stop().await && two.stop().await);
}

/// Batches of several copies that want the same phones and cars in opposite orders: nobody waits in a circle, nothing is
/// owned twice, and no key is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossing_claims_of_phones_and_cars_end_well() {
    let bench = Bench::start().await;
    let (one, two) = (bench.copy().await, bench.copy().await);
    let vin = |number: u64| format!("LSVAU2A37N2{:06}", 100_000 + number);
    let requests: Vec<RegisterRequest> = (0..120_u64)
        .map(|i| {
            let (first, second) = (vin(i * 7 % 30), vin((i * 11 + 1) % 30));
            let vehicles = if first == second {
                vec![vehicle(Some(&first), None)]
            } else {
                vec![vehicle(Some(&first), None), vehicle(Some(&second), None)]
            };
            RegisterRequest { vehicles, ..application(&format!("op-{i}"), i % 40) }
        })
        .collect();
    let answers = bench.register_all(&requests).await;
    let mut new = 0;
    for answer in answers {
        match answer {
            Ok(reply) => new += i64::from(!reply.existing),
            Err(problem) => assert_eq!(problem.code, "member.vehicle_taken"),
        }
    }
    assert_eq!(bench.members().await, new);
    assert!(new > 0);
    assert_eq!(bench.number("select count(*) from member.identity where kind = 'phone'").await, new);
    assert_eq!(
        bench.number("select count(*) from member.identity where kind = 'vin'").await,
        bench.number("select count(*) from member.vehicle").await,
        "each car of a member is a key, and no key stands alone"
    );
    assert_eq!(bench.number("select count(*) from member.data_key").await, new);
    assert_eq!(i64::try_from(bench.announced().await.len()).expect("few"), new);
    assert!(one.stop().await && two.stop().await);
}
