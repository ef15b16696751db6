#![expect(clippy::unwrap_used, reason = "tests")]

mod real;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use headwater_http::Credentials;
use headwater_testing::web::{Asked, Web, answer, body};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::*;
use crate::tests::remote;

const MEDIA: (&str, &str) = ("content-type", "application/vnd.git-lfs+json; charset=utf-8");
/// The length of [`TEXT`], said before it comes.
const LENGTH: (&str, &str) = ("content-length", "28");
const TEXT: &[u8] = b"the contents of a large file";
const TOKEN: &str = "s3cr3t-token";

fn oid(text: &[u8]) -> String {
    hex::encode(Sha256::digest(text))
}

fn pointer(text: &[u8]) -> Pointer {
    let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", oid(text), text.len());
    Pointer::parse(text.as_bytes()).unwrap()
}

fn wanted(path: &str, text: &[u8]) -> Wanted {
    Wanted { path: path.into(), pointer: pointer(text) }
}

fn asked(request: &Asked) -> Vec<String> {
    let question: Value = serde_json::from_slice(&request.body).unwrap();
    question["objects"].as_array().unwrap().iter().map(|object| object["oid"].as_str().unwrap().to_owned()).collect()
}

/// An answer that gives every object that was asked for what `object` says.
fn batch(request: &Asked, object: impl Fn(&str) -> Value) -> Response<Body> {
    let objects: Vec<Value> = asked(request)
        .iter()
        .map(|oid| {
            let mut value = object(oid);
            value["oid"] = json!(oid);
            value
        })
        .collect();
    answer(200, &[MEDIA], json!({"transfer": "basic", "objects": objects}).to_string())
}

fn at(href: &str) -> Value {
    json!({"actions": {"download": {"href": href}}})
}

/// The URL of a path at the server that was asked.
fn here(request: &Asked, path: &str) -> String {
    format!("http://{}{path}", request.header("host").unwrap())
}

