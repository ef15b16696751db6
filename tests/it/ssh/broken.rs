//! Servers that drop the connection, fall silent, or talk nonsense.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use headwater_testing::{
    needs, noise,
    proxy::relay::{Cut, Relay},
    ssh::Sshd,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{secret, spec, world};
use crate::support::{
    artifact::{files, listing},
    namespace::{condition, message},
    world::World,
};

/// Longer than any pass with a timeout of two seconds may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

/// A source through a relay in front of the server.
async fn relayed(world: &World, sshd: &Sshd, name: &str, cut: Cut, timeout: &str) -> Relay {
    let relay = Relay::start(SocketAddr::from(([127, 0, 0, 1], sshd.port)), cut).await;
    secret(world, name, &sshd.client.private, &sshd.known_hosts_as(&format!("[127.0.0.1]:{}", relay.port))).await;
    let mut spec = spec(&sshd.url_at(relay.port, "big.git"), name);
    spec["timeout"] = timeout.into();
    world.space.source(name, spec).await;
    relay
}

/// A repository of which a fetch is some kilobytes long.
fn big(sshd: &Sshd) {
    sshd.repository("big.git").commit(&[("noise", &noise(5_000))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_at_any_stage_fails_the_pass_and_the_next_one_is_whole() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-cut", &["--concurrent=20"], &[]).await;
    big(&sshd);
    let whole = relayed(&world, &sshd, "whole", Cut::Never, "10s").await;
    world.space.ready("whole").await;
    let most = whole.most();
    assert!(most > 20_000, "{most}");

    // Close together where the handshake is, and then evenly to the last bytes of the pack.
    let early = [0, 1, 20, 100, 1_000, 1_300, 1_600, 1_900, 2_200, 2_500, 2_800];
    let late = (1..8).map(|part| 3_000 + (most - 4_000) * part / 8);
    let mut relays = Vec::new();
    for (number, limit) in early.into_iter().chain(late).enumerate() {
        let name = format!("x{number}");
        relays.push((relayed(&world, &sshd, &name, Cut::Close(limit), "10s").await, name, limit));
    }
    for (_, name, limit) in &relays {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("unable to clone 'ssh://"), "after {limit} bytes: {text}");
        assert!(object["status"]["artifact"].is_null(), "after {limit} bytes");
    }
    for (relay, _, _) in &relays {
        relay.set_cut(Cut::Never);
    }
    for (_, name, limit) in &relays {
        let object = world.space.ready(name).await;
        assert_eq!(files(&listing(&object).await), ["noise"], "after {limit} bytes");
        assert!(condition(&object, "FetchFailed").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_at_any_stage_ends_by_the_timeout_of_the_object() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-stall", &["--concurrent=20"], &[]).await;
    big(&sshd);
    let start = Instant::now();
    let mut relays = Vec::new();
    for (number, limit) in [0, 20, 1_000, 1_600, 2_200, 2_800, 8_000, 20_000].into_iter().enumerate() {
        let name = format!("x{number}");
        relays.push((relayed(&world, &sshd, &name, Cut::Stall(limit), "2s").await, name, limit));
    }
    for (_, name, limit) in &relays {
        let object = world.space.failed(name, "GitOperationFailed").await;
        assert!(start.elapsed() < LIMIT, "{:?} after {limit} bytes", start.elapsed());
        assert!(message(&object, "FetchFailed").contains("unable to clone 'ssh://"), "after {limit} bytes: {}", object["status"]);
    }
    for (relay, _, _) in &relays {
        relay.set_cut(Cut::Never);
    }
    for (_, name, _) in &relays {
        world.space.ready(name).await;
    }
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
async fn a_port_on_which_something_else_listens_fails_the_pass_in_time() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-chatter", &["--concurrent=8"], &[]).await;
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
    for (name, port) in &ports {
        secret(&world, name, &sshd.client.private, &sshd.known_hosts_as(&format!("[127.0.0.1]:{port}"))).await;
        let mut spec = spec(&sshd.url_at(*port, "r.git"), name);
        spec["timeout"] = "2s".into();
        world.space.source(name, spec).await;
    }
    for (name, _) in &ports {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("unable to clone 'ssh://") && text.len() < 2_000, "{name}: {text}");
        assert!(!text.contains(['\0', '\r', '\u{1b}']), "{name}: {text:?}");
    }
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_talks_nonsense_fails_the_pass_in_time() {
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
    let (world, sshd, head) = world("ssh-nonsense", &["--concurrent=8"], &[]).await;
    let cases: Vec<_> = scripts.iter().map(|(name, script)| format!("*/{name}.git*) {script};;")).collect();
    let cases = cases.join("\n");
    sshd.answer(&format!("case $SSH_ORIGINAL_COMMAND in {cases}\nesac\nexec sh -c \"$SSH_ORIGINAL_COMMAND\""));
    let start = Instant::now();
    for (name, _) in scripts {
        let mut spec = spec(&sshd.url(&format!("{name}.git")), "key");
        spec["timeout"] = "2s".into();
        world.space.source(name, spec).await;
    }
    for (name, _) in scripts {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("unable to clone 'ssh://") && text.len() < 4_096, "{name}: {text}");
        assert!(!text.contains(['\0', '\r', '\u{1b}']), "{name}: {text:?}");
    }
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    // The others have nothing to do with that.
    world.space.source("good", spec(&sshd.url("r.git"), "key")).await;
    world.space.ready_at("good", &format!("main@sha1:{head}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_used_when_it_is_back() {
    needs!("sshd");
    let (world, mut sshd, _) = world("ssh-away", &[], &[]).await;
    world.space.source("x", spec(&sshd.url("r.git"), "key")).await;
    let before = world.space.ready("x").await;
    sshd.stop();
    world.space.patch("x", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("'ssh://"), "{}", object["status"]);
    assert_eq!(before["status"]["artifact"], object["status"]["artifact"]);
    sshd.restart(sshd.hosts.clone()).await;
    world.space.ready("x").await;
}
