//! Why a pass stopped: which condition it marks, what it is called, and what happens next.

use std::time::Duration;

use headwater_api::condition::{self, Status};

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

/// The condition that a failure marks.
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
}

impl Mark {
    /// The condition's type.
    pub fn condition(self) -> &'static str {
        match self {
            Self::FetchFailed => condition::FETCH_FAILED,
            Self::StorageOperationFailed => condition::STORAGE_OPERATION_FAILED,
            Self::IncludeUnavailable => condition::INCLUDE_UNAVAILABLE,
            Self::SourceVerified => condition::SOURCE_VERIFIED,
        }
    }

    /// What the condition becomes.
    pub fn status(self) -> Status {
        match self {
            Self::FetchFailed | Self::StorageOperationFailed | Self::IncludeUnavailable => Status::True,
            Self::SourceVerified => Status::False,
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