/// A server that sends everyone to `/o/<oid>?sig=…` at itself, where `object` answers.
async fn plain(object: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Web {
    Web::start(move |request| match request.method.as_str() {
        "POST" => batch(request, |oid| at(&here(request, &format!("/o/{oid}?sig={TOKEN}")))),
        _ => object(request),
    })
    .await
}

async fn get(remote: &Remote, wanted: &[Wanted]) -> (tempfile::TempDir, Result<(), Error>) {
    let folder = tempfile::tempdir().unwrap();
    let done = download(remote, None, wanted, 1 << 30, folder.path()).await;
    (folder, done)
}

/// The text of the failure, which must not give anything away.
async fn failure(server: &Web, objects: &[Wanted]) -> String {
    let mut remote = remote(&server.url("/r.git"));
    remote.credentials = Credentials::bearer("my-own-bearer");
    remote.limits.idle_timeout = Duration::from_secs(1);
    let (folder, done) = get(&remote, objects).await;
    let text = done.unwrap_err().to_string();
    for secret in [TOKEN, "my-own-bearer", "sig=", "/o/"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(objects.iter().all(|one| !folder.path().join(&one.pointer.oid).exists()), "{text}");
    text
}

#[tokio::test]
async fn each_object_is_fetched_once_with_the_right_credentials() {
    let store = Web::start(|_| answer(200, &[], TEXT)).await;
    let there = store.url("/s?q=1");
    let server = Web::start(move |request| match request.method.as_str() {
        "POST" => batch(request, |object| {
            if object == oid(TEXT) {
                let header = json!({"Authorization": "RemoteAuth 1", "X-Key": "2", "Host": "evil", "Content-Length": "9"});
                json!({"actions": {"download": {"href": there, "header": header, "expires_in": 60,
                    "expires_at": "0001-01-01T00:00:00Z"}}})
            } else {
                at(&here(request, "/mine"))
            }
        }),
        _ => answer(200, &[], "mine"),
    })
    .await;
    let mut remote = remote(&server.url("/r"));
    remote.credentials = Credentials::basic("user", "pass");
    let all = [wanted("a", TEXT), wanted("b", TEXT), wanted("c", b"mine"), wanted("empty", b"")];
    let (folder, done) = get(&remote, &all).await;
    done.unwrap();
    for text in [TEXT, b"mine", b""] {
        assert_eq!(std::fs::read(folder.path().join(oid(text))).unwrap(), text);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);

    let seen = server.asked();
    let question: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!((seen[0].method.as_str(), seen[0].path()), ("POST", "/r.git/info/lfs/objects/batch"));
    assert_eq!((&question["operation"], &question["transfers"]), (&json!("download"), &json!(["basic"])));
    assert_eq!(question["objects"].as_array().unwrap().len(), 2);
    for name in ["accept", "content-type"] {
        assert_eq!(seen[0].header(name), Some("application/vnd.git-lfs+json"));
    }
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!(request.header("authorization"), Some("Basic dXNlcjpwYXNz"));
    }
    let seen = store.asked();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].header("authorization"), seen[0].header("x-key")), (Some("RemoteAuth 1"), Some("2")));
    assert!(seen[0].header("host").unwrap().starts_with("127.0.0.1"));

    // The second time all is there.
    download(&remote, None, &all, 1 << 30, folder.path()).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_come_in_batches_of_a_hundred() {
    let texts: Vec<String> = (0..250).map(|n| format!("text {n}")).collect();
    let by_oid: std::collections::HashMap<String, String> = texts.iter().map(|text| (oid(text.as_bytes()), text.clone())).collect();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen_most = Arc::clone(&most);
    let server = plain(move |request| {
        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        let (now, text) = (Arc::clone(&now), by_oid[request.path().trim_start_matches("/o/")].clone());
        let late = futures::stream::once(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, SeqCst);
            Ok::<_, std::io::Error>(text)
        });
        answer(200, &[], Body::from_stream(late))
    })
    .await;
    let all: Vec<Wanted> = texts.iter().map(|text| wanted(text, text.as_bytes())).collect();
    let remote = remote(&server.url("/r.git"));
    // As a task of a runtime, which asks for a future that can move between threads.
    let (folder, done) = tokio::spawn(async move { get(&remote, &all).await }).await.unwrap();
    done.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 250);
    let batches: Vec<_> = server.asked().iter().filter(|seen| seen.method == "POST").map(|seen| asked(seen).len()).collect();
    assert_eq!(batches, [100, 100, 50]);
    assert!((2..=4).contains(&seen_most.load(SeqCst)), "{}", seen_most.load(SeqCst));
}

