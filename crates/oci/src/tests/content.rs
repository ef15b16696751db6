//! Blobs.

use tokio::net::TcpListener;

use super::*;

const CONTENT: &[u8] = b"the content of a layer";

#[tokio::test]
async fn blobs_are_read_whole_and_checked() {
    let fake = Fake::start(|asked| match asked.target().split('/').nth(2).unwrap() {
        "good" => answer(200, &[], CONTENT),
        "streamed" => answer(200, &[], body::chunked(CONTENT, 7)),
        "said" => answer(200, &[("docker-content-digest", Digest::of(b"x").as_str())], CONTENT),
        "long" => answer(200, &[], body::chunked("the content of a layer, and more of it", 7)),
        "short" => answer(200, &[], body::chunked(&CONTENT[..9], 7)),
        "other" => answer(200, &[], body::chunked("THE CONTENT OF A LAYER", 7)),
        "sized" => answer(200, &[], &CONTENT[..9]),
        _ => answer(404, &[], ""),
    });
    let fake = fake.await;
    let registry = fake.registry(Credentials::Anonymous);
    let wanted = descriptor(CONTENT);
    for good in ["good", "streamed"] {
        assert_eq!(registry.blob(good, &wanted, 22).await.unwrap(), CONTENT);
    }
    let short = "read failed: expected content size of 22, got 9, for digest DIGEST: unexpected EOF";
    let other = "PLACE: invalid response; digest mismatch in Docker-Content-Digest: received \"OTHER\" when expecting \"DIGEST\"";
    for (repository, why) in [
        ("said", other),
        ("sized", "PLACE: mismatch Content-Length"),
        ("long", "trailing data"),
        ("short", short),
        ("other", "mismatched digest"),
    ] {
        let error = registry.blob(repository, &wanted, 22).await.unwrap_err().to_string();
        let place = format!("GET \"http://{}/v2/{repository}/blobs/{}\"", fake.address, wanted.digest);
        let why = why.replace("PLACE", &place).replace("DIGEST", wanted.digest.as_str());
        assert_eq!(error, why.replace("OTHER", Digest::of(b"x").as_str()));
    }
    assert_eq!(registry.blob("none", &wanted, 22).await.unwrap_err().to_string(), format!("{}: not found", wanted.digest));
    let before = fake.asked().len();
    let large = registry.blob("good", &wanted, 21).await.unwrap_err().to_string();
    assert_eq!(large, format!("{}: content size 22 exceeds the limit of 21 bytes", wanted.digest));
    assert_eq!(fake.asked().len(), before, "nothing is asked for what is too large");
}

#[tokio::test]
async fn credentials_stay_home_when_a_blob_is_elsewhere() {
    let cdn = Fake::start(|_| answer(200, &[], CONTENT)).await;
    let location = format!("http://u:p@{}/bucket/blob?signature=s", cdn.address);
    let fake = Fake::start(move |asked| match asked.authorization() {
        None => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        Some(_) if asked.target().starts_with("/v2/") => answer(307, &[("location", "/here")], ""),
        Some(_) => answer(302, &[("location", &location)], ""),
    });
    let fake = fake.await;
    assert_eq!(fake.registry(basic()).blob("a", &descriptor(CONTENT), 100).await.unwrap(), CONTENT);
    let asked = cdn.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].authorization(), None);
    assert_eq!(fake.asked().last().unwrap().authorization(), Some(encoded().as_str()), "a redirect to itself keeps them");
}

#[tokio::test]
async fn who_is_elsewhere_is_told_no_credentials_even_when_asking() {
    let cdn = Fake::start(|_| answer(401, &[("www-authenticate", "Basic realm=\"r\"")], "")).await;
    let location = format!("http://{}/blob", cdn.address);
    let fake = Fake::start(move |_| answer(307, &[("location", &location)], "")).await;
    let error = fake.registry(basic()).blob("a", &descriptor(CONTENT), 100).await.unwrap_err().to_string();
    assert_eq!(error, format!("GET \"http://{}/blob\": response status code 401: Unauthorized", cdn.address));
    assert!(cdn.asked().iter().all(|asked| asked.authorization().is_none()));
}

#[tokio::test]
async fn redirects_end() {
    let fake = Fake::start(|asked| match asked.target().split('/').nth(2).unwrap() {
        "loop" => answer(307, &[("location", "/v2/loop/x")], ""),
        "file" => answer(307, &[("location", "file:///etc/passwd")], ""),
        _ => answer(307, &[], ""),
    });
    let fake = fake.await;
    let registry = fake.registry(basic());
    let refused = async |repository: &str| registry.blob(repository, &descriptor(CONTENT), 100).await.unwrap_err().to_string();
    assert!(refused("loop").await.ends_with("stopped after 10 redirects"));
    assert_eq!(fake.asked().len(), 11);
    assert!(refused("file").await.ends_with("refusing a redirect from http to file"));
    assert!(refused("none").await.ends_with("a redirect without a usable location"));
}

#[tokio::test]
async fn a_silent_registry_is_given_up() {
    let fake =
        Fake::start(|asked| if asked.target().contains("/blobs/") { answer(200, &[], body::stalled("")) } else { answer(404, &[], "") });
    let fake = fake.await;
    let registry = fake.limited(Credentials::Anonymous, Limits { idle: QUICK, ..Limits::default() });
    let error = registry.blob("a", &descriptor(CONTENT), 100).await.unwrap_err();
    assert!(error.to_string().ends_with("no answer within 200ms"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = listener.local_addr().unwrap().to_string();
    let limits = Limits { idle: QUICK, ..Limits::default() };
    let registry = Registry::new(clients(), &deaf, Scheme::Http, Credentials::Anonymous, limits).unwrap();
    assert!(registry.tags("a").await.unwrap_err().to_string().ends_with("no answer within 200ms"));
    drop(listener);
    let refused = registry.tags("a").await.unwrap_err().to_string();
    assert!(refused.starts_with(&format!("Get \"http://{deaf}/v2/a/tags/list\": ")), "{refused}");
}
