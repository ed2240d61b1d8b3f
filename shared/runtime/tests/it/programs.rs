//! Every service comes to know every version of the rules.

use futures_util::StreamExt;
use jifen_contracts::{
    EventType,
    endpoint::{Endpoint, ProgramList, ProgramsReply, ProgramsRequest},
    event::ProgramApplied,
    program::AppliedProgram,
};
use jifen_testkit::{DEADLINE, bus, eventually, samples};
use tokio::sync::mpsc;

use crate::{bench::Bench, probe::POINTS};

impl Bench {
    /// Answers as `program` does, two versions a page; tells of every question.
    async fn answer_with(&self, versions: Vec<AppliedProgram>) -> mpsc::UnboundedReceiver<u32> {
        let nats = self.env.nats(ProgramApplied::SERVICE).await;
        let mut requests = nats.subscribe(ProgramList::SUBJECT).await.expect("subscription");
        nats.flush().await.expect("flush");
        let (asked, questions) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let ProgramsRequest { after } = serde_json::from_slice(&request.payload).expect("request");
                let above: Vec<AppliedProgram> = versions.iter().filter(|applied| applied.version > after).cloned().collect();
                let reply = ProgramsReply { more: above.len() > 2, versions: above.into_iter().take(2).collect() };
                let reply = serde_json::to_vec(&reply).expect("json");
                nats.publish(request.reply.expect("reply"), reply.into()).await.expect("answered");
                if asked.send(after).is_err() {
                    break;
                }
            }
        });
        questions
    }
}

fn versions(count: u32) -> Vec<AppliedProgram> {
    (1..=count).map(|version| samples::program(version, serde_json::json!({}))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_asked_for_at_start_and_kept() {
    let bench = Bench::start(POINTS).await;
    let mut questions = bench.answer_with(versions(5)).await;
    let copy = bench.copy().await;
    eventually(DEADLINE, || async { copy.cx().programs.get(5) }).await;
    let mut asked = Vec::new();
    while let Ok(after) = questions.try_recv() {
        asked.push(after);
    }
    assert_eq!(asked[..3], [0, 2, 4], "page by page");
    assert_eq!(bench.number("select count(*) from program_version").await, 5);
    assert!(copy.stop().await);
    drop(questions);
    // Without `program`, too, a start knows what was known.
    let copy = bench.copy().await;
    let known: Vec<bool> = (1..=6).map(|version| copy.cx().programs.get(version).is_some()).collect();
    assert_eq!(known, [true, true, true, true, true, false]);
    assert_eq!(copy.cx().programs.newest().map(|applied| applied.version), Some(5));
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_learned_as_they_are_announced() {
    let bench = Bench::start(POINTS).await;
    let mut questions = bench.answer_with(Vec::new()).await;
    let copies = [bench.copy().await, bench.copy().await];
    for _ in &copies {
        // Who asks listens already.
        questions.recv().await.expect("asked");
    }
    let announced: Vec<ProgramApplied> = versions(2).into_iter().map(ProgramApplied).collect();
    bus::publish(&bench.env, &announced).await;
    for copy in copies {
        let second = eventually(DEADLINE, || async { copy.cx().programs.get(2) }).await;
        assert_eq!(*second, announced[1].0);
        assert!(copy.stop().await);
    }
    assert_eq!(bench.number("select count(*) from program_version").await, 2);
}
