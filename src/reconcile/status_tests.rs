#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::TimeZone;
use headwater_api::condition::{
    ARTIFACT_IN_STORAGE, ARTIFACT_OUTDATED, FETCH_FAILED, READY, RECONCILING, STALLED, STORAGE_OPERATION_FAILED,
};
use proptest::prelude::*;

use super::*;
use crate::reconcile::pass::Kept;

fn at(second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, second).unwrap()
}

fn seen(generation: i64, second: u32) -> Seen<'static> {
    Seen { generation, requested: None, now: at(second) }
}

fn artifact(revision: &str) -> Artifact {
    Artifact { revision: revision.into(), digest: format!("sha256:{revision}"), path: format!("p/{revision}"), ..Artifact::default() }
}

fn kept(revision: &str) -> Kept {
    let condition = format!("stored artifact for revision '{revision}'");
    Kept { artifact: artifact(revision), reason: None, condition, event: "stored".into(), checksum: String::new(), included: Vec::new() }
}

fn stored(revision: &str) -> Done {
    Done::Stored(kept(revision))
}

fn unchanged(revision: &str) -> Done {
    Done::Unchanged(kept(revision))
}

fn fresh() -> Common {
    Common { observed_generation: Some(-1), ..Common::default() }
}

fn ready() -> Common {
    fold(
        &fresh(),
        seen(1, 1),
        &[Fact::Included(Includes::Same), Fact::Fetched, Fact::Unverified, Fact::new_revision("a")],
        Ok(&stored("a")),
    )
}

fn told(common: &Common) -> Vec<String> {
    common
        .conditions
        .iter()
        .map(|c| format!("{}={:?} {} ({}): {}", c.type_, c.status, c.reason, c.observed_generation.unwrap(), c.message))
        .collect()
}

#[test]
fn a_first_artifact_makes_the_object_ready() {
    let after = ready();
    insta::assert_debug_snapshot!(told(&after));
    assert_eq!(after.observed_generation, Some(1));
    assert_eq!(after.artifact, Some(artifact("a")));
}

#[test]
fn a_first_failure_leaves_it_reconciling_and_unobserved() {
    let after = fold(&fresh(), seen(1, 1), &[], Err(&Failure::fetch("GitOperationFailed", "no such branch")));
    insta::assert_debug_snapshot!(told(&after));
    assert_eq!(after.observed_generation, Some(-1));
}

#[test]
fn an_old_artifact_survives_a_failed_fetch() {
    let after = fold(&ready(), seen(2, 9), &[], Err(&Failure::fetch("GitOperationFailed", "gone")));
    insta::assert_debug_snapshot!(told(&after));
    assert_eq!(after.artifact, Some(artifact("a")));
    assert_eq!(after.observed_generation, Some(1));
}

#[test]
fn a_stalled_object_is_observed_and_no_longer_reconciling() {
    let after = fold(&ready(), seen(2, 9), &[], Err(&Failure::fetch("URLInvalid", "bad").stalled()));
    insta::assert_debug_snapshot!(told(&after));
    assert_eq!(after.observed_generation, Some(2));
}

#[test]
fn a_failure_to_store_a_new_revision_shows_that_the_artifact_is_outdated() {
    let facts = [Fact::Included(Includes::Same), Fact::Fetched, Fact::Unverified, Fact::new_revision("b")];
    let after = fold(&ready(), seen(1, 9), &facts, Err(&Failure::storage("ArchiveOperationFailed", "disk full")));
    insta::assert_debug_snapshot!(told(&after));
}

#[test]
fn recovery_removes_every_trace_of_the_failure_and_keeps_the_old_transition_times() {
    let failed = fold(
        &ready(),
        seen(1, 5),
        &[Fact::Included(Includes::Same), Fact::Fetched, Fact::Unverified],
        Err(&Failure::storage("ArchiveOperationFailed", "disk full")),
    );
    let after = fold(&failed, seen(1, 9), &[Fact::Included(Includes::Same), Fact::Fetched, Fact::Unverified], Ok(&unchanged("a")));
    assert_eq!(after.conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(), [READY, ARTIFACT_IN_STORAGE]);
    assert_eq!(condition::find(&after.conditions, READY).unwrap().last_transition_time, at(9));
    assert_eq!(condition::find(&after.conditions, ARTIFACT_IN_STORAGE).unwrap().last_transition_time, at(1));
}

