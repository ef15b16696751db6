//! A visit to a remote: handshake first, then questions.

use std::ops::ControlFlow;
use std::rc::Rc;

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::protocol::Handshake;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::blocking_io::{Transport as AnyTransport, TransportV2Ext as _};
use gix::protocol::transport::{Protocol, Service};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::http::Http;
use super::transport::Transport;
use super::wire::{Expect, Wire};
use super::{Error, Remote, ssh};

/// How we call ourselves within the protocol.
pub(super) const AGENT: &str = concat!("agent=headwater/", env!("CARGO_PKG_VERSION"));

/// A conversation with a remote's upload-pack.
pub(super) struct Session {
    pub(super) wire: Rc<Wire>,
    pub(super) transport: Box<dyn AnyTransport>,
}

/// A reference of the remote.
pub(super) struct RemoteRef<'a> {
    pub(super) name: &'a BStr,
    /// What it leads to once tags are peeled; nothing for an unborn branch.
    pub(super) target: Option<ObjectId>,
}

impl Session {
    pub(super) fn new(remote: &Remote, handle: Handle, token: CancellationToken) -> Result<Self, Error> {
        if remote.url.scheme() == ssh::SCHEME {
            let (wire, transport) = ssh::connect(remote, handle, token)?;
            return Ok(Self { wire, transport });
        }
        let http = Rc::new(Http::new(remote, handle, token)?);
        let transport = Transport::new(Rc::clone(&http), remote.url.clone());
        Ok(Self { wire: Rc::clone(&http.wire), transport: Box::new(transport) })
    }

    /// Says hello and learns what the server can do.
    pub(super) fn handshake(&mut self) -> Result<Handshake, Error> {
        self.wire.expect.set(Expect::Refs);
        let handshake =
            gix::protocol::handshake(&mut self.transport, Service::UploadPack, |_| Ok(None), Vec::new(), &mut gix::progress::Discard)
                .map_err(|err| self.wire.blame(&err))?;
        let format = handshake.capabilities.capability("object-format").and_then(|c| c.value().map(ToOwned::to_owned));
        match format {
            Some(format) if format != "sha1" => {
                Err(self.wire.corrupt(format!("object format {} is not supported", self.wire.scrubbed(&format.to_string()))))
            }
            _ => Ok(handshake),
        }
    }

    /// Calls `visit` with the references whose names begin with one of `prefixes` (and, with old servers, with others), until
    /// it breaks off.
    pub(super) fn each_ref(
        &mut self,
        handshake: &Handshake,
        prefixes: &[&str],
        visit: &mut dyn FnMut(RemoteRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if let Some(refs) = &handshake.refs {
            for known in refs {
                let (name, target, peeled) = known.unpack();
                let target = peeled_of(known).or(peeled).or(target).map(ToOwned::to_owned);
                check_name(&self.wire.url, name)?;
                if visit(RemoteRef { name, target }).is_break() {
                    break;
                }
            }
            return Ok(());
        }
        if handshake.server_protocol_version != Protocol::V2 {
            return Ok(());
        }
        self.list(prefixes, visit)
    }

    fn list(&mut self, prefixes: &[&str], visit: &mut dyn FnMut(RemoteRef<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        let wire = Rc::clone(&self.wire);
        let blame = |error: &(dyn std::error::Error + 'static)| wire.blame(error);
        let arguments = ["peel".into(), "symrefs".into()]
            .into_iter()
            .chain(prefixes.iter().map(|prefix| BString::from(format!("ref-prefix {prefix}"))));
        let (agent, version) = AGENT.split_once('=').unwrap_or((AGENT, ""));
        let features = [(agent, Some(version))].into_iter();
        let mut lines = self.transport.invoke("ls-refs", features, Some(arguments), false).map_err(|err| blame(&err))?;
        let mut line = String::new();
        loop {
            line.clear();
            let length = lines.readline_str(&mut line).map_err(|err| blame(&err))?;
            if length == 0 {
                return Ok(());
            }
            let (name, target) =
                parse_line(line.trim_end_matches('\n')).ok_or_else(|| wire.corrupt("malformed list of references".into()))?;
            check_name(&wire.url, name.as_bytes().as_bstr())?;
            if visit(RemoteRef { name: name.as_bytes().as_bstr(), target }).is_break() {
                return Ok(());
            }
        }
    }
}

fn check_name(url: &str, name: &BStr) -> Result<(), Error> {
    if !name.bytes().any(|b| b.is_ascii_control()) {
        return Ok(());
    }
    let message = format!("the server lists a reference with control characters: {name:?}");
    Err(Error::Corrupt { url: url.to_owned(), message })
}

fn peeled_of(known: &Ref) -> Option<&gix::oid> {
    match known {
        Ref::Peeled { object, .. } => Some(object),
        _ => None,
    }
}

/// Reads `<id> <name>[ peeled:<id>][ …]`, or `unborn <name>[ …]`.
fn parse_line(line: &str) -> Option<(&str, Option<ObjectId>)> {
    let mut words = line.split(' ');
    let id = words.next()?;
    let name = words.next().filter(|name| !name.is_empty())?;
    if id == "unborn" {
        return Some((name, None));
    }
    let peeled = words.find_map(|word| word.strip_prefix("peeled:"));
    let target = ObjectId::from_hex(peeled.unwrap_or(id).as_bytes()).ok()?;
    Some((name, Some(target)))
}
