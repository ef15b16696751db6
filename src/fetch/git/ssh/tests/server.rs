//! A real sshd for each connection, behind a listener that can misbehave.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What becomes of a connection.
#[derive(Clone, Copy)]
pub enum Fate {
    /// Closed after so many bytes from the server.
    Cut(usize),
    /// Silent after so many bytes from the server.
    Stuck(usize),
    /// Passed on by a SOCKS5 proxy that wants the user `me` and the password `s3cret`.
    Socks,
}

pub struct Sshd {
    pub dir: TempDir,
    pub port: u16,
    open: Arc<AtomicUsize>,
}

pub fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

impl Sshd {
    /// With host keys of three types, and a key `id` that is let in; `settings` are further lines of `sshd_config`.
    pub fn new(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_owned();
        for (name, kind, bits) in
            [("host_ed25519", "ed25519", "256"), ("host_ecdsa", "ecdsa", "256"), ("host_rsa", "rsa", "2048"), ("id", "ed25519", "256")]
        {
            run(&at, "ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-C", "", "-f", name]);
        }
        std::fs::copy(at.join("id.pub"), at.join("authorized_keys")).unwrap();
        let shown = at.display();
        let run_and_tell = format!("echo \"[$GIT_PROTOCOL]\" >> {shown}/spoken; eval \"$SSH_ORIGINAL_COMMAND\"");
        let config = format!(
            "HostKey {shown}/host_ed25519\nHostKey {shown}/host_ecdsa\nHostKey {shown}/host_rsa\nStrictModes no\nUsePAM no\n\
             AuthorizedKeysFile {shown}/authorized_keys\nSetEnv HOME={shown}\nPermitRootLogin yes\nForceCommand {run_and_tell}\n{settings}\n"
        );
        std::fs::write(at.join("config"), config).unwrap();
        let (port, open) = listen(move |stream| {
            let (input, output) = (OwnedFd::from(stream.try_clone().unwrap()), OwnedFd::from(stream));
            let mut sshd = Command::new("/usr/sbin/sshd");
            sshd.args(["-i", "-e", "-f"]).arg(at.join("config")).stdin(Stdio::from(input)).stdout(Stdio::from(output));
            let _ = sshd.stderr(Stdio::null()).spawn().unwrap().wait();
        });
        Self { dir, port, open }
    }

    /// The same server behind another port, where connections have that fate. The second value counts those that are open.
    pub fn behind(&self, fate: Fate) -> (u16, Arc<AtomicUsize>) {
        let port = self.port;
        listen(move |mut client| {
            let mut spare = usize::MAX;
            match fate {
                Fate::Cut(bytes) | Fate::Stuck(bytes) => spare = bytes,
                Fate::Socks if socks(&mut client).is_none() => return,
                Fate::Socks => {}
            }
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = server.read(&mut chunk) {
                let passed = length.min(spare);
                spare -= passed;
                if client.write_all(&chunk[..passed]).is_err() {
                    break;
                }
                if spare == 0 {
                    if matches!(fate, Fate::Stuck(_)) {
                        // Until the other side gives up.
                        while matches!(server.read(&mut chunk), Ok(1..)) {}
                    }
                    break;
                }
            }
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        })
    }

    /// The line of `known_hosts` for one of the host keys.
    pub fn known(&self, names: &str, kind: &str) -> String {
        format!("{names} {}", std::fs::read_to_string(self.dir.path().join(format!("host_{kind}.pub"))).unwrap())
    }

    /// What was asked for as protocol, one line for each command.
    pub fn spoken(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("spoken")).unwrap_or_default()
    }

    pub fn all_closed(&self) -> bool {
        closed(&self.open)
    }
}

/// Whether all connections end soon.
pub fn closed(open: &AtomicUsize) -> bool {
    let begun = Instant::now();
    while open.load(Ordering::SeqCst) > 0 {
        if begun.elapsed() > Duration::from_secs(5) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, open, serve) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)), Arc::new(serve));
    std::thread::spawn({
        let open = Arc::clone(&open);
        move || {
            for stream in listener.incoming() {
                let (serve, open, stream) = (Arc::clone(&serve), Arc::clone(&open), stream.unwrap());
                open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
    });
    (port, open)
}

/// The server's part of RFC 1928 and RFC 1929; nothing if the client is refused.
fn socks(client: &mut TcpStream) -> Option<()> {
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let methods = read(2)?;
    let offered = read(methods[1].into())?;
    let auth = offered.contains(&2);
    client.write_all(&[5, if auth { 2 } else { 255 }]).ok()?;
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let user_length = read(2)?[1].into();
    let user = read(user_length)?;
    let password_length = read(1)?[0].into();
    let good = user == b"me" && read(password_length)? == b"s3cret";
    client.write_all(&[1, u8::from(!good)]).ok()?;
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    if !good {
        return None;
    }
    let request = read(4)?;
    let name_length = read(1)?[0].into();
    let name = read(name_length)?;
    read(2)?;
    // A name, and one that only the proxy knows.
    let known = request == [5, 1, 0, 3] && name == b"git.internal";
    client.write_all(&[5, if known { 0 } else { 4 }, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    known.then_some(())
}
