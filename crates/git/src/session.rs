//! A visit to a remote: handshake first, then questions.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::protocol::Handshake;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::Capabilities;
use gix::protocol::transport::client::blocking_io::{Transport as AnyTransport, TransportV2Ext as _};
use gix::protocol::transport::{Protocol, Service};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

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
    /// Where the repository is now, once the server was greeted; only where it remembers nothing between two requests.
    base: Option<Rc<RefCell<Url>>>,
    /// Of the URL that was asked for.
    origin: url::Origin,
    greeting: Option<Greeting>,
    resumed: bool,
}

/// What a server said of itself. It holds for others who come the same way, until the server changes.
#[derive(Clone)]
pub(super) struct Greeting {
    handshake: Handshake,
    base: Url,
    /// When it was said.
    pub(super) at: Instant,
}

/// A reference of the remote.
pub(super) struct RemoteRef<'a> {
    pub(super) name: &'a BStr,
    /// What it leads to; nothing for an unborn branch.
    pub(super) target: Option<Target>,
}

/// What a reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The object once tags are peeled: a commit, if all is well.
    pub(super) id: ObjectId,
    /// The annotated tag that leads to it.
    pub(super) tag: Option<ObjectId>,
}

impl Target {
    /// What `object` stands for if it is a tag that leads to `peeled`, or else itself.
    pub(super) fn new(object: ObjectId, peeled: Option<ObjectId>) -> Self {
        match peeled.filter(|id| *id != object) {
            Some(id) => Self { id, tag: Some(object) },
            None => Self { id: object, tag: None },
        }
    }
}

impl Session {
    /// A conversation that goes on after `greeting`, if there is one and the transport allows that.
    pub(super) fn new(remote: &Remote, handle: Handle, token: CancellationToken, greeting: Option<Greeting>) -> Result<Self, Error> {
        if remote.url.scheme() == ssh::SCHEME {
            let (wire, transport) = ssh::connect(remote, handle, token)?;
            return Ok(Self { wire, transport, base: None, origin: remote.url.origin(), greeting: None, resumed: false });
        }
        let http = Rc::new(Http::new(remote, handle, token)?);
        let base = greeting.as_ref().map_or_else(|| remote.url.clone().into_url(), |greeting| greeting.base.clone());
        let transport = Transport::new(Rc::clone(&http), base);
        let (wire, base) = (Rc::clone(&http.wire), transport.base());
        Ok(Self {
            wire,
            transport: Box::new(transport),
            base: Some(base),
            origin: remote.url.origin(),
            resumed: greeting.is_some(),
            greeting,
        })
    }

    /// Whether this began with the greeting of another conversation.
    pub(super) fn resumed(&self) -> bool {
        self.resumed
    }

    /// What others may go on with.
    pub(super) fn greeting(&self) -> Option<Greeting> {
        self.greeting.clone()
    }

    /// What the server can do: it is asked, unless that is known.
    pub(super) fn handshake(&mut self) -> Result<Handshake, Error> {
        match &self.greeting {
            Some(greeting) => Ok(greeting.handshake.clone()),
            None => self.greet(),
        }
    }

    /// Says hello and learns what the server can do.
    pub(super) fn greet(&mut self) -> Result<Handshake, Error> {
        self.wire.expect.set(Expect::Refs);
        let mut handshake =
            gix::protocol::handshake(&mut self.transport, Service::UploadPack, |_| Ok(None), Vec::new(), &mut gix::progress::Discard)
                .map_err(|err| self.wire.blame(&err))?;
        if handshake.server_protocol_version != Protocol::V2 {
            handshake.capabilities = acknowledging(&handshake.capabilities);
        }
        // One that a redirect led elsewhere is not believed for long: it is asked for again each time.
        let at_home = |base: &Rc<RefCell<Url>>| base.borrow().origin() == self.origin;
        if let Some(base) = self.base.as_ref().filter(|base| at_home(base)).filter(|_| handshake.server_protocol_version == Protocol::V2) {
            self.greeting = Some(Greeting { handshake: handshake.clone(), base: base.borrow().clone(), at: Instant::now() });
        }
        let format = handshake.capabilities.capability("object-format").and_then(|c| c.value().map(ToOwned::to_owned));
        match format {
            Some(format) if format != "sha1" => {
                self.greeting = None;
                Err(self.wire.corrupt(format!("object format {} is not supported", self.wire.quote(format))))
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
                let (name, target) = unpacked(known);
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

/// The capabilities of a server of an old version, with the way to negotiate that fetching insists on. All is asked for in one
/// round, so a server that does not know it never comes to use it.
fn acknowledging(known: &Capabilities) -> Capabilities {
    const DETAILED: &str = "multi_ack_detailed";
    if known.contains(DETAILED) {
        return known.clone();
    }
    let mut line = BString::from("\0");
    for capability in known.iter() {
        line.extend_from_slice(capability.name());
        if let Some(value) = capability.value() {
            line.push(b'=');
            line.extend_from_slice(value);
        }
        line.push(b' ');
    }
    line.extend_from_slice(DETAILED.as_bytes());
    Capabilities::from_bytes(&line).map_or_else(|_| known.clone(), |(capabilities, _)| capabilities)
}

fn unpacked(known: &Ref) -> (&BStr, Option<Target>) {
    match known {
        Ref::Peeled { full_ref_name, tag, object } => (full_ref_name.as_ref(), Some(Target::new(*tag, Some(*object)))),
        Ref::Direct { full_ref_name, object } => (full_ref_name.as_ref(), Some(Target::new(*object, None))),
        Ref::Symbolic { full_ref_name, tag, object, .. } => {
            (full_ref_name.as_ref(), Some(tag.map_or(Target::new(*object, None), |tag| Target::new(tag, Some(*object)))))
        }
        Ref::Unborn { full_ref_name, .. } => (full_ref_name.as_ref(), None),
    }
}

/// Reads `<id> <name>[ peeled:<id>][ …]`, or `unborn <name>[ …]`.
fn parse_line(line: &str) -> Option<(&str, Option<Target>)> {
    let mut words = line.split(' ');
    let id = words.next()?;
    let name = words.next().filter(|name| !name.is_empty())?;
    if id == "unborn" {
        return Some((name, None));
    }
    let peeled = words.find_map(|word| word.strip_prefix("peeled:"));
    let object = ObjectId::from_hex(id.as_bytes()).ok()?;
    let peeled = peeled.map(|id| ObjectId::from_hex(id.as_bytes())).transpose().ok()?;
    Some((name, Some(Target::new(object, peeled))))
}
