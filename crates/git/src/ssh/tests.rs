#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use headwater_http::{Basic, Proxy, SafeUrl};
use headwater_testing::proxy::relay::{Cut, Relay};
use headwater_testing::proxy::socks::{Guests, Socks};
use headwater_testing::ssh::{Pair, Sshd};
use headwater_testing::{eventually, needs};
use tokio::time::Instant;

use crate::tests::{branch, remote, sample};
use crate::{Algorithms, Content, Error, Head, Limits, Mirrors, Reference, Remote, Ssh, fetch, resolve};

/// The indices of host keys.
const ED25519: usize = 0;
const KINDS: usize = 3;

/// A server with the repository `r.git`, and a relay in front of it that counts connections.
struct Server {
    sshd: Sshd,
    front: Relay,
    /// The commit of the branch `main`.
    head: String,
}

impl Server {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Each option is a line of `sshd_config` and replaces those of its keyword.
    async fn with(options: &[&str]) -> Self {
        let sshd = Sshd::with(options).await;
        let [_, head] = sample(&sshd.repository("r.git"));
        let front = Relay::start(address(&sshd), Cut::Never).await;
        Self { sshd, front, head }
    }

    fn name(&self) -> String {
        format!("[127.0.0.1]:{}", self.front.port)
    }

    /// The line of `known_hosts` for one of the host keys.
    fn known(&self, names: &str, kind: usize) -> String {
        format!("{names} {}\n", self.sshd.hosts[kind].public)
    }

    /// `r.git` as a user sees it who knows the server.
    fn trusted(&self) -> Remote {
        at(&self.sshd, self.front.port, "r.git", self.known(&self.name(), ED25519))
    }

    async fn all_closed(&self) {
        closed(|| self.front.open()).await;
    }
}

fn address(sshd: &Sshd) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], sshd.port))
}

/// Waits until no connection is open.
async fn closed(open: impl Fn() -> usize) {
    let limit = Duration::from_secs(5);
    eventually(limit, async || if open() == 0 { Ok(()) } else { Err(format!("{} connections are open", open())) }).await;
}

/// `repository` of that server as the user of this process sees it, who knows the server by `known_hosts`.
fn at(sshd: &Sshd, port: u16, repository: &str, known_hosts: String) -> Remote {
    let (user, identity) = (sshd.user.to_owned(), sshd.client.private.clone().into_bytes().into());
    let ssh = Ssh { user, identity, passphrase: None, known_hosts: known_hosts.into_bytes() };
    let url = format!("ssh://127.0.0.1:{port}{}/{repository}", sshd.root().display());
    Remote { ssh: Some(ssh), ..remote(&url) }
}

fn identified(remote: &Remote, change: impl FnOnce(&mut Ssh)) -> Remote {
    let mut remote = remote.clone();
    change(remote.ssh.as_mut().unwrap());
    remote
}

/// Asks for the branch `main`, whatever is known already.
async fn ask(remote: &Remote) -> Result<Head, Error> {
    let anew = Remote { asked: Instant::now(), mirrors: Mirrors::default(), ..remote.clone() };
    resolve(&anew, &branch("main")).await
}

