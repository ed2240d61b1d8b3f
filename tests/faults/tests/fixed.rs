//! A few rounds with fixed seeds, on servers of their own: the smallest campaign.

use jifen_faults::season::play_season;

/// Chosen for what happens in them, see docs/RELIABILITY.md.
const SEEDS: [u64; 2] = [7002, 7003];

#[tokio::test(flavor = "multi_thread")]
async fn rounds_with_faults_come_to_what_the_model_says() {
    let mut told = Vec::new();
    let well = play_season(&SEEDS, jifen_e2e::today(), |plan, verdict| told.push(format!("SEED={} {verdict:#?}", plan.seed))).await;
    assert!(well.expect("the servers start"), "{told:#?}");
    assert_eq!(told.len(), SEEDS.len());
}