#[tokio::test]
async fn work_stops_when_it_is_cancelled_or_late() {
    let server = plain(|_| answer(200, &[LENGTH], body::slow(TEXT, Duration::from_millis(200)))).await;
    let begun = Instant::now();
    let mut slow = remote(&server.url("/r"));
    slow.deadline = Instant::now() + Duration::from_millis(500);
    assert!(matches!(get(&slow, &[wanted("a", TEXT)]).await.1, Err(Error::Timeout { .. })));
    slow.deadline = Instant::now() + Duration::from_secs(20);
    let cancel = slow.cancel.clone();
    let all = [wanted("a", TEXT)];
    let ((_folder, done), ()) = tokio::join!(get(&slow, &all), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.cancel();
    });
    assert!(matches!(done, Err(Error::Cancelled { .. })));
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn what_is_not_what_the_pointer_says_is_refused() {
    let file = [wanted("dir/file.bin", TEXT)];
    let prefix = |server: &Web| format!("unable to fetch the Git LFS file \"dir/file.bin\" of '{}': ", server.url("/r.git"));
    let server = plain(|_| answer(200, &[], TEXT.to_ascii_uppercase())).await;
    let object = oid(TEXT);
    assert_eq!(
        failure(&server, &file).await,
        format!("{}the object {object}: its SHA-256 is not the one that its pointer says", prefix(&server))
    );
    let server = plain(|_| answer(200, &[], &TEXT[1..])).await;
    let text = failure(&server, &file).await;
    assert!(text.ends_with("it has 27 bytes, not the 28 that its pointer says"), "{text}");
    let server = plain(|_| answer(200, &[], body::endless("x"))).await;
    let text = failure(&server, &file).await;
    assert!(text.ends_with("it has more than the 28 bytes that its pointer says"), "{text}");
    let server = plain(|_| answer(200, &[("content-encoding", "gzip")], vec![0x1f, 0x8b, 8, 0])).await;
    let text = failure(&server, &file).await;
    assert!(text.ends_with(", and it comes compressed with gzip, which was not asked for"), "{text}");
    for status in [206, 401, 403, 404, 410, 500] {
        let server = plain(move |_| answer(status, &[], TEXT)).await;
        let text = failure(&server, &file).await;
        assert!(text.contains(&format!("({status}")) && text.contains(&object), "{text}");
    }
    // Breaks off, and says nothing more.
    let server = plain(|_| answer(200, &[LENGTH], body::cut("the"))).await;
    assert!(failure(&server, &file).await.starts_with("unable to clone"));
    let server = plain(|_| answer(200, &[LENGTH], body::stalled("the"))).await;
    assert!(failure(&server, &file).await.contains("timed out waiting for"));
}

