//! An HTTP proxy that knows names which nobody else knows, and that can also misbehave on demand.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::socks::Guests;
use crate::tls::{Authority, acceptor};

/// The way in which the proxy answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    /// As a proxy does.
    Serve,
    /// Never.
    Hang,
    /// With bytes that mean nothing.
    Garbage,
    /// With headers without end.
    Endless,
    /// With that status.
    Status(u16),
}

/// A request to the proxy.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method, such as `CONNECT`.
    pub method: String,
    /// The server that it is to reach: `host:port`.
    pub target: String,
    /// Its request line and headers.
    pub head: String,
}

/// The proxy; it ends with its owner.
#[derive(Debug)]
pub struct HttpProxy {
    /// Such as `http://127.0.0.1:80`.
    pub url: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    guests: Guests,
    names: Vec<(String, SocketAddr)>,
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Request>>,
}

impl HttpProxy {
    /// Starts a proxy; `names` are the targets (`host:port`) that only it can resolve.
    pub async fn start(guests: Guests, names: &[(&str, SocketAddr)]) -> Self {
        Self::listen(guests, names, None).await
    }

    /// Like [`Self::start`], but it speaks TLS, with a certificate of that authority.
    pub async fn start_tls(authority: &Authority, guests: Guests, names: &[(&str, SocketAddr)]) -> Self {
        Self::listen(guests, names, Some(authority)).await
    }

    async fn listen(guests: Guests, names: &[(&str, SocketAddr)], authority: Option<&Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = authority.map(|authority| acceptor(authority, None));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let names = names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let shared = Arc::new(Shared { guests, names, manner: Mutex::new(Manner::Serve), asked: Mutex::default() });
        let (state, mut tasks) = (Arc::clone(&shared), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (state, tls) = (Arc::clone(&state), tls.clone());
                connections.spawn(async move {
                    let _ = match tls {
                        None => converse(stream, &state).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &state).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { url, shared, _tasks: tasks }
    }

    /// Changes the way in which the proxy answers from now on.
    pub fn set_manner(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Request> {
        self.shared.asked.lock().unwrap().clone()
    }
}

async fn converse(mut near: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> std::io::Result<()> {
    let (head, rest) = read_head(&mut near).await?;
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (host, path) = match uri.strip_prefix("http://") {
        Some(uri) => uri.find('/').map_or((uri, "/"), |at| uri.split_at(at)),
        None => (uri, ""),
    };
    let target = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let request = Request { method: method.to_owned(), target: target.clone(), head: head.clone() };
    shared.asked.lock().unwrap().push(request);

    let manner = *shared.manner.lock().unwrap();
    match manner {
        Manner::Serve => {}
        Manner::Hang => std::future::pending().await,
        Manner::Garbage => {
            let noise: Vec<u8> = (0..50_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
            return near.write_all(&noise).await;
        }
        Manner::Endless => {
            near.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                near.write_all(b"x-more: and more\r\n").await?;
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
        Manner::Status(status) => {
            return near.write_all(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await;
        }
    }
    if let Guests::Only(user, password) = shared.guests {
        let wanted = format!("proxy-authorization: basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        if !head.lines().any(|line| line.eq_ignore_ascii_case(&wanted)) {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"proxy\"\r\ncontent-length: 0\r\n\
                           connection: close\r\n\r\n";
            return near.write_all(refusal.as_bytes()).await;
        }
    }

    let known = shared.names.iter().find(|(name, _)| *name == target).map(|(_, address)| *address);
    let far = match known.or_else(|| target.parse().ok()) {
        Some(address) => TcpStream::connect(address).await.ok(),
        None => None,
    };
    let Some(mut far) = far else {
        return near.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    if method == "CONNECT" {
        near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        far.write_all(format!("{method} {path} HTTP/1.1\r\n").as_bytes()).await?;
        let mine = ["connection", "proxy-connection", "proxy-authorization"];
        for line in lines.filter(|line| !mine.contains(&line.split(':').next().unwrap_or_default().to_ascii_lowercase().as_str())) {
            far.write_all(format!("{line}\r\n").as_bytes()).await?;
        }
        far.write_all(b"connection: close\r\n\r\n").await?;
    }
    far.write_all(&rest).await?;
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

/// The text before an empty line, and the bytes that have come after it already.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > 64 << 10 {
            return Err(std::io::Error::other("no request"));
        }
    }
}
