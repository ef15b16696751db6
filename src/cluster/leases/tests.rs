#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use k8s_openapi::{api::coordination::v1::LeaseSpec, jiff::Timestamp};

use super::{End, Terms, blocking, claim, identity};

fn terms(identity: &str) -> Terms {
    Terms {
        namespace: "reservoirs".to_owned(),
        name: "source-controller-leader-election".to_owned(),
        identity: identity.to_owned(),
        lease: Duration::from_secs(35),
        renew: Duration::from_secs(30),
        retry: Duration::from_secs(5),
        end: End::Release,
    }
}

#[test]
fn a_new_lease_begins_without_transitions() {
    let spec = claim(&terms("upper"), None, Timestamp::UNIX_EPOCH);
    assert_eq!(spec.holder_identity.as_deref(), Some("upper"));
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(35), Some(0)));
    assert!(spec.acquire_time.is_some() && spec.renew_time.is_some());
}

#[test]
fn renewing_keeps_the_time_of_acquisition() {
    let first = claim(&terms("upper"), None, Timestamp::UNIX_EPOCH);
    let later = Timestamp::from_second(60).unwrap();
    let renewed = claim(&terms("upper"), Some(&first), later);
    assert_eq!(renewed.acquire_time, first.acquire_time);
    assert_eq!(renewed.renew_time.unwrap().0, later);
    assert_eq!(renewed.lease_transitions, Some(0));
}

#[test]
fn taking_over_counts_a_transition() {
    let first = claim(&terms("upper"), None, Timestamp::UNIX_EPOCH);
    let second = claim(&terms("lower"), Some(&first), Timestamp::from_second(60).unwrap());
    assert_eq!(second.lease_transitions, Some(1));
    assert_ne!(second.acquire_time, first.acquire_time);
}

#[test]
fn a_lease_is_respected_until_it_was_silent_for_its_duration() {
    let held = claim(&terms("upper"), None, Timestamp::UNIX_EPOCH);
    let lower = terms("lower");
    assert_eq!(blocking(&held, &lower, Duration::from_secs(34)), Some("upper"));
    assert_eq!(blocking(&held, &lower, Duration::from_secs(35)), None);
    assert_eq!(blocking(&held, &terms("upper"), Duration::ZERO), None);
    let released = LeaseSpec { holder_identity: Some(String::new()), ..held.clone() };
    assert_eq!(blocking(&released, &lower, Duration::ZERO), None);
    let longer = LeaseSpec { lease_duration_seconds: Some(60), ..held };
    assert_eq!(blocking(&longer, &lower, Duration::from_secs(59)), Some("upper"));
}

#[test]
fn every_process_has_a_name_of_its_own() {
    assert_ne!(identity(), identity());
}
