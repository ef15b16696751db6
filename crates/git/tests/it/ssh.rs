//! Fetching over SSH, from OpenSSH's own server.

mod broken;
mod identity;
mod known_hosts;

use std::{fs, path::Path};

use futures::future::join_all;
use headwater_git::{Reference, Ssh};
use headwater_http::SafeUrl;
use headwater_testing::{
    git::client::clone,
    needs,
    proxy::relay::{Cut, Relay},
    ssh::{Pair, Sshd, write_private},
};

use crate::client::{Client, main};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n")];

/// An SSH server with the repository `r.git`; and the commit in it.
async fn server(options: &[&str]) -> (Sshd, String) {
    let sshd = Sshd::with(options).await;
    let head = sshd.repository("r.git").commit(FILES);
    (sshd, head)
}

/// A client with this private key, which knows these hosts.
fn client(url: &str, identity: &str, known_hosts: &str) -> Client {
    let mut client = Client::new(url);
    client.remote.ssh = Some(Ssh {
        user: "git".to_owned(),
        identity: identity.as_bytes().to_vec().into(),
        passphrase: None,
        known_hosts: known_hosts.as_bytes().to_vec(),
    });
    client
}

/// A client that may log in, and that knows the host.
fn guest(sshd: &Sshd, url: &str) -> Client {
    client(url, &sshd.client.private, &sshd.known_hosts())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_name_a_commit_works_with_each_version_of_the_protocol() {
    needs!("sshd");
    // A server that does not accept the variable speaks the oldest version.
    for (options, protocol) in [(&[][..], "version=2"), (&["AcceptEnv LANG"][..], "")] {
        let sshd = Sshd::with(options).await;
        let repository = sshd.repository("r.git");
        let one = repository.commit(FILES);
        repository.tag("v1.0.0");
        let two = repository.commit(&[("z", "2")]);
        repository.annotated_tag("v1.2.0");
        repository.set_ref("refs/pull/7/head", &one);
        let three = repository.commit(&[("z", "3")]);
        let branch = repository.commit_to("feature/one", &[("f", "1")]);
        sshd.obey_with(&["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_0=false"]);
        let cases = [
            (main(), format!("main@sha1:{three}")),
            (Reference::Branch("feature/one".into()), format!("feature/one@sha1:{branch}")),
            (Reference::Tag("v1.0.0".into()), format!("v1.0.0@sha1:{one}")),
            (Reference::Tag("v1.2.0".into()), format!("v1.2.0@sha1:{two}")),
            (Reference::Semver { range: ">=1.0.0".into(), filter: None }, format!("v1.2.0@sha1:{two}")),
            (Reference::Name("refs/pull/7/head".into()), format!("refs/pull/7/head@sha1:{one}")),
            (Reference::Commit { id: two.clone(), branch: Some("main".into()) }, format!("main@sha1:{two}")),
            (Reference::Commit { id: two.clone(), branch: None }, format!("sha1:{two}")),
        ];
        let client = guest(&sshd, &sshd.url("r.git"));
        let cases = cases.map(async |(reference, expected)| {
            let fetched = client.get(&reference).await.unwrap_or_else(|error| panic!("{reference:?}: {error}"));
            assert_eq!(fetched.revision, expected, "{reference:?}");
        });
        join_all(cases).await;
        let asked = sshd.asked();
        assert!(asked.iter().all(|asked| asked.protocol == protocol), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_named_in_the_url_is_git() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let path = sshd.url("r.git").split_once('@').unwrap().1.to_owned();
    // A password in the URL is of no use with a key, and nothing may tell it.
    let password = guest(&sshd, &sshd.url("r.git").replacen('@', ":pa55word-hidden@", 1));
    assert!(!format!("{:?}", password.remote).contains("pa55word-hidden"));
    password.get(&main()).await.unwrap();
    let default = guest(&sshd, &format!("ssh://{path}")).get(&main()).await;
    if sshd.user == "git" {
        default.unwrap();
    } else {
        let error = default.unwrap_err().to_string();
        assert!(error.contains("unable to authenticate"), "{error}");
        let log = sshd.log();
        assert!(log.contains("user git "), "{log}");
    }
    let named = guest(&sshd, &format!("ssh://no-such-user:pa55word-hidden@{path}"));
    let error = named.get(&main()).await.unwrap_err().to_string();
    assert!(!error.contains("pa55word-hidden"), "{error}");
    assert!(sshd.log().contains("user no-such-user "), "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_quoted_so_that_no_shell_takes_it_apart() {
    // What stands in the URL, and the folder that it means.
    const PATHS: [(&str, &str, &str); 7] = [
        ("space", "a%20b.git", "a b.git"),
        ("quote", "it%27s.git", "it's.git"),
        ("command", "a%27;%20touch%20touched;%20%27.git", "a'; touch touched; '.git"),
        ("dollar", "$(touch%20touched).git", "$(touch touched).git"),
        ("backtick", "%60touch%20touched%60.git", "`touch touched`.git"),
        ("backslash", "a%5Cb.git", "a\\b.git"),
        ("exclamation", "wow!!%21.git", "wow!!!.git"),
    ];
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    sshd.answer(&format!("cd \"$(mktemp -d -p {})\" && exec sh -c \"$SSH_ORIGINAL_COMMAND\"", sshd.root().display()));
    let cases = PATHS.map(async |(name, path, folder)| {
        sshd.repository(folder).commit(&[(name, "")]);
        let fetched = guest(&sshd, &sshd.url(path)).get(&main()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fetched.names(), [name]);
    });
    join_all(cases).await;
    for asked in sshd.asked() {
        let path = asked.command.strip_prefix("git-upload-pack '").unwrap_or_else(|| panic!("{asked:?}"));
        assert!(path.starts_with(sshd.root().to_str().unwrap()), "{asked:?}");
    }
    for folder in fs::read_dir(sshd.root()).unwrap() {
        assert!(!fs::exists(folder.unwrap().path().join("touched")).unwrap(), "a shell took a path apart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_looks_like_an_option_stays_a_path() {
    const PATHS: [&str; 4] = ["/-u.git", "/--upload-pack=touch%20x/r.git", "/r%00.git", "/r.git%0Atouch%20x"];
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    for path in PATHS {
        let url = format!("ssh://{}@127.0.0.1:{}{path}", sshd.user, sshd.port);
        let text = guest(&sshd, &url).get(&main()).await.unwrap_err().to_string();
        assert!(!text.contains(['\0', '\n', '\r']), "{text:?}");
    }
    for asked in sshd.asked() {
        let argument = asked.command.strip_prefix("git-upload-pack '/").and_then(|path| path.strip_suffix('\''));
        assert!(argument.is_some_and(|path| !path.contains('\'')), "{asked:?}");
        assert_ne!(argument, Some("r"), "the path ends before its NUL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_looks_like_an_option_is_a_host_that_is_not_there() {
    needs!("sshd");
    let ((sshd, _), folder) = (server(&[]).await, tempfile::tempdir().unwrap());
    let mark = folder.path().join("mark");
    let url = format!("ssh://-oProxyCommand=touch%20{}/r.git", mark.display().to_string().replace('/', "%2F"));
    if SafeUrl::parse(&url).is_ok() {
        guest(&sshd, &url).get(&main()).await.unwrap_err();
    }
    assert!(!fs::exists(mark).unwrap());
    assert!(sshd.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_is_not_found() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let client = guest(&sshd, &sshd.url("none.git"));
    let error = client.get(&main()).await.unwrap_err().to_string();
    assert!(error.contains("repository not found"), "{error}");
    sshd.repository("none.git").commit(FILES);
    client.get(&main()).await.unwrap();

    // Hosts that serve many say it in words of their own.
    sshd.answer("echo 'ERROR: Repository not found.' >&2; echo 'fatal: Could not read from remote repository.' >&2; exit 128");
    let error = guest(&sshd, &sshd.url("hosted.git")).get(&main()).await.unwrap_err().to_string();
    assert!(error.contains("repository not found"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_fetches_from_one_host_go_side_by_side() {
    needs!("sshd");
    let (sshd, head) = server(&[]).await;
    let client = guest(&sshd, &sshd.url("r.git"));
    for fetched in join_all((0..20).map(async |_| client.get(&main()).await)).await {
        assert_eq!(fetched.unwrap().revision, format!("main@sha1:{head}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_itself_gets_in_with_the_right_key_to_the_right_host() {
    needs!("sshd", "ssh", "ssh-keygen");
    let (mut sshd, folder) = (Sshd::start().await, tempfile::tempdir().unwrap());
    sshd.repository("r.git").commit(FILES);
    let (key, known, unknown) = (folder.path().join("key"), folder.path().join("known"), folder.path().join("unknown"));
    write_private(&key, &sshd.client.private);
    fs::write(&known, sshd.known_hosts()).unwrap();
    fs::write(&unknown, "").unwrap();
    let ssh = |hosts: &Path| {
        let options = "-F none -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o BatchMode=yes";
        format!("ssh {options} -o UserKnownHostsFile={} -i {}", hosts.display(), key.display())
    };
    let (right, wrong) = (ssh(&known), ssh(&unknown));
    clone(sshd.url("r.git"), &folder.path().join("right"), &[], &[("GIT_SSH_COMMAND", &right)]).await.unwrap();
    assert_eq!(sshd.asked().len(), 1, "{:?}", sshd.asked());
    assert_eq!(sshd.asked()[0].protocol, "version=2");
    assert!(clone(sshd.url("r.git"), &folder.path().join("wrong"), &[], &[("GIT_SSH_COMMAND", &wrong)]).await.is_err());

    let relay = Relay::start(([127, 0, 0, 1], sshd.port).into(), Cut::Close(2_000)).await;
    fs::write(&known, sshd.known_hosts_as(&format!("[127.0.0.1]:{}", relay.port))).unwrap();
    let url = sshd.url_at(relay.port, "r.git");
    assert!(clone(url.clone(), &folder.path().join("cut"), &[], &[("GIT_SSH_COMMAND", &right)]).await.is_err());
    assert_eq!(relay.most(), 2_000);
    relay.set_cut(Cut::Never);
    clone(url, &folder.path().join("whole"), &[], &[("GIT_SSH_COMMAND", &right)]).await.unwrap();

    let authority = Pair::fixed("one");
    fs::write(&known, format!("@cert-authority {} {}\n", sshd.host(), authority.public)).unwrap();
    for (name, principal, trusted) in [("certified", "127.0.0.1", true), ("principal", "example.com", false)] {
        sshd.certify(&authority, &["-h", "-n", principal]).await;
        let result = clone(sshd.url("r.git"), &folder.path().join(name), &[], &[("GIT_SSH_COMMAND", &right)]).await;
        assert_eq!(result.is_ok(), trusted, "{name}: {result:?}");
    }
}
