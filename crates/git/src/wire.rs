//! What every transport to a remote needs: waiting within bounds, and saying what went wrong.
//!
//! Every wait ends at the deadline, after the idle timeout, or when the token is cancelled. The first failure is kept with its
//! meaning, because it travels through layers that know I/O errors only.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io;

use headwater_http::{Excerpt, Secrets, causes, quote};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Error, Limits, Remote};

/// The most bytes of an answer before its pack: what the server has in common with us, and where its history ends.
const MAX_ANSWER: u64 = 4 << 20;

/// One conversation with a remote, seen from a blocking thread.
pub(super) struct Wire {
    /// The remote's URL as it may be printed.
    pub(super) url: String,
    pub(super) limits: Limits,
    /// What the next answer is.
    pub(super) expect: Cell<Expect>,
    /// How many bytes of it came so far.
    read: Cell<u64>,
    handle: Handle,
    token: CancellationToken,
    deadline: Instant,
    secrets: Secrets,
    failure: RefCell<Option<Error>>,
}

/// What an answer is, and therefore how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// A list of references.
    Refs,
    /// What comes before a pack.
    Answer,
    /// A pack.
    Pack,
}

impl Wire {
    /// A conversation with `remote`; `secrets`, and those of the URL, are never printed.
    pub(super) fn new(remote: &Remote, handle: Handle, token: CancellationToken, mut secrets: Secrets) -> Self {
        secrets.extend(remote.url.secrets());
        Self {
            url: remote.url.to_string(),
            limits: remote.limits,
            expect: Cell::new(Expect::Refs),
            read: Cell::new(0),
            handle,
            token,
            deadline: remote.deadline,
            secrets,
            failure: RefCell::new(None),
        }
    }

    /// The runtime that drives connections.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for `future`, for no longer than the deadline, the idle timeout and the token allow.
    pub(super) fn wait<F: Future>(&self, what: &str, future: F) -> Result<F::Output, Error> {
        let until = self.deadline.min(Instant::now() + self.limits.idle_timeout);
        let late = || {
            let url = self.url.clone();
            if until == self.deadline { Error::Deadline { url } } else { Error::Timeout { url, what: self.secrets.redact(what) } }
        };
        self.handle.block_on(async {
            tokio::select! {
                () = self.token.cancelled() => Err(Error::Cancelled { url: self.url.clone() }),
                done = tokio::time::timeout_at(until, future) => done.map_err(|_| late()),
            }
        })
    }

    /// Says that something else comes from here on in the same answer.
    pub(super) fn now_expect(&self, expect: Expect) -> io::Result<()> {
        self.expect.set(expect);
        self.check_size(expect, self.read.get()).map_err(|error| self.fail(error))
    }

    /// Refuses more bytes of an answer than its limit allows; `read` came so far.
    pub(super) fn check_size(&self, expect: Expect, read: u64) -> Result<(), Error> {
        self.read.set(read);
        let (limit, what, setting) = match expect {
            Expect::Refs => (self.limits.refs_size, "the list of references", "git-max-refs-size"),
            Expect::Pack => (self.limits.pack_size, "the pack", "git-max-pack-size"),
            Expect::Answer if read > MAX_ANSWER => {
                return Err(self.corrupt(format!("more than {MAX_ANSWER} bytes come before the pack")));
            }
            Expect::Answer => return Ok(()),
        };
        if read <= limit {
            return Ok(());
        }
        Err(Error::TooLarge { url: self.url.clone(), what: what.into(), setting })
    }

    pub(super) fn unreachable(&self, message: String) -> Error {
        Error::Unreachable { url: self.url.clone(), message }
    }

    pub(super) fn corrupt(&self, message: String) -> Error {
        Error::Corrupt { url: self.url.clone(), message }
    }

    /// Keeps `error` as the reason of the failure, if it is the first, and returns an I/O error to pass on.
    pub(super) fn fail(&self, error: Error) -> io::Error {
        let text = error.to_string();
        self.failure.borrow_mut().get_or_insert(error);
        io::Error::other(text)
    }

    /// The reason of a failure: the first that the network side kept, or else that the server's words make no sense.
    pub(super) fn blame(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        let kept = self.failure.borrow_mut().take();
        kept.unwrap_or_else(|| self.corrupt(self.words(error)))
    }

    /// An error's text with its causes, fit for printing: shortened, escaped, and without URLs and credentials.
    pub(super) fn words(&self, error: &(dyn std::error::Error + 'static)) -> String {
        self.quote(causes(error))
    }

    /// Text of our own that may repeat a part of the URL.
    pub(super) fn redact(&self, text: &str) -> String {
        self.secrets.redact(text)
    }

    /// Foreign text, fit for printing.
    pub(super) fn quote(&self, text: impl Display) -> String {
        quote(text, &self.secrets, Excerpt::Short)
    }
}