async fn refused(remote: &Remote) -> String {
    ask(remote).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_old_servers_give_the_same() {
    needs!("sshd");
    for (option, protocol) in [("AcceptEnv GIT_PROTOCOL", "version=2"), ("AcceptEnv NOTHING", "")] {
        let server = Server::with(&[option]).await;
        let remote = server.trusted();
        for reference in [branch("main"), Reference::Name("refs/pull/7/head".into()), Reference::Tag("1.1.0".into())] {
            let head = resolve(&remote, &reference).await.unwrap();
            assert_eq!(head.id.to_string(), server.head);
            let scratch = tempfile::tempdir().unwrap();
            let checkout = fetch(&remote, &head, &Content::default(), scratch.path()).await.unwrap();
            assert_eq!(checkout.entries().len(), 5);
        }
        let asked = server.sshd.asked();
        assert!(!asked.is_empty() && asked.iter().all(|asked| asked.protocol == protocol), "{asked:?}");
        server.all_closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_lets_in() {
    needs!("sshd", "ssh-keygen");
    let server = Server::start().await;
    let remote = server.trusted();
    for (name, key) in [
        ("rsa", Pair::fixed("rsa").rewritten(&["-m", "PEM", "-N", ""])),
        ("ecdsa", Pair::fixed("ecdsa-521").rewritten(&["-m", "PKCS8", "-N", ""])),
        ("locked", Pair::fixed("one").rewritten(&["-N", "open sesame", "-a", "2"])),
    ] {
        server.sshd.authorize(&key.public);
        let with = |passphrase: Option<&str>| {
            identified(&remote, |ssh| {
                ssh.identity = key.private.clone().into_bytes().into();
                ssh.passphrase = passphrase.map(Into::into);
            })
        };
        ask(&with(Some("open sesame"))).await.unwrap();
        if name == "locked" {
            let prefix = "unable to construct auth method with options: ";
            assert_eq!(refused(&with(None)).await, format!("{prefix}ssh: this private key is passphrase protected: give its passphrase"));
            assert!(refused(&with(Some("s3same"))).await.starts_with(&format!("{prefix}x509: decryption password incorrect")));
        }
    }
    let other = Pair::fixed("two").private.into_bytes();
    let error = ask(&identified(&remote, |ssh| ssh.identity = other.into())).await.unwrap_err();
    assert!(matches!(error, Error::LoginRefused { .. }) && error.to_string().contains("with the key ssh-ed25519 SHA256:"), "{error}");
    let nobody = identified(&remote, |ssh| ssh.user = "nobody-here".into());
    assert!(refused(&nobody).await.contains("ssh: unable to authenticate: 127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_hosts_are_spoken_to() {
    needs!("sshd");
    let server = Server::start().await;
    let (remote, name) = (server.trusted(), server.name());
    let knowing = |lines: String| identified(&remote, |ssh| ssh.known_hosts = lines.into_bytes());
    // Whichever type is known, the server is asked for that one.
    for kind in 0..KINDS {
        ask(&knowing(server.known(&name, kind))).await.unwrap();
    }
    let clone = format!("unable to clone '{}': ssh: handshake failed: ", remote.url);
    for (lines, words) in [
        (format!("{name} {}\n", Pair::fixed("one").public), "knownhosts: key mismatch: "),
        (server.known("github.com", ED25519), "knownhosts: key is unknown: "),
        (String::new(), "knownhosts: key is unknown: "),
        (server.known(&format!("*,!{name}"), ED25519), "knownhosts: key is unknown: "),
        (server.known(&name, ED25519) + "@revoked " + &server.known("*", ED25519), "knownhosts: key is revoked: "),
    ] {
        let error = ask(&knowing(lines)).await.unwrap_err();
        assert!(matches!(error, Error::HostKeyRefused { .. }) && error.to_string().starts_with(&format!("{clone}{words}")), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
    let broken = refused(&knowing("# hosts\n\ngithub.com ssh-ed25519\n".into())).await;
    assert_eq!(broken, "unable to construct auth method with options: knownhosts: line 3: missing key");
    server.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_vouches_for_its_hosts() {
    needs!("sshd", "ssh-keygen");
    let mut server = Server::start().await;
    let authority = Pair::fixed("one");
    let line = format!("@cert-authority * {}", authority.public);
    let remote = identified(&server.trusted(), |ssh| ssh.known_hosts = line.into_bytes());
    for (arguments, wanted) in [
        (&["-h", "-n", "127.0.0.1"][..], None),
        (&["-h", "-n", "elsewhere"], Some("it is for other hosts")),
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"], Some("it is expired")),
        (&["-n", "127.0.0.1"], Some("")),
    ] {
        server.sshd.certify(&authority, arguments).await;
        let error = ask(&remote).await.err().map(|error| error.to_string());
        assert_eq!(error.is_some(), wanted.is_some(), "{arguments:?}: {error:?}");
        assert!(error.unwrap_or_default().contains(wanted.unwrap_or_default()), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_is_told() {
    needs!("sshd");
    let server = Server::start().await;
    let none = at(&server.sshd, server.front.port, "none.git", server.known(&server.name(), ED25519));
    assert!(matches!(ask(&none).await, Err(Error::RepositoryNotFound { .. })));
    let remote = server.trusted();
    let error = resolve(&remote, &branch("nope")).await.unwrap_err().to_string();
    assert!(error.ends_with("couldn't find remote ref \"refs/heads/nope\""), "{error}");
    let limits = Limits { refs_size: 10, ..Limits::default() };
    let error = ask(&Remote { limits, ..remote.clone() }).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { setting: "git-max-refs-size", .. }), "{error}");
    for (option, words) in [
        ("ForceCommand echo you shall not pass >&2; exit 1", "the server says: you shall not pass"),
        ("ForceCommand exit 7", "git-upload-pack ended with status 7 after 0 bytes"),
        ("ForceCommand kill -9 $$", "git-upload-pack ended with signal KILL after 0 bytes"),
        ("ForceCommand true", "git-upload-pack ended with status 0 after 0 bytes"),
    ] {
        let odd = Server::with(&[option]).await;
        let error = refused(&odd.trusted()).await;
        assert!(error.ends_with(words), "{error}");
    }
    let algorithms = Algorithms { key_exchange: vec!["diffie-hellman-group1-sha1".into()], ..Algorithms::default() };
    let error = refused(&Remote { algorithms, ..remote.clone() }).await;
    assert!(
        error.contains("ssh: handshake failed: ssh: no common algorithm for Kex; client offered: diffie-hellman-group1-sha1"),
        "{error}"
    );
    let nowhere = at(&server.sshd, 1, "r.git", server.known("*", ED25519));
    let error = refused(&nowhere).await;
    assert!(error.contains("cannot connect to 127.0.0.1:1: ") && error.contains("onnection refused"), "{error}");
    let error = refused(&identified(&remote, |ssh| ssh.user = "-l".into())).await;
    assert!(error.ends_with("refusing a user that begins with '-'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_or_hang_end_with_an_error() {
    needs!("sshd");
    let server = Server::start().await;
    let relay = &server.front;
    let remote = server.trusted();
    // Through all stages, until that is all that the server has to say.
    let mut bytes = 0;
    loop {
        relay.set_cut(Cut::Close(bytes));
        let begun = Instant::now();
        let Err(error) = ask(&remote).await else { break };
        assert!(matches!(error, Error::Unreachable { .. }), "{bytes}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{bytes}: {error}");
        server.all_closed().await;

        relay.set_cut(Cut::Stall(bytes));
        let limits = Limits { idle_timeout: Duration::from_millis(250), ..Limits::default() };
        // A reset may take along the end of what a stalled connection still brings.
        let Err(error) = ask(&Remote { limits, ..remote.clone() }).await else { break };
        assert!(matches!(error, Error::Timeout { .. }), "{bytes}: {error}");
        server.all_closed().await;
        let asked = tokio::time::timeout(Duration::from_millis(150), ask(&remote)).await;
        assert!(asked.is_err(), "{bytes}: {asked:?}");
        // A pass that was given up leaves no connection.
        server.all_closed().await;
        bytes += 350;
    }
    assert!(bytes > 2000, "all within {bytes} bytes");
    server.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_leads_to_names_that_only_it_knows() {
    needs!("sshd");
    let server = Server::start().await;
    let socks = Socks::start(Guests::Only("me", "s3cret"), &[("git.internal:2222", address(&server.sshd))]).await;
    let mut remote = at(&server.sshd, 2222, "r.git", server.known("[git.internal]:2222", ED25519));
    remote.url = remote.url.with(|url| url.set_host(Some("git.internal")).unwrap());
    let port = url::Url::parse(&socks.url).unwrap().port().unwrap();
    let via = |scheme: &str, basic: Option<(&str, &str)>| {
        let url = SafeUrl::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
        let basic = basic.map(|(user, password)| Basic::new(user, password));
        Remote { proxy: Some(Proxy { url, basic }), ..remote.clone() }
    };
    for scheme in ["socks5", "socks5h"] {
        let head = ask(&via(scheme, Some(("me", "s3cret")))).await.unwrap();
        assert_eq!(head.id.to_string(), server.head);
    }
    for (proxied, words) in [
        (via("socks5", Some(("me", "s4cret"))), "credentials not accepted"),
        (via("socks5", None), "through the proxy socks5://127.0.0.1"),
        (via("http", None), "proxy: unknown scheme: http: for ssh, a proxy must be socks5 or socks5h"),
    ] {
        let error = refused(&proxied).await;
        assert!(error.contains(words) && !error.contains("s4cret"), "{error}");
    }
    let mut other = via("socks5h", Some(("me", "s3cret")));
    other.url = other.url.with(|url| url.set_host(Some("elsewhere")).unwrap());
    assert!(refused(&other).await.contains("cannot connect to elsewhere:2222 through the proxy"));
    assert_eq!(socks.asked(), ["git.internal:2222", "git.internal:2222", "elsewhere:2222"]);
    closed(|| socks.open()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_many_windows_comes_whole() {
    needs!("sshd");
    let sshd = Sshd::start().await;
    let repository = sshd.repository("r.git");
    sample(&repository);
    let mut noise = vec![0; 5_000_000];
    rand::fill(&mut noise[..]);
    repository.change("main", "big", &[("100644", "big", &noise)]);
    let front = Relay::start(address(&sshd), Cut::Never).await;
    let remote = at(&sshd, front.port, "r.git", format!("[127.0.0.1]:{} {}\n", front.port, sshd.hosts[ED25519].public));
    let head = resolve(&remote, &branch("main")).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let checkout = fetch(&remote, &head, &Content::default(), scratch.path()).await.unwrap();
    assert!(checkout.entries().iter().any(|entry| entry.size == 5_000_000));
    closed(|| front.open()).await;
}
