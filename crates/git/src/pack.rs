//! Receiving packs.

use std::io::{self, BufRead};
use std::num::NonZeroU32;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::odb::pack;
use gix::protocol::Handshake;
use gix::protocol::fetch::{self, Arguments, Negotiate, Response, Shallow, Tags, negotiate};
use gix::protocol::transport::Protocol;

use super::Error;
use super::error::is_full;
use super::session::{AGENT, Session};
use super::wire::Expect;

/// Threads that resolve one pack; several fetches run at a time.
const THREADS: usize = 2;
/// Length of a pack's header: signature, version and the number of objects.
const HEADER: usize = 12;

/// What to ask a server for.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// Objects that are wanted with everything they lead to, as far as `depth` and `filter` allow.
    pub(super) wants: &'a [ObjectId],
    /// Commits that are in the folder already, each with its whole tree.
    pub(super) haves: &'a [ObjectId],
    pub(super) depth: Depth,
    /// What the server may leave out (`blob:none`, `tree:0`), where it can.
    pub(super) filter: Option<&'static str>,
}

/// How much history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Commits alone, where the server can do that.
    One,
    /// All of it.
    All,
}

/// Where objects are received: a bare repository, new or kept from before.
pub(super) fn repository(folder: &Path, url: &str) -> Result<gix::ThreadSafeRepository, Error> {
    let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
    std::fs::create_dir_all(folder).map_err(|err| Error::disk(url, folder, &err))?;
    let opened = if folder.join("objects").is_dir() {
        gix::ThreadSafeRepository::open_opts(folder, options)
    } else {
        gix::ThreadSafeRepository::init_opts(folder, gix::create::Kind::Bare, gix::create::Options::default(), options)
    };
    opened.map_err(|err| Error::disk(url, folder, &err))
}

/// Receives a pack into the bare repository in `folder`, which is made if it is not there. What it refers to and does not hold is
/// taken from there, so that the folder never needs another.
pub(super) fn receive(
    session: &mut Session,
    request: Request<'_>,
    folder: &Path,
    interrupt: &AtomicBool,
) -> Result<gix::ThreadSafeRepository, Error> {
    let url = session.wire.url.clone();
    let repo = repository(folder, &url)?;
    let packs = repo.objects_dir().join("pack");

    let mut handshake = session.handshake()?;
    session.wire.expect.set(Expect::Answer);
    let wire = Rc::clone(&session.wire);
    let shallow =
        if request.depth == Depth::One && can_be_shallow(&handshake) { Shallow::DepthAtRemote(NonZeroU32::MIN) } else { Shallow::NoChange };
    if request.depth == Depth::One && shallow == Shallow::NoChange {
        tracing::debug!(url, "the server has no shallow fetches; fetching the whole history");
    }
    let limits = session.wire.limits;
    let known = (!request.haves.is_empty()).then(|| repo.to_thread_local().objects);
    let mut too_many = None;
    let received = gix::protocol::fetch(
        &mut { request },
        |reader, progress, interrupt| {
            wire.now_expect(Expect::Pack).map_err(gix::Error::from_error)?;
            let objects = objects_in(reader).map_err(gix::Error::from_error)?;
            // Each file is an object, and so is each directory; the commit comes on top.
            if u64::from(objects) > limits.entries.saturating_mul(2) {
                too_many = Some(objects);
                return Err(gix::Error::from_error(io::Error::other("too many objects")));
            }
            let options = pack::bundle::write::Options {
                thread_limit: Some(THREADS),
                alloc_limit_bytes: usize::try_from(limits.blob_size).ok(),
                ..Default::default()
            };
            if objects == 0 {
                return Ok(true);
            }
            pack::Bundle::write_to_directory(reader, Some(&packs), progress, interrupt, known, gix::hash::Kind::Sha1, options)?;
            Ok(true)
        },
        gix::progress::Discard,
        interrupt,
        fetch::Context {
            handshake: &mut handshake,
            transport: &mut session.transport,
            user_agent: ("agent", AGENT.split_once('=').map(|(_, version)| version.to_owned())),
            trace_packetlines: false,
        },
        fetch::Options { shallow_file: folder.join("shallow"), shallow: &shallow, tags: Tags::None, reject_shallow_remote: false },
    );
    if let Some(objects) = too_many {
        return Err(Error::TooLarge { url, what: format!("a pack of {objects} objects"), setting: "git-max-entries" });
    }
    if let Err(err) = received {
        if is_full(&err) {
            return Err(Error::DiskFull { url, place: folder.to_owned() });
        }
        return Err(refused(session, request.wants, &err));
    }
    Ok(repo)
}

/// Reads, without consuming it, how many objects a pack announces.
fn objects_in(reader: &mut dyn BufRead) -> io::Result<u32> {
    match reader.fill_buf()? {
        [b'P', b'A', b'C', b'K', _, _, _, _, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        short => Err(io::Error::other(format!("no pack of at least {HEADER} bytes in {}", short.len()))),
    }
}

/// What a failed fetch means: servers that lack a commit, or do not want to give it away, say so in words.
fn refused(session: &Session, wants: &[ObjectId], error: &(dyn std::error::Error + 'static)) -> Error {
    match session.wire.blame(error) {
        Error::Corrupt { message, .. } if message.contains("not our ref") || message.contains("unadvertised object") => {
            Error::CommitNotFound { id: wants.first().map(ToString::to_string).unwrap_or_default() }
        }
        other => other,
    }
}

fn can_be_shallow(handshake: &Handshake) -> bool {
    let capabilities = &handshake.capabilities;
    match handshake.server_protocol_version {
        Protocol::V2 => capabilities.capability("fetch").and_then(|fetch| fetch.supports("shallow")).unwrap_or(false),
        _ => capabilities.contains("shallow"),
    }
}

/// All is known from the start, so one round does.
impl Negotiate for Request<'_> {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        Ok(negotiate::Action::MustNegotiate { remote_ref_target_known: vec![false] })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        for id in self.wants {
            arguments.want(id);
        }
        if let Some(filter) = self.filter
            && arguments.can_use_filter()
        {
            arguments.filter(filter);
        }
        !self.wants.is_empty()
    }

    fn one_round(
        &mut self,
        _state: &mut negotiate::one_round::State,
        arguments: &mut Arguments,
        previous: Option<&Response>,
    ) -> gix::Result<(negotiate::Round, bool)> {
        if previous.is_some() {
            return Err(gix::Error::from_error(io::Error::other("the server sent no pack")));
        }
        for id in self.haves {
            arguments.have(id);
        }
        let round = negotiate::Round {
            haves_sent: self.haves.len(),
            in_vain: 0,
            haves_to_send: 0,
            previous_response_had_at_least_one_in_common: !self.haves.is_empty(),
        };
        Ok((round, true))
    }
}