#[test]
fn a_lost_artifact_is_taken_back_only_when_it_could_not_be_restored() {
    let lost = fold(&ready(), seen(1, 9), &[Fact::ArtifactLost], Err(&Failure::fetch("GitOperationFailed", "down")));
    assert_eq!(lost.artifact, None);
    assert!(condition::find(&lost.conditions, RECONCILING).unwrap().message.ends_with("disappeared from storage"));
    let restored = fold(&ready(), seen(1, 9), &[Fact::ArtifactLost, Fact::Fetched], Ok(&stored("a")));
    assert_eq!(restored.artifact, Some(artifact("a")));
}

#[test]
fn suspending_changes_nothing_but_the_generation_that_was_seen() {
    let before = ready();
    let after = suspended(&before, seen(2, 9));
    assert_eq!(after.observed_generation, Some(2));
    assert_eq!(after.artifact, before.artifact);
    assert_eq!(condition::find(&after.conditions, READY).unwrap().last_transition_time, at(1));
    assert_eq!(suspended(&fresh(), seen(2, 9)), fresh());
}

#[test]
fn while_under_way_a_ready_object_stays_ready_and_a_new_one_is_unknown() {
    let known = reconciling(&ready(), seen(2, 9), &[]);
    assert_eq!(condition::find(&known.conditions, READY).unwrap().status, Status::True);
    let new = reconciling(&fresh(), seen(1, 9), &[]);
    assert_eq!(condition::find(&new.conditions, READY).unwrap().status, Status::Unknown);
}

#[test]
fn long_messages_are_cut_at_a_character() {
    let after = fold(&fresh(), seen(1, 1), &[], Err(&Failure::fetch("GitOperationFailed", "é".repeat(40_000))));
    let message = &condition::find(&after.conditions, FETCH_FAILED).unwrap().message;
    assert!(message.len() <= condition::MESSAGE_MAX && message.ends_with("é..."));
}

fn outcomes() -> impl Strategy<Value = (Vec<Fact>, Result<Done, u8>)> {
    let fact = prop_oneof![Just(Fact::ArtifactLost), Just(Fact::Fetched), "[ab]".prop_map(|revision| Fact::new_revision(&revision))];
    let outcome = prop_oneof!["[ab]".prop_map(|r| Ok(stored(&r))), "[ab]".prop_map(|r| Ok(unchanged(&r))), (0_u8..4).prop_map(Err)];
    (proptest::collection::vec(fact, 0..4), outcome)
}

proptest! {
    #[test]
    fn after_any_passes_the_status_is_consistent(passes in proptest::collection::vec(outcomes(), 1..6)) {
        let mut status = fresh();
        for (i, (facts, outcome)) in passes.iter().enumerate() {
            let generation = i64::try_from(i).unwrap() + 1;
            let failure = |n: &u8| match n {
                0 => Failure::fetch("A", "a"),
                1 => Failure::fetch("B", "b").stalled(),
                2 => Failure::storage("C", "c"),
                _ => Failure { mark: None, reason: "D", fate: Fate::Wait(std::time::Duration::from_secs(1)), source: "d".into() },
            };
            status = match outcome {
                Ok(done) => fold(&status, seen(generation, 1), facts, Ok(done)),
                Err(n) => fold(&status, seen(generation, 1), facts, Err(&failure(n))),
            };
            let has = |type_: &str| condition::find(&status.conditions, type_).is_some_and(Condition::is_true);
            let failed = [FETCH_FAILED, STORAGE_OPERATION_FAILED, STALLED, RECONCILING, ARTIFACT_OUTDATED].iter().any(|t| has(t));
            prop_assert_eq!(has(READY), outcome.is_ok() && !failed);
            prop_assert!(!(has(STALLED) && has(RECONCILING)));
            prop_assert!(!has(READY) || status.artifact.is_some());
            prop_assert!(!has(READY) || status.observed_generation == Some(generation));
            let mut types: Vec<_> = status.conditions.iter().map(|c| c.type_.clone()).collect();
            let all = types.len();
            types.sort();
            types.dedup();
            prop_assert_eq!(types.len(), all);
        }
    }
}
