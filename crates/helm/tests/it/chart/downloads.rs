//! Downloads of charts: what servers may do wrong, and who is shown credentials.

use std::{fs, time::Duration};

use axum::body::Bytes;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use headwater_helm::{
    chart::{Limits, Metadata},
    index::{self, Index},
    web::{Access, Error, Web},
};
use headwater_http::{Audience, Basic, Clients, Proxies, SafeUrl, Trust};
use headwater_testing::{
    charts::{Answer, ChartRepository, chart, index as index_of},
    noise,
};
use tempfile::NamedTempFile;

/// The repository at `url`, with the user and the password of that.
fn access(url: &str) -> Access {
    let (basic, url) = SafeUrl::parse(url).unwrap().split();
    Access { url, basic, trust: Trust::default(), audience: Audience::Home, timeout: Duration::from_secs(20) }
}

/// Fetches the index of a repository, looks for version 1.0.0 of a chart in it, and downloads that up to 100,000 bytes.
async fn download(access: &Access, name: &str) -> Result<Vec<u8>, Error> {
    let (web, draft) = (Web::new(access, &Clients::new(Ok(Proxies::default())))?, NamedTempFile::new().unwrap());
    web.index(None, 1 << 20, draft.as_file()).await?;
    assert!(fs::metadata(draft.path()).unwrap().len() > 0);
    let index = Index::load(draft.path(), &index::Limits::of_file(1 << 20)).unwrap();
    let found = index.find(name, "1.0.0").unwrap();
    web.chart(found.urls[0], 100_000).await
}

#[tokio::test]
async fn a_chart_that_does_not_come_whole_is_refused_until_it_does() {
    let charts = ChartRepository::start().await;
    let [big, cut] = [("big", 40_000), ("cut", 10_000)].map(|(name, size)| chart(name, "1.0.0", &[("noise", &noise(size))]));
    let names = ["gone", "html", "cut", "big", "denied", "broken"];
    charts.publish("r", &names.map(|name| (name, "1.0.0")));
    charts.put("r/big-1.0.0.tgz", big.clone());
    charts.put("r/cut-1.0.0.tgz", cut.clone());
    let at = |name: &str| format!("r/{name}-1.0.0.tgz");
    charts.answer(&at("gone"), Answer::Status(404, Bytes::new()));
    charts.answer(&at("html"), Answer::Status(200, Bytes::from_static(b"<html>no</html>")));
    charts.answer(&at("cut"), Answer::Cut);
    charts.answer(&at("denied"), Answer::Status(401, Bytes::new()));
    charts.answer(&at("broken"), Answer::Status(503, Bytes::from_static(b"\x1b[31msecret words of the server")));
    let repository = access(&charts.url("r"));
    let refused = async |name: &str| download(&repository, name).await.unwrap_err().to_string();
    for (name, status) in [("gone", "404 Not Found"), ("denied", "401 Unauthorized"), ("broken", "503 Service Unavailable")] {
        assert_eq!(refused(name).await, format!("failed to fetch {} : {status}", charts.url(&at(name))));
    }
    let text = refused("cut").await;
    assert!(text.starts_with(&format!("Get \"{}\": ", charts.url(&at("cut")))), "{text}");
    assert!(big.len() > 100_000, "{}", big.len());
    assert_eq!(refused("big").await, "chart exceeds the maximum chart file size of 100000 bytes (--helm-chart-max-size)");
    let page = download(&repository, "html").await.unwrap();
    assert_eq!(Metadata::of_archive(&page, &Limits::default()).unwrap_err().to_string(), "gzip: invalid header");
    for name in ["gone", "html", "cut", "denied", "broken"] {
        charts.behave(&at(name));
        let archive = download(&repository, name).await.unwrap();
        assert_eq!(Metadata::of_archive(&archive, &Limits::default()).unwrap().name, name);
    }
}

#[tokio::test]
async fn credentials_stay_with_their_host_unless_they_may_be_passed_on() {
    let (home, other) = (ChartRepository::start().await, ChartRepository::start().await);
    home.admit("user", "pass");
    for name in ["absolute", "moved"] {
        other.put(&format!("{name}.tgz"), chart(name, "1.0.0", &[]));
    }
    home.publish("r", &[("home", "1.0.0")]);
    home.answer("r/moved-1.0.0.tgz", Answer::Redirect(other.url("moved.tgz")));
    let archives = ["home", "absolute", "moved"].map(|name| (name, chart(name, "1.0.0", &[])));
    let index = index_of(&archives.each_ref().map(|(name, archive)| (*name, "1.0.0", archive.as_slice())));
    home.put("r/index.yaml", index.replace("absolute-1.0.0.tgz", &other.url("absolute.tgz")));
    let value = format!("Basic {}", BASE64_STANDARD.encode("user:pass"));
    for (audience, expected) in [(Audience::Home, None), (Audience::Everywhere, Some(value))] {
        let repository = Access { basic: Some(Basic::new("user", "pass")), audience, ..access(&home.url("r")) };
        let before = other.seen().len();
        for (name, archive) in &archives {
            assert_eq!(download(&repository, name).await.unwrap(), *archive);
        }
        let seen = other.seen().split_off(before);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.iter().all(|seen| seen.header("authorization") == expected), "{audience:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_ends_at_the_timeout_of_the_repository() {
    let charts = ChartRepository::start().await;
    charts.publish("r", &[("podx", "1.0.0")]);
    charts.answer("r/podx-1.0.0.tgz", Answer::Hang);
    let quick = Access { timeout: Duration::from_millis(300), ..access(&charts.url("r")) };
    let text = Web::new(&quick, &Clients::new(Ok(Proxies::default()))).unwrap().chart("podx-1.0.0.tgz", 1000).await.unwrap_err();
    assert!(text.to_string().ends_with("context deadline exceeded"), "{text}");
    charts.behave("r/podx-1.0.0.tgz");
    download(&access(&charts.url("r")), "podx").await.unwrap();
}

#[tokio::test]
async fn no_secret_shows_when_a_chart_is_not_to_be_had() {
    const SECRETS: [&str; 4] = ["u5er-hidden", "pa55word-hidden", "qu3ry-hidden", "s3cret-hidden"];
    let [user, password, query, stored] = SECRETS;
    let charts = ChartRepository::start().await;
    let host = charts.origin.trim_start_matches("http://");
    let full = |host: &str, path: &str| format!("http://{user}:{password}@{host}/{path}?key={query}");
    let archive = chart("podx", "1.0.0", &[]);
    let index = index_of(&["absolute", "closed", "relative"].map(|name| (name, "1.0.0", archive.as_slice())));
    let index = index.replace("absolute-1.0.0.tgz", &full(host, "none.tgz"));
    charts.put("r/index.yaml", index.replace("closed-1.0.0.tgz", &full("127.0.0.1:1", "closed.tgz")));
    let repository = Access { basic: Some(Basic::new(user, stored)), audience: Audience::Everywhere, ..access(&full(host, "r")) };
    let encoded = [password, stored].map(|password| BASE64_STANDARD.encode(format!("{user}:{password}")));
    for name in ["absolute", "closed", "relative"] {
        let error = download(&repository, name).await.unwrap_err();
        let texts = format!("{error} {error:?} {repository:?}");
        for secret in SECRETS.into_iter().chain(encoded.iter().map(String::as_str)) {
            assert!(!texts.contains(secret), "{name}: {texts}");
        }
    }
}
