#![expect(clippy::unwrap_used, reason = "tests")]

mod server;

use std::path::Path;
use std::time::Duration;

use headwater_http::{Basic, Proxy, SafeUrl};
use tokio::time::Instant;

use crate::fetch::git::tests::{branch, remote, sample};
use crate::fetch::git::{Algorithms, Content, Error, Head, Limits, Mirrors, Reference, Remote, Ssh, fetch, resolve};
use server::{Fate, Sshd, closed, run};

const V2: &str = "AcceptEnv GIT_PROTOCOL";

/// `repository` of that server as the user of this process sees it, who knows the server by `known_hosts`.
fn at(sshd: &Sshd, port: u16, repository: &str, known_hosts: String) -> Remote {
    let (root, user) = (sshd.dir.path(), run(Path::new("/"), "id", &["-un"]));
    let identity = std::fs::read(root.join("id")).unwrap();
    let ssh = Ssh { user, identity: identity.into(), passphrase: None, known_hosts: known_hosts.into_bytes() };
    let url = format!("ssh://127.0.0.1:{port}{}/{repository}", root.display());
    Remote { ssh: Some(ssh), ..remote(&url) }
}

fn trusted(sshd: &Sshd) -> Remote {
    let names = format!("[127.0.0.1]:{}", sshd.port);
    at(sshd, sshd.port, "r.git", sshd.known(&names, "ed25519"))
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

/// A key that `sshd` lets in.
fn admitted(sshd: &Sshd, name: &str, args: &[&str]) -> Vec<u8> {
    let root = sshd.dir.path();
    run(root, "ssh-keygen", &[&["-q", "-f", name], args].concat());
    let all = std::fs::read_to_string(root.join("authorized_keys")).unwrap()
        + &std::fs::read_to_string(root.join(format!("{name}.pub"))).unwrap();
    std::fs::write(root.join("authorized_keys"), all).unwrap();
    std::fs::read(root.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_old_servers_give_the_same() {
    for (settings, spoken) in [(V2, "[version=2]\n"), ("", "[]\n")] {
        let sshd = Sshd::new(settings);
        let id = sample(sshd.dir.path());
        let remote = trusted(&sshd);
        for reference in [branch("main"), Reference::Name("refs/pull/7/head".into()), Reference::Tag("1.1.0".into())] {
            let head = resolve(&remote, &reference).await.unwrap();
            assert_eq!(head.id.to_string(), id);
            let scratch = tempfile::tempdir().unwrap();
            let checkout = fetch(&remote, &head, &Content::default(), scratch.path()).await.unwrap();
            assert_eq!(checkout.entries().len(), 5);
        }
        assert!(!sshd.spoken().is_empty() && sshd.spoken().replace(spoken, "").is_empty(), "{}", sshd.spoken());
        assert!(sshd.all_closed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_lets_in() {
    let sshd = Sshd::new(V2);
    sample(sshd.dir.path());
    let remote = trusted(&sshd);
    for (name, args) in [
        ("rsa", &["-t", "rsa", "-m", "PEM", "-N", ""][..]),
        ("ecdsa", &["-t", "ecdsa", "-b", "521", "-m", "PKCS8", "-N", ""]),
        ("locked", &["-t", "ed25519", "-N", "open sesame", "-a", "2"]),
    ] {
        let identity = admitted(&sshd, name, args);
        let with = |passphrase: Option<&str>| {
            identified(&remote, |ssh| {
                ssh.identity = identity.clone().into();
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
    run(sshd.dir.path(), "ssh-keygen", &["-q", "-t", "ed25519", "-f", "other", "-N", ""]);
    let other = std::fs::read(sshd.dir.path().join("other")).unwrap();
    let error = ask(&identified(&remote, |ssh| ssh.identity = other.into())).await.unwrap_err();
    assert!(matches!(error, Error::LoginRefused { .. }) && error.to_string().contains("with the key ssh-ed25519 SHA256:"), "{error}");
    let nobody = identified(&remote, |ssh| ssh.user = "nobody-here".into());
    assert!(refused(&nobody).await.contains("ssh: unable to authenticate: 127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_hosts_are_spoken_to() {
    let sshd = Sshd::new(V2);
    sample(sshd.dir.path());
    let remote = trusted(&sshd);
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let knowing = |lines: String| identified(&remote, |ssh| ssh.known_hosts = lines.into_bytes());
    // Whichever type is known, the server is asked for that one.
    for kind in ["ed25519", "ecdsa", "rsa"] {
        ask(&knowing(sshd.known(&name, kind))).await.unwrap();
    }
    let elsewhere = Sshd::new("");
    let clone = format!("unable to clone '{}': ssh: handshake failed: ", remote.url);
    for (lines, words) in [
        (elsewhere.known(&name, "ed25519"), "knownhosts: key mismatch: "),
        (sshd.known("github.com", "ed25519"), "knownhosts: key is unknown: "),
        (String::new(), "knownhosts: key is unknown: "),
        (sshd.known(&format!("*,!{name}"), "ed25519"), "knownhosts: key is unknown: "),
        (sshd.known(&name, "ed25519") + "@revoked " + &sshd.known("*", "ed25519"), "knownhosts: key is revoked: "),
    ] {
        let error = ask(&knowing(lines)).await.unwrap_err();
        assert!(matches!(error, Error::HostKeyRefused { .. }) && error.to_string().starts_with(&format!("{clone}{words}")), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
    let broken = refused(&knowing("# hosts\n\ngithub.com ssh-ed25519\n".into())).await;
    assert_eq!(broken, "unable to construct auth method with options: knownhosts: line 3: missing key");
    assert!(sshd.all_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_vouches_for_its_hosts() {
    let authority = tempfile::tempdir().unwrap();
    run(authority.path(), "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "ca"]);
    let sshd = Sshd::new(&format!("{V2}\nHostCertificate {}/cert.pub", authority.path().display()));
    sample(sshd.dir.path());
    let line = format!("@cert-authority * {}", std::fs::read_to_string(authority.path().join("ca.pub")).unwrap());
    let remote = identified(&trusted(&sshd), |ssh| ssh.known_hosts = line.into_bytes());
    let host = std::fs::read(sshd.dir.path().join("host_ed25519.pub")).unwrap();
    for (args, wanted) in [
        (&["-h", "-n", "127.0.0.1"][..], None),
        (&["-h", "-n", "elsewhere"], Some("it is for other hosts")),
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"], Some("it is expired")),
        (&["-n", "127.0.0.1"], Some("")),
    ] {
        std::fs::write(authority.path().join("cert.pub"), &host).unwrap();
        run(authority.path(), "ssh-keygen", &[&["-q", "-s", "ca", "-I", "x"], args, &["cert.pub"]].concat());
        std::fs::rename(authority.path().join("cert-cert.pub"), authority.path().join("cert.pub")).unwrap();
        let error = ask(&remote).await.err().map(|error| error.to_string());
        assert_eq!(error.is_some(), wanted.is_some(), "{args:?}: {error:?}");
        assert!(error.unwrap_or_default().contains(wanted.unwrap_or_default()), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_is_told() {
    let sshd = Sshd::new(V2);
    sample(sshd.dir.path());
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let none = at(&sshd, sshd.port, "none.git", sshd.known(&name, "ed25519"));
    assert!(matches!(ask(&none).await, Err(Error::RepositoryNotFound { .. })));
    let remote = trusted(&sshd);
    let error = resolve(&remote, &branch("nope")).await.unwrap_err().to_string();
    assert!(error.ends_with("couldn't find remote ref \"refs/heads/nope\""), "{error}");
    let limits = Limits { refs_size: 10, ..Limits::default() };
    let error = ask(&Remote { limits, ..remote.clone() }).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { setting: "git-max-refs-size", .. }), "{error}");
    for (settings, words) in [
        ("ForceCommand echo you shall not pass >&2; exit 1", "the server says: you shall not pass"),
        ("ForceCommand exit 7", "git-upload-pack ended with status 7 after 0 bytes"),
        ("ForceCommand kill -9 $$", "git-upload-pack ended with signal KILL after 0 bytes"),
        ("ForceCommand true", "git-upload-pack ended with status 0 after 0 bytes"),
    ] {
        let config = sshd.dir.path().join("config");
        let lines = std::fs::read_to_string(&config).unwrap();
        let rest: Vec<_> = lines.lines().filter(|line| !line.starts_with("ForceCommand")).collect();
        std::fs::write(&config, format!("{}\n{settings}\n", rest.join("\n"))).unwrap();
        let error = refused(&remote).await;
        assert!(error.ends_with(words), "{error}");
    }
    let algorithms = Algorithms { key_exchange: vec!["diffie-hellman-group1-sha1".into()], ..Algorithms::default() };
    let error = refused(&Remote { algorithms, ..remote.clone() }).await;
    assert!(
        error.contains("ssh: handshake failed: ssh: no common algorithm for Kex; client offered: diffie-hellman-group1-sha1"),
        "{error}"
    );
    let nowhere = at(&sshd, 1, "r.git", sshd.known("*", "ed25519"));
    let error = refused(&nowhere).await;
    assert!(error.contains("cannot connect to 127.0.0.1:1: ") && error.contains("onnection refused"), "{error}");
    let error = refused(&identified(&remote, |ssh| ssh.user = "-l".into())).await;
    assert!(error.ends_with("refusing a user that begins with '-'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_or_hang_end_with_an_error() {
    let sshd = Sshd::new(V2);
    sample(sshd.dir.path());
    let known = sshd.known("*", "ed25519");
    // Through all stages, until that is all that the server has to say.
    for bytes in (0..).step_by(350) {
        let (port, open) = sshd.behind(Fate::Cut(bytes));
        let begun = Instant::now();
        let Err(error) = ask(&at(&sshd, port, "r.git", known.clone())).await else {
            assert!(bytes > 2000, "all within {bytes} bytes");
            break;
        };
        assert!(matches!(error, Error::Unreachable { .. }), "{bytes}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(5) && closed(&open), "{bytes}: {error}");

        let (port, open) = sshd.behind(Fate::Stuck(bytes));
        let stuck = at(&sshd, port, "r.git", known.clone());
        let limits = Limits { idle_timeout: Duration::from_millis(250), ..Limits::default() };
        let error = ask(&Remote { limits, ..stuck.clone() }).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{bytes}: {error}");
        assert!(closed(&open), "{bytes}: {error}");
        let asked = tokio::time::timeout(Duration::from_millis(150), ask(&stuck)).await;
        assert!(asked.is_err() && closed(&open), "a pass that was given up leaves a connection");
    }
    assert!(sshd.all_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_leads_to_names_that_only_it_knows() {
    let sshd = Sshd::new(V2);
    let id = sample(sshd.dir.path());
    let (port, open) = sshd.behind(Fate::Socks);
    let mut remote = at(&sshd, 2222, "r.git", sshd.known("[git.internal]:2222", "ed25519"));
    remote.url = remote.url.with(|url| url.set_host(Some("git.internal")).unwrap());
    let via = |scheme: &str, basic: Option<(&str, &str)>| {
        let url = SafeUrl::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
        let basic = basic.map(|(user, password)| Basic::new(user, password));
        Remote { proxy: Some(Proxy { url, basic }), ..remote.clone() }
    };
    for scheme in ["socks5", "socks5h"] {
        let head = ask(&via(scheme, Some(("me", "s3cret")))).await.unwrap();
        assert_eq!(head.id.to_string(), id);
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
    assert!(closed(&open) && sshd.all_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_many_windows_comes_whole() {
    let sshd = Sshd::new(V2);
    sample(sshd.dir.path());
    let script = "cd w && head -c 5000000 /dev/urandom > big && git add big && git commit -qm big && git push -q ../r.git main";
    run(sshd.dir.path(), "sh", &["-c", script]);
    let remote = trusted(&sshd);
    let head = resolve(&remote, &branch("main")).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let checkout = fetch(&remote, &head, &Content::default(), scratch.path()).await.unwrap();
    assert!(checkout.entries().iter().any(|entry| entry.size == 5_000_000));
    assert!(sshd.all_closed());
}
