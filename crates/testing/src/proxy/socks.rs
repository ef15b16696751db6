//! A SOCKS5 proxy that knows names which nobody else knows.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The proxy; it ends with its owner.
#[derive(Debug)]
pub struct Socks {
    /// Such as `socks5://127.0.0.1:80`.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// Each connection holds a copy.
    open: Arc<()>,
    _tasks: JoinSet<()>,
}

/// The clients that may pass.
#[derive(Clone, Copy, Debug)]
pub enum Guests {
    /// All of them.
    Anyone,
    /// Those that give this user and this password.
    Only(&'static str, &'static str),
}

impl Socks {
    /// Starts a proxy; `names` are the targets (`host:port`) that only it can resolve.
    pub async fn start(guests: Guests, names: &[(&str, SocketAddr)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("socks5://{}", listener.local_addr().unwrap());
        let names: Vec<_> = names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let (asked, open) = (Arc::new(Mutex::default()), Arc::new(()));
        let held = Arc::clone(&open);
        let (names, seen, mut tasks) = (Arc::new(names), Arc::clone(&asked), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (names, seen, held) = (Arc::clone(&names), Arc::clone(&seen), Arc::clone(&held));
                connections.spawn(async move {
                    let _ = converse(stream, guests, &names, &seen).await;
                    drop(held);
                });
            }
        });
        Self { url, asked, open, _tasks: tasks }
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        // One copy is ours, and one is of the task that accepts.
        Arc::strong_count(&self.open) - 2
    }

    /// The targets (`host:port`) that were asked for by those who may pass.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn converse(mut near: TcpStream, guests: Guests, names: &[(String, SocketAddr)], seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let [_, count] = bytes(&mut near).await?;
    let methods = some(&mut near, count).await?;
    match guests {
        Guests::Anyone if methods.contains(&0) => near.write_all(&[5, 0]).await?,
        Guests::Only(user, password) if methods.contains(&2) => {
            near.write_all(&[5, 2]).await?;
            let [_, length] = bytes(&mut near).await?;
            let given_user = some(&mut near, length).await?;
            let [length] = bytes(&mut near).await?;
            let given_password = some(&mut near, length).await?;
            let right = given_user == user.as_bytes() && given_password == password.as_bytes();
            near.write_all(&[1, u8::from(!right)]).await?;
            if !right {
                return Ok(());
            }
        }
        _ => return near.write_all(&[5, 0xff]).await,
    }

    let [_, _, _, kind] = bytes(&mut near).await?;
    let host = match kind {
        1 => Ipv4Addr::from(bytes::<4>(&mut near).await?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(bytes::<16>(&mut near).await?)),
        _ => {
            let [length] = bytes(&mut near).await?;
            String::from_utf8_lossy(&some(&mut near, length).await?).into_owned()
        }
    };
    let target = format!("{host}:{}", u16::from_be_bytes(bytes(&mut near).await?));
    seen.lock().unwrap().push(target.clone());
    let known = names.iter().find(|(name, _)| *name == target).map(|(_, address)| *address);
    let Some(address) = known.or_else(|| target.parse().ok()) else {
        return near.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    };
    let Ok(mut far) = TcpStream::connect(address).await else {
        return near.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    };
    near.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

async fn bytes<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn some(stream: &mut TcpStream, count: u8) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; count.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