#[tokio::test]
async fn bad_answers_about_objects_are_told() {
    let file = [wanted("f.bin", TEXT)];
    let object = oid(TEXT);
    let says = |status: u16, kind: &'static str, body: String| Web::start(move |_| answer(status, &[("content-type", kind)], body.clone()));
    let lfs = "application/vnd.git-lfs+json";
    let objects = |object: Value| json!({"objects": [object]}).to_string();
    let download =
        |href: &str, header: Value| objects(json!({"oid": oid(TEXT), "actions": {"download": {"href": href, "header": header}}}));
    let gone = json!({"oid": object, "error": {"code": 404, "message": format!("not at https://x/y?sig={TOKEN}\nsee ?a=b")}});
    for (status, kind, body, expected) in [
        (
            200,
            "text/html; charset=utf-8",
            "<html>log in</html>".into(),
            "it answers with text/html instead of application/vnd.git-lfs+json",
        ),
        (200, lfs, "<html>".into(), "its answer is not as specified, at line 1 column 1"),
        (200, lfs, "[".repeat(100_000), "its answer is not as specified"),
        (200, lfs, "x".repeat(5 << 20), "its answer has more than 4194304 bytes"),
        (200, lfs, json!({"objects": []}).to_string(), "does not say where the object"),
        (200, lfs, objects(json!({"oid": object})), "does not say where the object"),
        (200, lfs, objects(json!({"oid": "0".repeat(64)})), "does not say where the object"),
        (200, lfs, objects(gone), "(404): not at *** see ***"),
        (200, lfs, json!({"transfer": "tus", "objects": []}).to_string(), "kind of transfer that is not supported"),
        (200, lfs, json!({"hash_algo": "sha512", "objects": []}).to_string(), "another digest"),
        (200, lfs, download("file:///etc/passwd", json!({})), "an address that is not usable"),
        (200, lfs, download("http://[", json!({})), "an address that is not usable"),
        (200, lfs, download("/o/", json!({"A": "b\nc"})), "a header that HTTP cannot carry"),
        (401, lfs, json!({"message": "who?"}).to_string(), "authentication required"),
        (403, lfs, "{}".into(), "authorization failed"),
        (403, lfs, json!({"message": "over quota"}).to_string(), "the Git LFS server answers 403 Forbidden: over quota"),
        (404, "text/html", "<html>".into(), "there is no Git LFS server for the repository (404 Not Found)"),
        (422, lfs, json!({"message": format!("bad token my-own-bearer")}).to_string(), "422 Unprocessable Entity: bad token ***"),
        (503, lfs, String::new(), "the Git LFS server answers 503"),
    ] {
        let server = says(status, kind, body).await;
        let text = failure(&server, &file).await;
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let server = says(200, lfs, objects(json!({"oid": object, "error": {"code": 404}}))).await;
    let text = failure(&server, &file).await;
    assert!(text.contains("\"f.bin\"") && text.contains(&object), "{text}");
    let server = Web::start(|_| answer(200, &[MEDIA, ("content-encoding", "gzip")], vec![0x1f, 0x8b])).await;
    assert!(failure(&server, &file).await.contains("compressed with gzip"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_folder, done) = get(&remote(&format!("http://127.0.0.1:{closed}/r")), &file).await;
    assert!(matches!(done, Err(Error::Unreachable { .. })));
}

#[tokio::test]
async fn redirects_are_followed_without_what_is_not_theirs() {
    let other = Web::start(|request| match request.method.as_str() {
        "POST" => batch(request, |oid| at(&format!("/o/{oid}"))),
        _ => answer(200, &[], TEXT),
    })
    .await;
    let there = other.origin.clone();
    // Objects are elsewhere.
    let elsewhere = other.url("/x");
    let server = Web::start(move |request| match request.path() {
        "/r.git/info/lfs/objects/batch" => answer(307, &[("location", "/moved")], ""),
        "/moved" => batch(request, |_| json!({"actions": {"download": {"href": "/first", "header": {"X-Key": "own"}}}})),
        "/first" => answer(302, &[("location", "/second")], ""),
        _ => answer(301, &[("location", &elsewhere)], ""),
    })
    .await;
    let mut from = remote(&server.url("/r.git"));
    from.credentials = Credentials::bearer("my-own-bearer");
    let (_folder, done) = get(&from, &[wanted("a", TEXT)]).await;
    done.unwrap();
    assert_eq!(server.asked().len(), 4);
    assert!(server.asked().iter().all(|seen| seen.header("authorization") == Some("Bearer my-own-bearer")));
    assert!(server.asked()[2..].iter().all(|seen| seen.header("x-key") == Some("own")));
    let seen = other.asked();
    assert_eq!((seen.len(), seen[0].header("authorization"), seen[0].header("x-key")), (1, None, None));

    // The whole server is elsewhere.
    let server = Web::start(move |request| answer(308, &[("location", &format!("{there}{}", request.uri))], "")).await;
    let mut from = remote(&server.url("/r.git"));
    from.credentials = Credentials::bearer("my-own-bearer");
    let (_folder, done) = get(&from, &[wanted("a", TEXT)]).await;
    // Addresses in an answer count from where it came from.
    done.unwrap();
    assert_eq!(server.asked().len(), 1);
    assert!(other.asked().iter().all(|seen| seen.header("authorization").is_none()));

    for (location, expected) in [("/", "more than 10 redirects"), ("ftp://x/", "refusing a redirect"), ("http://[", "without a usable")] {
        let server = Web::start(move |_| answer(302, &[("location", location)], "")).await;
        let text = failure(&server, &[wanted("a", TEXT)]).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn expired_addresses_are_asked_for_once_more() {
    let serve = |good_at: usize, fields: Value| {
        let rounds = AtomicUsize::new(0);
        Web::start(move |request| {
            if request.method != "POST" {
                return answer(200, &[], TEXT);
            }
            let round = rounds.fetch_add(1, SeqCst);
            batch(request, |_| {
                let mut object = at("/o");
                if round < good_at {
                    object["actions"]["download"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                }
                object
            })
        })
    };
    for expired in [json!({"expires_in": -1}), json!({"expires_at": "2016-11-10T15:29:07Z"})] {
        let server = serve(1, expired.clone()).await;
        get(&remote(&server.url("/r")), &[wanted("a", TEXT)]).await.1.unwrap();
        assert_eq!(server.asked().iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), ["POST", "POST", "GET"]);
        let server = serve(9, expired).await;
        let text = failure(&server, &[wanted("a", TEXT)]).await;
        assert!(text.ends_with("sends us to an address that has expired already"), "{text}");
        assert_eq!(server.asked().len(), 2);
    }
    for fine in [json!({"expires_in": 0}), json!({"expires_in": i64::MAX, "expires_at": ""}), json!({"expires_at": "9999-01-01T00:00:00Z"})]
    {
        let server = serve(9, fine).await;
        get(&remote(&server.url("/r")), &[wanted("a", TEXT)]).await.1.unwrap();
    }
}

#[tokio::test]
async fn bounds_hold_before_anything_is_asked() {
    let server = plain(|_| answer(200, &[], TEXT)).await;
    let mut remote = remote(&server.url("/r"));
    remote.limits.blob_size = 30;
    let text = |done: Result<(), Error>| done.unwrap_err().to_string();
    let long = wanted("long", &[b'x'; 31]);
    assert!(text(get(&remote, &[long]).await.1).ends_with("the file \"long\" exceeds --git-max-blob-size"));
    let twice = [wanted("a", TEXT), wanted("b", TEXT)];
    let folder = tempfile::tempdir().unwrap();
    assert!(text(download(&remote, None, &twice, 55, folder.path()).await).ends_with("the tree exceeds --git-max-tree-size"));
    let mut odd = wanted("odd", TEXT);
    odd.pointer.size -= 1;
    assert!(text(get(&remote, &[wanted("a", TEXT), odd]).await.1).contains("with another size"));
    let extended = b"version https://git-lfs.github.com/spec/v1\next-0-x sha256:1\noid sha256:".to_vec();
    let extended = [extended, oid(TEXT).into_bytes(), b"\nsize 28\n".to_vec()].concat();
    let extended = Wanted { path: "ext".into(), pointer: Pointer::parse(&extended).unwrap() };
    assert!(text(get(&remote, &[extended]).await.1).contains("extensions of Git LFS"));
    let mut empty = wanted("e", TEXT);
    empty.pointer.size = 0;
    assert!(text(get(&remote, &[empty]).await.1).contains("SHA-256"));
    assert!(server.asked().is_empty());

    remote.cancel.cancel();
    assert!(matches!(get(&remote, &twice).await.1, Err(Error::Cancelled { .. })));
    let mut late = crate::tests::remote(&server.url("/r"));
    late.deadline = Instant::now();
    assert!(matches!(get(&late, &twice).await.1, Err(Error::Timeout { .. })));
    late.credentials = Credentials::bearer("a\nb");
    assert!(matches!(get(&late, &twice).await.1, Err(Error::InvalidCredentials { .. })));
}

#[tokio::test]
async fn a_server_in_the_tree_gets_credentials_only_at_the_same_port() {
    let server = Web::start(|request| match request.method.as_str() {
        "POST" => batch(request, |_| at("/o")),
        _ => answer(200, &[], TEXT),
    })
    .await;
    let config = format!("[lfs]\n\turl = {}\n", server.url("/named"));
    for (url, authorization) in [(server.url("/r"), Some("Basic dTpwIHE=")), ("http://127.0.0.1:1/r".to_owned(), None)] {
        let mut remote = remote(&url);
        remote.url = remote.url.with(|url| {
            url.set_username("u").unwrap();
            url.set_password(Some("p q")).unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        download(&remote, Some(config.as_bytes()), &[wanted("a", TEXT)], 1 << 20, folder.path()).await.unwrap();
        let seen = server.asked();
        assert!(seen[seen.len() - 2..].iter().all(|seen| seen.header("authorization") == authorization), "{seen:?}");
        assert_eq!(seen[seen.len() - 2].path(), "/named/objects/batch");
    }
    let paths: HashSet<String> = server.asked().into_iter().map(|seen| seen.target().to_owned()).collect();
    assert_eq!(paths.len(), 2);
}
