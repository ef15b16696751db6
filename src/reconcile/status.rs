//! The status fold: the status before, what a pass learnt and how it ended, in; the status after, out. Pure.

use chrono::{DateTime, SubsecRound, Utc};
use headwater_api::artifact::Artifact;
use headwater_api::condition::{self, Condition, Status};
use headwater_api::reason;

use super::failure::{Failure, Fate, Mark};
use super::pass::{Done, Fact, Includes};

/// The part of a status that every kind has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Common {
    /// The conditions, `Stalled`, `Reconciling` and `Ready` first.
    pub conditions: Vec<Condition>,
    /// The artifact that is advertised.
    pub artifact: Option<Artifact>,
    /// The generation of the last pass that ended; -1 before.
    pub observed_generation: Option<i64>,
    /// The reconcile request that was handled last.
    pub last_handled: Option<String>,
}

/// What is known of the object and of the moment.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The generation that the pass worked on.
    pub generation: i64,
    /// The reconcile request on the object, if any.
    pub requested: Option<&'a str>,
    /// When the pass ended.
    pub now: DateTime<Utc>,
}

/// The conditions that count for `Ready`, the weightiest first, and whether being true is bad.
const SUMMARY: [(&str, Polarity); 9] = [
    (condition::STORAGE_OPERATION_FAILED, Polarity::Negative),
    (condition::FETCH_FAILED, Polarity::Negative),
    (condition::BUILD_FAILED, Polarity::Negative),
    (condition::INCLUDE_UNAVAILABLE, Polarity::Negative),
    (condition::ARTIFACT_OUTDATED, Polarity::Negative),
    (condition::ARTIFACT_IN_STORAGE, Polarity::Positive),
    (condition::SOURCE_VERIFIED, Polarity::Positive),
    (condition::STALLED, Polarity::Negative),
    (condition::RECONCILING, Polarity::Negative),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polarity {
    Positive,
    Negative,
}

/// What is said when other content goes into the artifact than before.
const INCLUDES_DIFFER: &str = "included artifacts differ from last observed includes";

/// What `Reconciling` says while a pass is under way, and whether it also unsettles `Ready`.
fn progress(before: &Common, seen: Seen<'_>, facts: &[Fact]) -> (String, bool) {
    let observed = before.observed_generation.unwrap_or_default();
    let mut message = "reconciliation in progress".to_owned();
    let mut drift = false;
    if observed != seen.generation {
        message = format!("processing object: new generation {observed} -> {}", seen.generation);
    }
    let lost = facts.contains(&Fact::ArtifactLost);
    if lost || before.artifact.is_none() {
        message = format!("building artifact{}", if lost { ": disappeared from storage" } else { "" });
        drift = true;
    }
    for fact in facts {
        match fact {
            Fact::Outdated { message: new, .. } => message = format!("building artifact: {new}"),
            Fact::Included(Includes::New | Includes::Changed) => message = format!("building artifact: {INCLUDES_DIFFER}"),
            _ => continue,
        }
        drift = true;
    }
    (message, drift)
}

/// The status to publish while a pass is under way.
pub fn reconciling(before: &Common, seen: Seen<'_>, facts: &[Fact]) -> Common {
    let mut after = before.clone();
    let (message, drift) = progress(before, seen, facts);
    let list = &mut after.conditions;
    remove(list, condition::STALLED);
    set(list, condition::RECONCILING, Status::True, reason::PROGRESSING, &message, seen);
    let unsettled = find(list, condition::READY).is_none_or(|c| c.status == Status::Unknown);
    if drift || unsettled {
        set(list, condition::READY, Status::Unknown, reason::PROGRESSING, &message, seen);
    }
    if let Some(Fact::Outdated { reason, message }) = facts.last()
        && before.artifact.is_some()
    {
        set(list, condition::ARTIFACT_OUTDATED, Status::True, reason, message, seen);
    }
    sort(list);
    after
}

/// The status after a pass.
pub fn fold(before: &Common, seen: Seen<'_>, facts: &[Fact], outcome: Result<&Done, &Failure>) -> Common {
    let mut after = before.clone();
    let (message, _) = progress(before, seen, facts);
    let list = &mut after.conditions;
    for gone in [condition::STALLED, condition::STORAGE_OPERATION_FAILED] {
        remove(list, gone);
    }
    if find(list, condition::SOURCE_VERIFIED).is_some_and(|c| c.status == Status::False) {
        remove(list, condition::SOURCE_VERIFIED);
    }
    set(list, condition::RECONCILING, Status::True, reason::PROGRESSING, &message, seen);
    for fact in facts {
        match fact {
            Fact::ArtifactLost => {
                after.artifact = None;
                remove(list, condition::ARTIFACT_IN_STORAGE);
            }
            Fact::Included(_) => {
                remove(list, condition::INCLUDE_UNAVAILABLE);
                remove(list, condition::ARTIFACT_OUTDATED);
            }
            Fact::Fetched => remove(list, condition::FETCH_FAILED),
            Fact::Unverified => remove(list, condition::SOURCE_VERIFIED),
            Fact::Verified { message, .. } => set(list, condition::SOURCE_VERIFIED, Status::True, reason::SUCCEEDED, message, seen),
            Fact::Outdated { reason, message } if after.artifact.is_some() => {
                set(list, condition::ARTIFACT_OUTDATED, Status::True, reason, message, seen);
            }
            Fact::Outdated { .. } | Fact::Source(_) | Fact::Chart { .. } => {}
            Fact::Built => {
                remove(list, condition::FETCH_FAILED);
                remove(list, condition::BUILD_FAILED);
            }
        }
    }
    match outcome {
        Ok(done) => {
            let kept = done.kept();
            for gone in [condition::ARTIFACT_OUTDATED, condition::RECONCILING] {
                remove(list, gone);
            }
            let reason = kept.reason.unwrap_or(reason::SUCCEEDED);
            set(list, condition::ARTIFACT_IN_STORAGE, Status::True, reason, &kept.condition, seen);
            after.artifact = Some(kept.artifact.clone());
            after.observed_generation = Some(seen.generation);
        }
        Err(failure) => {
            let message = failure.message();
            if let Some(ended) = failure.mark.and_then(Mark::ends) {
                remove(list, ended);
            }
            for marked in failure.mark.map(Mark::conditions).unwrap_or_default() {
                let message = format!("{}{message}", marked.prefix);
                set(list, marked.condition, marked.status, marked.reason.unwrap_or(failure.reason), &message, seen);
            }
            if failure.fate == Fate::Stall {
                remove(list, condition::RECONCILING);
                set(list, condition::STALLED, Status::True, failure.reason, &message, seen);
                after.observed_generation = Some(seen.generation);
            }
        }
    }
    finish(&mut after, seen);
    after
}

/// The status of a suspended object: nothing is done, what is known stays.
pub fn suspended(before: &Common, seen: Seen<'_>) -> Common {
    let mut after = before.clone();
    remove(&mut after.conditions, condition::STALLED);
    if !after.conditions.is_empty() {
        after.observed_generation = Some(seen.generation);
    }
    finish(&mut after, seen);
    after
}

fn finish(after: &mut Common, seen: Seen<'_>) {
    let list = &mut after.conditions;
    if let Some(reconciling) = list.iter_mut().find(|c| c.type_ == condition::RECONCILING) {
        let message = reconciling.message.clone();
        set(list, condition::RECONCILING, Status::True, reason::PROGRESSING_WITH_RETRY, &message, seen);
    }
    if let Some((status, reason, message)) = summary(list) {
        set(list, condition::READY, status, &reason, &message, seen);
    }
    sort(list);
    if let Some(requested) = seen.requested {
        after.last_handled = Some(requested.to_owned());
    }
}

/// `Ready`, from the others: a bad signature before all, then bad news, then what is missing, then good news.
fn summary(list: &[Condition]) -> Option<(Status, String, String)> {
    if let Some(unverified) = find(list, condition::SOURCE_VERIFIED).filter(|c| c.status == Status::False) {
        return Some((Status::False, unverified.reason.clone(), unverified.message.clone()));
    }
    let ranked = |wanted: Status, polarity: Polarity| {
        SUMMARY.iter().filter(move |(_, p)| *p == polarity).find_map(move |(type_, _)| find(list, type_).filter(|c| c.status == wanted))
    };
    let (status, told) = ranked(Status::True, Polarity::Negative)
        .or_else(|| ranked(Status::False, Polarity::Positive))
        .map(|c| (Status::False, c))
        .or_else(|| {
            ranked(Status::True, Polarity::Positive).or_else(|| ranked(Status::False, Polarity::Negative)).map(|c| (Status::True, c))
        })?;
    Some((status, told.reason.clone(), told.message.clone()))
}

fn find<'a>(list: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    list.iter().find(|c| c.type_ == type_)
}

