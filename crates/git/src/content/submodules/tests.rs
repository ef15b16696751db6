#![expect(clippy::unwrap_used, reason = "tests")]

use headwater_http::{ClientCertificate, Trust};
use secrecy::ExposeSecret as _;

use super::*;
use crate::Ssh;
use crate::tests::remote as visited;

fn shown(parent: &str, raw: &str) -> String {
    remote(&visited(parent), raw.into()).map_or_else(|why| format!("! {why}"), |remote| remote.url.as_str().to_owned())
}

#[test]
fn urls_are_resolved_as_git_does() {
    for (parent, raw, url) in [
        ("https://h/a/r.git", "../s.git", "https://h/a/s.git"),
        ("https://h/a/r.git/", "./s.git", "https://h/a/r.git/s.git"),
        ("https://h/a/r.git", "../../b//s/", "https://h/b/s"),
        ("https://me:pw@h:8443/a/r.git?q#f", "../s", "https://me:pw@h:8443/a/s"),
        ("https://me@h/r", "https://h:443/s", "https://me@h/s"),
        ("https://me@h/r", "http://h/s", "http://h/s"),
        ("https://me@h/r", "https://i/s", "https://i/s"),
        ("https://h/r", "https://you:x@i/s", "https://you:x@i/s"),
        ("ssh://git@h/a/r", "../s", "ssh://git@h/a/s"),
        ("ssh://git@h/a/r", "ssh://h:22/s", "ssh://git@h:22/s"),
        ("ssh://git@h/a/r", "me@h:b/s.git", "ssh://me@h/b/s.git"),
        ("ssh://git@h/a/r", "h:/b/s", "ssh://git@h/b/s"),
        ("ssh://git@h/a/r", "h:s", "ssh://git@h/s"),
        ("ssh://git@[::1]/a/r", "git@[::1]:b/s", "ssh://git@[::1]/b/s"),
        ("https://h/r", "s.git", "https://h/r/s.git"),
    ] {
        assert_eq!(shown(parent, raw), url, "{parent} {raw}");
    }
}

#[test]
fn urls_that_lead_elsewhere_are_refused() {
    for raw in [
        "",
        "-u./x",
        "--upload-pack=x",
        "ext::sh -c x",
        "fd::17",
        "file:///srv/r",
        "/srv/r",
        "git://h/r",
        "ftp://h/r",
        "../../../x",
        "https://h/a\nb",
        "https://",
        "javascript:alert(1)//x",
        "git@h:s",
    ] {
        assert!(shown("https://h/a/r", raw).starts_with('!'), "{raw}: {}", shown("https://h/a/r", raw));
    }
    let mut local = visited("file:///srv/r");
    assert!(remote(&local, "../s".into()).is_ok_and(|sub| sub.local == LocalRepositories::Refused));
    assert!(remote(&local, "/srv/s".into()).is_err());
    local.local = LocalRepositories::Allowed;
    assert_eq!(remote(&local, "/srv/s".into()).unwrap().url.as_str(), "file:///srv/s");
    assert_eq!(remote(&local, "../s".into()).unwrap().url.as_str(), "file:///srv/s");
    assert_eq!(remote(&local, "https://h/s".into()).unwrap().local, LocalRepositories::Refused);
}

#[test]
fn credentials_go_to_the_same_place_alone() {
    let mut parent = visited("https://h:8443/a/r");
    let certificate = ClientCertificate::new(b"chain".to_vec(), b"key".to_vec());
    parent.trust = Trust { ca: Some(b"ca".to_vec()), certificate: Some(certificate) };
    parent.identity = Some("i".into());
    for credentials in [Credentials::basic("me", "pw"), Credentials::bearer("t")] {
        parent.credentials = credentials;
        let at = |raw: &str| remote(&parent, raw.into()).unwrap();
        for raw in ["../s", "https://H:8443/s"] {
            let at = at(raw);
            assert_eq!(
                (at.credentials, at.identity, at.trust),
                (parent.credentials.clone(), Some("i".into()), parent.trust.clone()),
                "{raw}"
            );
        }
        for raw in ["https://h/s", "http://h:8443/s", "https://i:8443/s", "https://h.i:8443/s"] {
            let at = at(raw);
            let ca = Trust { ca: Some(b"ca".to_vec()), certificate: None };
            assert_eq!((at.credentials, at.identity, at.trust), (Credentials::Anonymous, None, ca), "{raw}");
        }
    }
    let ssh = Ssh { user: "git".into(), identity: b"k".to_vec().into(), passphrase: None, known_hosts: b"h".to_vec() };
    let parent = Remote { ssh: Some(ssh), ..visited("ssh://git@h/a/r") };
    assert!(remote(&parent, "git@h:s".into()).unwrap().ssh.is_some_and(|ssh| ssh.identity.expose_secret() == b"k"));
    assert!(remote(&parent, "git@i:s".into()).unwrap_err().contains("no credentials"));
    let error = remote(&parent, "user:s3cret@i:s".into()).unwrap_err();
    assert_eq!(error, "there are no credentials for 'ssh://i:s', which is on another host than 'ssh://h/a/r'");
    let other = remote(&parent, "https://h/s".into()).unwrap();
    assert!(other.ssh.is_none() && other.credentials == Credentials::Anonymous);
}

#[test]
fn only_places_of_the_tree_count() {
    let id = gix::hash::Kind::Sha1.null();
    let commits = BTreeMap::from([("mod".into(), id), ("deep/mod".into(), id)]);
    let read = |text: &str| modules(text.as_bytes(), "https://h/r", &commits);
    let text = "[submodule \"m\"]\n\tpath = mod\n\turl = a\n[submodule \"gone\"]\n\tpath = gone\n\turl = b\n\
                [submodule \"../../x\"]\n\tpath = deep/mod\n\turl = c\n[submodule \"m\"]\n\turl = d\n[include]\n\tpath = /etc/passwd\n";
    assert_eq!(read(text).unwrap(), [Module { name: "m".into(), path: "mod".into(), url: "d".into(), id }]);
    assert!(read("[submodule \"m\"]\n\tpath = mod\n\turl = a\n\tupdate = !touch x\n").is_err());
    assert!(read("[submodule").is_err());
    for name in ["..", "a/../b", "a\\..\\b", "/a", "a/", "c:", ".", ""] {
        assert!(!is_name(name.into()), "{name:?}");
    }
    assert!(is_name("a/b".into()) && is_name("a..b".into()) && is_name(".a".into()));
}

#[test]
fn the_files_that_git_leaves_say_where_it_would_keep_the_rest() {
    let one = folder(".git".into(), "m".into());
    assert_eq!(pointer("mod".into(), one.as_bstr()), b"gitdir: ../.git/modules/m\n");
    let two = folder(one.as_bstr(), "a//./n".into());
    assert_eq!(pointer("mod/sub/x".into(), two.as_bstr()), b"gitdir: ../../../.git/modules/m/modules/a/n\n");
}
