//! A web server for tests: git's own `http-backend`, or scripted misbehaviour. One thread a connection, one request each.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub enum Answer {
    /// The whole answer, head and all.
    Text(String),
    /// Nothing, ever.
    Hang,
    /// An advertisement without end.
    Endless,
}

type Script = dyn Fn(&str) -> Answer + Send + Sync;

pub struct Server {
    root: tempfile::TempDir,
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    /// Serves the repositories in its root.
    pub fn git() -> Self {
        Self::start(None)
    }

    /// Answers each path with what the script says.
    pub fn answering(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(Some(Arc::new(script)))
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of all requests so far, in lower case but for values.
    pub fn seen(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How many bytes git sent so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    fn start(script: Option<Arc<Script>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            root: tempfile::tempdir().unwrap(),
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
            sent: Arc::default(),
        };
        let (root, heads, sent) = (server.root().to_owned(), Arc::clone(&server.heads), Arc::clone(&server.sent));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, heads, sent, script) = (root.clone(), Arc::clone(&heads), Arc::clone(&sent), script.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &root, &heads, &sent, script.as_deref()));
            }
        });
        server
    }
}

/// Errors are the client's going away, which is fine.
fn serve(mut stream: TcpStream, root: &Path, heads: &Mutex<Vec<String>>, sent: &AtomicUsize, script: Option<&Script>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    heads.lock().unwrap().push(head.clone());
    let field = |name: &str| head.lines().find_map(|l| Some(l.strip_prefix(name)?.trim().to_owned())).unwrap_or_default();
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    if let Some(script) = script {
        match script(target) {
            Answer::Text(text) => stream.write_all(text.as_bytes()).ok()?,
            Answer::Hang => std::thread::sleep(std::time::Duration::from_secs(30)),
            Answer::Endless => {
                let start = "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n\r\n000eversion 2\n";
                stream.write_all(start.as_bytes()).ok()?;
                loop {
                    stream.write_all("0009abcd\n".repeat(1000).as_bytes()).ok()?;
                }
            }
        }
        return Some(());
    }
    let mut body = vec![0; field("content-length:").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REQUEST_METHOD", method), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .env("CONTENT_TYPE", field("content-type:"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", field("git-protocol:"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(&body).ok();
    let output = child.wait_with_output().ok()?.stdout;
    let status = std::str::from_utf8(&output).ok().and_then(|t| t.strip_prefix("Status: ")?.lines().next()).unwrap_or("200 OK");
    stream.write_all(format!("HTTP/1.1 {status}\r\nconnection: close\r\n").as_bytes()).ok()?;
    sent.fetch_add(output.len(), Ordering::Relaxed);
    stream.write_all(&output).ok()
}

/// Runs git without anyone's configuration and returns what it says.
pub fn git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(at)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