fn remove(list: &mut Vec<Condition>, type_: &str) {
    list.retain(|c| c.type_ != type_);
}

/// Sets a condition; its transition time moves only when it says something new.
fn set(list: &mut Vec<Condition>, type_: &str, status: Status, reason: &str, message: &str, seen: Seen<'_>) {
    let message = trim(message);
    let since = find(list, type_)
        .filter(|c| c.status == status && c.reason == reason && c.message == message)
        .map_or(seen.now.trunc_subsecs(0), |c| c.last_transition_time);
    remove(list, type_);
    list.push(Condition {
        type_: type_.to_owned(),
        status,
        observed_generation: Some(seen.generation),
        last_transition_time: since,
        reason: reason.to_owned(),
        message,
    });
}

fn trim(message: &str) -> String {
    if message.len() <= condition::MESSAGE_MAX {
        return message.to_owned();
    }
    let end = (0..=condition::MESSAGE_MAX - 3).rev().find(|i| message.is_char_boundary(*i)).unwrap_or_default();
    format!("{}...", &message[..end])
}

/// `Stalled`, `Reconciling`, `Ready`, then the newest observations, then by name.
fn sort(list: &mut [Condition]) {
    let weight = |c: &Condition| match c.type_.as_str() {
        condition::STALLED => 0,
        condition::RECONCILING => 1,
        condition::READY => 2,
        _ => 3,
    };
    list.sort_by(|a, b| (weight(a), b.observed_generation, &a.type_).cmp(&(weight(b), a.observed_generation, &b.type_)));
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
