//! Git over ssh, in process.
//!
//! Invariants: a server is spoken to only after its host key was found in the remote's `known_hosts`; nothing of the user's own
//! ssh configuration, keys or agent counts; when a conversation is dropped, its connection is closed.

mod algorithms;
mod connect;
mod keys;
mod known_hosts;
mod stream;
mod target;
mod visitor;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use headwater_http::Proxy;
use russh::SshId;
use russh::client::{AuthResult, Config, Handle, connect_stream};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use secrecy::ExposeSecret;
use tokio::runtime::Handle as Runtime;
use tokio_util::sync::CancellationToken;

use super::wire::Wire;
use super::{Error, Remote};
use known_hosts::KnownHosts;
use stream::{Command, Line, Reader, Writer};
use target::Target;
use visitor::{Broken, LastWords, Visitor};

/// The scheme of such URLs.
pub(super) const SCHEME: &str = "ssh";
/// How we call ourselves.
const ID: &str = concat!("SSH-2.0-headwater_", env!("CARGO_PKG_VERSION"));

/// Logs in at `remote` and starts its upload-pack.
///
/// The transport must be dropped on a thread that may block.
pub(super) fn connect(remote: &Remote, handle: Runtime, token: CancellationToken) -> Result<(Rc<Wire>, Box<dyn Transport>), Error> {
    let ssh = remote.ssh.as_ref();
    let passphrase = ssh.and_then(|ssh| ssh.passphrase.as_ref()).map(ExposeSecret::expose_secret);
    let proxy = remote.clients.proxy_for(&remote.url, remote.proxy.as_ref());
    let proxied = proxy.as_ref().and_then(|proxy| proxy.basic.as_ref()).map(|basic| basic.password.expose_secret());
    let secrets = passphrase.into_iter().chain(proxied).collect();
    let wire = Rc::new(Wire::new(remote, handle, token, secrets));
    let unusable = |message: String| Error::InvalidSsh { message };
    let ssh = ssh.ok_or_else(|| unusable("ssh needs a private key and known_hosts".into()))?;
    let target = Target::of(&remote.url, &ssh.user).map_err(|why| wire.unreachable(why))?;
    let hosts = KnownHosts::parse(&ssh.known_hosts).map_err(unusable)?;
    let key = keys::read(ssh.identity.expose_secret(), passphrase).map_err(unusable)?;
    let preferred = algorithms::preferred(&remote.algorithms, &hosts, &target).map_err(unusable)?;
    let config = Arc::new(Config { client_id: SshId::Standard(Cow::Borrowed(ID)), preferred, ..Config::default() });

    let line = greet(&wire, &target, config, hosts, proxy.as_ref())?;
    let command = log_in(&wire, line, &target, key)?;
    command.start(&target.command)?;
    let command = Rc::new(command);
    let (reader, writer) = (Reader::new(Rc::clone(&command)), Writer(command));
    let nowhere = None::<(&str, _)>;
    let transport = Connection::new(reader, writer, Protocol::V2, remote.url.path(), nowhere, ConnectMode::Process, false);
    let transport = transport.custom_url(Some(wire.url.as_str().into()));
    Ok((wire, Box::new(transport)))
}

/// Connects and makes sure that the host is the one that was meant.
fn greet(wire: &Rc<Wire>, target: &Target, config: Arc<Config>, hosts: KnownHosts, proxy: Option<&Proxy>) -> Result<Line, Error> {
    let address = target.address();
    let stream = connect::open(wire, target, proxy)?;
    let (socket, stream) = twice(wire, stream).map_err(|error| wire.unreachable(error.to_string()))?;
    let last_words = LastWords::default();
    let mut line = Line { wire: Rc::clone(wire), socket, session: None, last_words: last_words.clone() };
    let visitor = Visitor { hosts, host: target.host.clone(), port: target.port, last_words };
    let greeted = wire.wait(&format!("the ssh handshake with {address}"), connect_stream(config, stream, visitor))?;
    line.session = Some(greeted.map_err(|broken| match broken {
        Broken::HostKey(why) => Error::HostKeyRefused { url: wire.url.clone(), message: wire.redact(&why) },
        Broken::Ssh(error) => wire.unreachable(wire.quote(format!("ssh: handshake failed: {}", explained(&error)))),
    })?);
    Ok(line)
}

/// A second handle on the socket, to close it with whoever uses it.
fn twice(wire: &Wire, stream: tokio::net::TcpStream) -> std::io::Result<(std::net::TcpStream, tokio::net::TcpStream)> {
    let _guard = wire.handle().enter();
    let stream = stream.into_std()?;
    Ok((stream.try_clone()?, tokio::net::TcpStream::from_std(stream)?))
}

fn explained(error: &russh::Error) -> String {
    match error {
        russh::Error::NoCommonAlgo { kind, ours, theirs } => {
            format!("ssh: no common algorithm for {kind:?}; client offered: {}; server offered: {}", ours.join(" "), theirs.join(" "))
        }
        russh::Error::Disconnect | russh::Error::HUP => "the server closed the connection".into(),
        other => other.to_string(),
    }
}

/// Logs in with `key` and opens a channel.
fn log_in(wire: &Rc<Wire>, mut line: Line, target: &Target, key: PrivateKey) -> Result<Command, Error> {
    let (address, what) = (target.address(), visitor::describe(key.public_key()));
    let Some(session) = line.session.as_mut() else { return Err(wire.unreachable("no connection".into())) };
    let logged_in = wire.wait(&format!("{address} to let us in"), present(session, &target.user, Arc::new(key)))?;
    let broken = |error: &russh::Error, line: &Line| {
        let words = line.last_words.get().unwrap_or_else(|| explained(error));
        wire.unreachable(wire.quote(format!("ssh: {address} ended the connection during the login: {words}")))
    };
    match logged_in {
        Ok(true) => {}
        Ok(false) => {
            let user = &target.user;
            let message = format!("ssh: unable to authenticate: {address} does not let '{user}' in with the key {what}");
            return Err(Error::LoginRefused { url: wire.url.clone(), message: wire.quote(message) });
        }
        Err(error) => return Err(broken(&error, &line)),
    }
    match wire.wait("a channel", session.channel_open_session())? {
        Ok(channel) => Ok(Command::new(line, channel.split())),
        Err(error) => Err(broken(&error, &line)),
    }
}

/// Whether the server accepts `key`. RSA keys sign in the best way that the server says it knows, or in any that it takes.
async fn present(session: &mut Handle<Visitor>, user: &str, key: Arc<PrivateKey>) -> Result<bool, russh::Error> {
    let hashes = if key.algorithm().is_rsa() {
        match session.best_supported_rsa_hash().await? {
            Some(best) => vec![best],
            None => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256), None],
        }
    } else {
        vec![None]
    };
    for hash in hashes {
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
        match session.authenticate_publickey(user, key).await? {
            AuthResult::Success => return Ok(true),
            // A connection that ends looks like a refusal without alternatives.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() && session.is_closed() => {
                return Err(russh::Error::Disconnect);
            }
            AuthResult::Failure { .. } => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
