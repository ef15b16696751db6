//! Fetching one commit's tree as a pack.

use std::io::{self, BufRead};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::odb::pack;
use gix::protocol::Handshake;
use gix::protocol::fetch::{self, Arguments, Negotiate, Response, Shallow, Tags, negotiate};
use gix::protocol::transport::Protocol;

use super::Error;
use super::checkout::Checkout;
use super::session::{AGENT, Session};
use super::wire::Expect;

/// Threads that resolve one pack; several fetches run at a time.
const THREADS: usize = 2;
/// Length of a pack's header: signature, version and the number of objects.
const HEADER: usize = 12;

/// What to ask a server for.
#[derive(Clone, Copy)]
enum Want {
    /// One commit with everything in it, and nothing before it.
    Tree(ObjectId),
    /// A commit and all before it, without what is in them where the server can leave that out.
    History(ObjectId),
}

/// Fetches the tree of a commit, after making sure that the commit is part of the history of `tip`, if there is one.
pub(super) fn fetch(
    session: &mut Session,
    id: ObjectId,
    tip: Option<ObjectId>,
    scratch: &Path,
    interrupt: &AtomicBool,
) -> Result<Checkout, Error> {
    if let Some(tip) = tip.filter(|tip| *tip != id) {
        let history = receive(session, Want::History(tip), &scratch.join("history"), interrupt)?;
        if !history.to_thread_local().has_object(id) {
            return Err(Error::CommitNotFound { id: id.to_string() });
        }
    }
    let repo = receive(session, Want::Tree(id), &scratch.join("tree"), interrupt)?;
    Checkout::new(session.wire.url.clone(), repo, id, session.wire.limits, interrupt)
}

/// Receives a pack into a new bare repository in `folder`.
fn receive(session: &mut Session, want: Want, folder: &Path, interrupt: &AtomicBool) -> Result<gix::ThreadSafeRepository, Error> {
    let url = session.wire.url.clone();
    let repo = gix::ThreadSafeRepository::init_opts(
        folder,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gix::open::Options::isolated(),
    )
    .map_err(|err| Error::Scratch { url: url.clone(), message: err.to_string() })?;
    let packs = repo.objects_dir().join("pack");

    let mut handshake = session.handshake()?;
    session.wire.expect.set(Expect::Pack);
    let shallow = if matches!(want, Want::Tree(_)) && can_be_shallow(&handshake) {
        Shallow::DepthAtRemote(NonZeroU32::MIN)
    } else {
        Shallow::NoChange
    };
    let limits = session.wire.limits;
    let mut too_many = None;
    let received = gix::protocol::fetch(
        &mut { want },
        |reader, progress, interrupt| {
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
            pack::Bundle::write_to_directory(
                reader,
                Some(&packs),
                progress,
                interrupt,
                None::<gix::OdbHandle>,
                gix::hash::Kind::Sha1,
                options,
            )?;
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
        return Err(refused(session, want.id(), &err));
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
fn refused(session: &Session, id: ObjectId, error: &(dyn std::error::Error + 'static)) -> Error {
    match session.wire.blame(error) {
        Error::Corrupt { message, .. } if message.contains("not our ref") || message.contains("unadvertised object") => {
            Error::CommitNotFound { id: id.to_string() }
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

impl Want {
    fn id(self) -> ObjectId {
        match self {
            Self::Tree(id) | Self::History(id) => id,
        }
    }
}

/// There is nothing here yet: nothing to negotiate.
impl Negotiate for Want {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        Ok(negotiate::Action::MustNegotiate { remote_ref_target_known: vec![false] })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        arguments.want(self.id());
        if matches!(self, Self::History(_)) && arguments.can_use_filter() {
            arguments.filter("tree:0");
        }
        true
    }

    fn one_round(
        &mut self,
        _state: &mut negotiate::one_round::State,
        _arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(negotiate::Round, bool)> {
        let round = negotiate::Round { haves_sent: 0, in_vain: 0, haves_to_send: 0, previous_response_had_at_least_one_in_common: false };
        Ok((round, true))
    }
}
