//! Why a pass stopped: which condition it marks, what it is called, and what happens next.

use std::time::Duration;

use headwater_api::condition::{self, Status};
use headwater_api::reason;

/// Any error with a message for people.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What happens after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Try again soon, later each time.
    Retry,
    /// Something else has to happen first; look again after this long.
    Wait(Duration),
    /// Nothing will change until the object does.
    Stall,
}

/// What a failure says in the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The upstream could not be reached, read or resolved.
    FetchFailed,
    /// The artifact could not be written.
    StorageOperationFailed,
    /// Something that goes into the artifact is not there yet.
    IncludeUnavailable,
    /// The signatures that are asked for are missing or bad. This one marks its condition false.
    SourceVerified,
    /// The chart could not be found or pulled.
    ChartNotPulled,
    /// The chart could not be built.
    BuildFailed,
    /// The chart's repository could not be used.
    ChartUnknown,
    /// The chart's signatures could not be looked for.
    ChartVerifier,
    /// The chart's signatures are missing or bad.
    ChartUnverified,
}

/// What becomes of one condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The condition's type.
    pub condition: &'static str,
    /// What it becomes.
    pub status: Status,
    /// Its reason, where that is not the failure's.
    pub reason: Option<&'static str>,
    /// What its message begins with.
    pub prefix: &'static str,
}

const fn marked(condition: &'static str) -> Marked {
    Marked { condition, status: Status::True, reason: None, prefix: "" }
}

const FETCH: Marked = marked(condition::FETCH_FAILED);
const STORAGE: Marked = marked(condition::STORAGE_OPERATION_FAILED);
const INCLUDE: Marked = marked(condition::INCLUDE_UNAVAILABLE);
const BUILD: Marked = marked(condition::BUILD_FAILED);
const UNSIGNED: Marked = Marked { status: Status::False, ..marked(condition::SOURCE_VERIFIED) };
/// As stock Flux says it of whatever is no failure of the build itself.
const UNKNOWN: Marked = Marked { reason: Some(reason::UNKNOWN), prefix: "unknown build error: ", ..FETCH };
const UNVERIFIED: Marked = Marked { reason: Some(reason::VERIFICATION_ERROR), ..UNSIGNED };

impl Mark {
    /// What becomes of the conditions.
    pub fn conditions(self) -> &'static [Marked] {
        match self {
            Self::FetchFailed | Self::ChartNotPulled => &[FETCH],
            Self::StorageOperationFailed => &[STORAGE],
            Self::IncludeUnavailable => &[INCLUDE],
            Self::SourceVerified => &[UNSIGNED],
            Self::BuildFailed => &[BUILD],
            Self::ChartUnknown => &[UNKNOWN],
            Self::ChartVerifier => &[UNSIGNED, UNKNOWN],
            Self::ChartUnverified => &[BUILD, UNVERIFIED],
        }
    }

    /// The condition that is not true any more because of it.
    pub fn ends(self) -> Option<&'static str> {
        match self {
            Self::ChartNotPulled | Self::ChartUnknown | Self::ChartVerifier => Some(condition::BUILD_FAILED),
            Self::BuildFailed | Self::ChartUnverified => Some(condition::FETCH_FAILED),
            _ => None,
        }
    }
}

/// Why a pass stopped.
#[derive(Debug)]
pub struct Failure {
    /// The condition it marks; none where only `Ready` tells.
    pub mark: Option<Mark>,
    /// The reason of the conditions and of the event.
    pub reason: &'static str,
    /// What happens next.
    pub fate: Fate,
    /// What went wrong, as people read it.
    pub source: BoxError,
}

impl Failure {
    /// A failure to fetch that is tried again.
    pub fn fetch(reason: &'static str, source: impl Into<BoxError>) -> Self {
        Self { mark: Some(Mark::FetchFailed), reason, fate: Fate::Retry, source: source.into() }
    }

    /// A failure to store that is tried again.
    pub fn storage(reason: &'static str, source: impl Into<BoxError>) -> Self {
        Self { mark: Some(Mark::StorageOperationFailed), reason, fate: Fate::Retry, source: source.into() }
    }

    /// Something that goes into the artifact is not there; looked for again after a while.
    pub fn waiting(reason: &'static str, after: Duration, source: impl Into<BoxError>) -> Self {
        Self { mark: Some(Mark::IncludeUnavailable), reason, fate: Fate::Wait(after), source: source.into() }
    }

    /// A signature that is missing or bad; tried again.
    pub fn unverified(reason: &'static str, source: impl Into<BoxError>) -> Self {
        Self { mark: Some(Mark::SourceVerified), reason, fate: Fate::Retry, source: source.into() }
    }

    /// A chart that is not found, pulled or built.
    pub fn chart(mark: Mark, reason: &'static str, source: impl Into<BoxError>) -> Self {
        Self { mark: Some(mark), reason, fate: Fate::Retry, source: source.into() }
    }

    /// The same failure, not tried again until the object changes.
    #[must_use]
    pub fn stalled(self) -> Self {
        Self { fate: Fate::Stall, ..self }
    }

    /// The message of the conditions and of the event.
    pub fn message(&self) -> String {
        chain(&*self.source)
    }
}

/// An error and its causes in one line, each cause said once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = inner.source();
    }
    told
}
