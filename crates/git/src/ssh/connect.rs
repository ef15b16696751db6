//! The TCP connection to an ssh server, through a SOCKS5 proxy if need be.

use headwater_http::{Basic, Proxy};
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::target::Target;
use crate::Error;
use crate::wire::Wire;

const SOCKS_PORT: u16 = 1080;

/// Connects to `target`. A proxy resolves its name.
pub(super) fn open(wire: &Wire, target: &Target, proxy: Option<&Proxy>) -> Result<TcpStream, Error> {
    let Some(proxy) = proxy else { return dial(wire, &target.address()) };
    let scheme = proxy.url.scheme();
    if !matches!(scheme, "socks5" | "socks5h") {
        let message = format!("proxy: unknown scheme: {scheme}: for ssh, a proxy must be socks5 or socks5h");
        return Err(wire.unreachable(message));
    }
    let name = proxy.url.host_str().unwrap_or_default();
    let mut stream = Some(dial(wire, &format!("{name}:{}", proxy.url.port().unwrap_or(SOCKS_PORT)))?);
    let dialled = tower::service_fn(move |_: Uri| {
        std::future::ready(stream.take().map(TokioIo::new).ok_or_else(|| std::io::Error::other("the connection is in use")))
    });
    let mut socks = SocksV5::new(Uri::default(), dialled);
    if let Some(Basic { user, password }) = &proxy.basic {
        socks = socks.with_auth(user.expose_secret().to_owned(), password.expose_secret().to_owned());
    }
    let asked = wire.wait("the proxy", socks.oneshot(uri(wire, &target.address())?))?;
    let stream = asked.map_err(|error| {
        let address = target.address();
        wire.unreachable(wire.quote(format!("cannot connect to {address} through the proxy {}: {error}", proxy.url)))
    })?;
    Ok(stream.into_inner())
}

/// Tries the addresses of a host one after the other, as HTTP does.
fn dial(wire: &Wire, address: &str) -> Result<TcpStream, Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(wire.limits.idle_timeout));
    let dialled = wire.wait(&format!("a connection to {address}"), connector.oneshot(uri(wire, address)?))?;
    let stream = dialled.map_err(|error| wire.unreachable(wire.quote(format!("cannot connect to {address}: {}", wire.words(&error)))))?;
    Ok(stream.into_inner())
}

fn uri(wire: &Wire, address: &str) -> Result<Uri, Error> {
    let built = Uri::builder().scheme("ssh").authority(address).path_and_query("/").build();
    built.map_err(|_| wire.unreachable(format!("{address:?} is no address")))
}
