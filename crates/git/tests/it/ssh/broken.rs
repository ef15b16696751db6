//! Servers that drop the connection, fall silent, or talk nonsense.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use headwater_git::Error;
use headwater_testing::{
    needs, noise,
    proxy::relay::{Cut, Relay},
    ssh::Sshd,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{client, guest, server};
use crate::client::{Client, main};

/// Longer than any fetch with a timeout of two seconds may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

/// A client behind a relay in front of the server, and its timeout in seconds.
async fn relayed(sshd: &Sshd, cut: Cut, timeout: u64) -> (Relay, Client) {
    let relay = Relay::start(SocketAddr::from(([127, 0, 0, 1], sshd.port)), cut).await;
    let known_hosts = sshd.known_hosts_as(&format!("[127.0.0.1]:{}", relay.port));
    let mut client = client(&sshd.url_at(relay.port, "big.git"), &sshd.client.private, &known_hosts);
    client.timeout = Duration::from_secs(timeout);
    (relay, client)
}

/// A repository of which a fetch is some kilobytes long.
fn big(sshd: &Sshd) {
    sshd.repository("big.git").commit(&[("noise", &noise(5_000))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_at_any_stage_fails_the_fetch_and_the_next_one_is_whole() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    big(&sshd);
    let (relay, whole) = relayed(&sshd, Cut::Never, 30).await;
    whole.get(&main()).await.unwrap();
    let most = relay.most();
    assert!(most > 20_000, "{most}");

    // Close together where the handshake is, and then evenly to the last bytes of the pack.
    let early = [0, 1, 20, 100, 1_000, 1_300, 1_600, 1_900, 2_200, 2_500, 2_800];
    let late = (1..8).map(|part| 3_000 + (most - 4_000) * part / 8);
    let cases = early.into_iter().chain(late).map(async |limit| {
        let (relay, client) = relayed(&sshd, Cut::Close(limit), 30).await;
        let error = client.get(&main()).await.unwrap_err();
        assert!(!matches!(error, Error::Deadline { .. } | Error::Timeout { .. }), "after {limit} bytes: {error}");
        assert!(error.to_string().contains("unable to clone 'ssh://"), "after {limit} bytes: {error}");
        relay.set_cut(Cut::Never);
        let fetched = client.get(&main()).await.unwrap_or_else(|error| panic!("after {limit} bytes: {error}"));
        assert_eq!(fetched.names(), ["noise"], "after {limit} bytes");
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_at_any_stage_ends_by_its_deadline() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    big(&sshd);
    let start = Instant::now();
    let cases = [0, 20, 1_000, 1_600, 2_200, 2_800, 8_000, 20_000].map(async |limit| {
        let (relay, mut client) = relayed(&sshd, Cut::Stall(limit), 2).await;
        let error = client.get(&main()).await.unwrap_err();
        assert!(start.elapsed() < LIMIT, "{:?} after {limit} bytes", start.elapsed());
        assert!(error.to_string().contains("unable to clone 'ssh://"), "after {limit} bytes: {error}");
        relay.set_cut(Cut::Never);
        client.timeout = LIMIT;
        client.get(&main()).await.unwrap_or_else(|error| panic!("after {limit} bytes: {error}"));
    });
    join_all(cases).await;
}

/// Serves whatever `talk` says on a port, to everyone.
async fn chatter<F: Future<Output = ()> + Send + 'static>(talk: impl Fn(TcpStream) -> F + Send + 'static) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            connections.spawn(talk(stream));
        }
    });
    (port, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_on_which_something_else_listens_fails_the_fetch_in_time() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let lines = chatter(async |mut stream| while stream.write_all(b"a line that is no version of anything\r\n").await.is_ok() {}).await;
    let one_line = chatter(async |mut stream| while stream.write_all(&[b'x'; 8_192]).await.is_ok() {}).await;
    let http = chatter(async |mut stream| {
        let _ = stream.read(&mut [0; 1_024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let garbage = chatter(async |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-Garbage\r\n").await;
        let noise: Vec<u8> = (0..5_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        while stream.write_all(&noise).await.is_ok() {}
    })
    .await;
    // A packet that says that it has four gigabytes.
    let huge = chatter(async |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-Huge\r\n\xff\xff\xff\xff").await;
        while stream.write_all(&[0; 8_192]).await.is_ok() {}
    })
    .await;
    let old = chatter(async |mut stream| {
        let _ = stream.write_all(b"SSH-1.5-Old\r\n").await;
        let _ = stream.read(&mut [0; 1_024]).await;
    })
    .await;
    let servers = [("lines", lines), ("one-line", one_line), ("http", http), ("garbage", garbage), ("huge", huge), ("old", old)];
    let start = Instant::now();
    let mut ports: Vec<_> = servers.iter().map(|(name, (port, _))| (*name, *port)).collect();
    ports.push(("closed", 1));
    let cases = ports.iter().map(async |(name, port)| {
        let known_hosts = sshd.known_hosts_as(&format!("[127.0.0.1]:{port}"));
        let mut client = client(&sshd.url_at(*port, "r.git"), &sshd.client.private, &known_hosts);
        client.timeout = Duration::from_secs(2);
        let text = client.get(&main()).await.unwrap_err().to_string();
        assert!(text.contains("unable to clone 'ssh://") && text.len() < 2_000, "{name}: {text}");
        assert!(!text.contains(['\0', '\r', '\u{1b}']), "{name}: {text:?}");
    });
    join_all(cases).await;
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_talks_nonsense_fails_the_fetch_in_time() {
    needs!("sshd");
    let scripts = [
        ("welcome", "echo Welcome to this machine; exec sh -c \"$SSH_ORIGINAL_COMMAND\""),
        ("nothing", "exit 0"),
        ("endless-out", "yes"),
        ("endless-refs", "while :; do printf 003d; head -c 40 /dev/zero | tr '\\0' 1; echo ' refs/heads/many'; done"),
        ("endless-err", "yes >&2"),
        ("terminal", "printf '\\033[31mred\\r\\nsecond\\000' >&2; exit 1"),
        ("silent", "exec cat >/dev/null"),
        ("killed", "kill -9 $$"),
    ];
    let (sshd, head) = server(&[]).await;
    let cases: Vec<_> = scripts.iter().map(|(name, script)| format!("*/{name}.git*) {script};;")).collect();
    let cases = cases.join("\n");
    sshd.answer(&format!("case $SSH_ORIGINAL_COMMAND in {cases}\nesac\nexec sh -c \"$SSH_ORIGINAL_COMMAND\""));
    let start = Instant::now();
    let cases = scripts.map(async |(name, _)| {
        let mut client = guest(&sshd, &sshd.url(&format!("{name}.git")));
        client.timeout = Duration::from_secs(2);
        let text = client.get(&main()).await.unwrap_err().to_string();
        assert!(text.contains("unable to clone 'ssh://") && text.len() < 4_096, "{name}: {text}");
        assert!(!text.contains(['\0', '\r', '\u{1b}']), "{name}: {text:?}");
    });
    join_all(cases).await;
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    // The others have nothing to do with that.
    let fetched = guest(&sshd, &sshd.url("r.git")).get(&main()).await.unwrap();
    assert_eq!(fetched.revision, format!("main@sha1:{head}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_used_when_it_is_back() {
    needs!("sshd");
    let (mut sshd, _) = server(&[]).await;
    let client = guest(&sshd, &sshd.url("r.git"));
    client.get(&main()).await.unwrap();
    sshd.stop();
    let error = client.get(&main()).await.unwrap_err();
    assert!(error.to_string().contains("'ssh://"), "{error}");
    sshd.restart(sshd.hosts.clone()).await;
    client.get(&main()).await.unwrap();
}
