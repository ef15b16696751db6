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
use super::http::Expect;
use super::session::{AGENT, Session};

/// Threads that resolve one pack; several fetches run at a time.
const THREADS: usize = 2;
/// Length of a pack's header: signature, version and the number of objects.
const HEADER: usize = 12;

pub(super) fn fetch(session: &mut Session, id: ObjectId, scratch: &Path, interrupt: &AtomicBool) -> Result<Checkout, Error> {
    let url = session.http.url.clone();
    let repo = gix::ThreadSafeRepository::init_opts(
        scratch,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gix::open::Options::isolated(),
    )
    .map_err(|err| Error::Scratch { url: url.clone(), message: err.to_string() })?;
    let packs = repo.objects_dir().join("pack");

    let mut handshake = session.handshake()?;
    session.transport.expect.set(Expect::Pack);
    let shallow = if can_be_shallow(&handshake) { Shallow::DepthAtRemote(NonZeroU32::MIN) } else { Shallow::NoChange };
    let limits = session.limits;
    let mut too_many = None;
    let received = gix::protocol::fetch(
        &mut One(id),
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
        fetch::Options { shallow_file: scratch.join("shallow"), shallow: &shallow, tags: Tags::None, reject_shallow_remote: false },
    );
    if let Some(objects) = too_many {
        return Err(Error::TooLarge { url, what: format!("a pack of {objects} objects"), setting: "git-max-entries" });
    }
    if let Err(err) = received {
        return Err(refused(session, id, &err));
    }
    Checkout::new(url, repo, id, limits, interrupt)
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
    match session.blame(error) {
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

/// Wants one commit and has nothing: there is nothing to negotiate.
struct One(ObjectId);

impl Negotiate for One {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        Ok(negotiate::Action::MustNegotiate { remote_ref_target_known: vec![false] })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        arguments.want(self.0);
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
