//! A relay that cuts connections off, or stops to pass on, after some bytes.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// It is left alone.
    Never,
    /// It is closed when the server has sent that many bytes.
    Close(usize),
    /// Nothing comes any more when the server has sent that many bytes.
    Stall(usize),
}

/// The relay; it ends with its owner, and its connections with it.
#[derive(Debug)]
pub struct Relay {
    /// Its port on loopback.
    pub port: u16,
    cut: Arc<Mutex<Cut>>,
    most: Arc<AtomicUsize>,
    /// Each connection holds a copy.
    open: Arc<()>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Starts in front of a server.
    pub async fn start(upstream: SocketAddr, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, most) = (Arc::new(Mutex::new(cut)), Arc::new(AtomicUsize::new(0)));
        let (cuts, counter, mut tasks) = (Arc::clone(&cut), Arc::clone(&most), JoinSet::new());
        let open = Arc::new(());
        let held = Arc::clone(&open);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((near, _)) = listener.accept().await else { continue };
                let (cut, counter, held) = (*cuts.lock().unwrap(), Arc::clone(&counter), Arc::clone(&held));
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(upstream).await else { return };
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    let there = pass(from_near, to_far, Cut::Never, None);
                    let back = pass(from_far, to_near, cut, Some(&counter));
                    // Whoever ends first ends both.
                    tokio::select! { () = there => {} () = back => {} }
                    drop(held);
                });
            }
        });
        Self { port, cut, most, open, _tasks: tasks }
    }

    /// Changes what happens to connections from now on.
    pub fn set_cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = cut;
    }

    /// The number of open connections. One ends when either side ends it.
    pub fn open(&self) -> usize {
        // One copy is ours, and one is of the task that accepts.
        Arc::strong_count(&self.open) - 2
    }

    /// The most bytes that came back through one connection.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, cut: Cut, most: Option<&AtomicUsize>) {
    let (mut passed, mut buffer) = (0, vec![0; 16 << 10]);
    loop {
        let room = match cut {
            Cut::Never => buffer.len(),
            Cut::Close(limit) | Cut::Stall(limit) => buffer.len().min(limit - passed),
        };
        if room == 0 {
            if matches!(cut, Cut::Stall(_)) {
                std::future::pending::<()>().await;
            }
            return;
        }
        let Ok(count @ 1..) = from.read(&mut buffer[..room]).await else { return };
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        passed += count;
        if let Some(most) = most {
            most.fetch_max(passed, Ordering::SeqCst);
        }
    }
}
