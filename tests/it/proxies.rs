//! Sources behind proxies: those that an object names, and those of the controller's environment.

mod environment;

use headwater_testing::{
    git::server::GitServer,
    proxy::{http::HttpProxy, socks::Guests},
    tls::Authority,
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::embedded,
    namespace::{condition, message},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];
const PASSWORD: &str = "pr0xy-hidden";
const MEMBERS: Guests = Guests::Only("guest", PASSWORD);

/// A world in which `git.test` has a repository over HTTP and over HTTPS, for those who can resolve it.
struct Hidden {
    world: World,
    secure: GitServer,
}

impl Hidden {
    async fn new(test: &str) -> Self {
        Self::of(World::with(embedded(), test, &["--concurrent=8", "--log-level=trace"]).await).await
    }

    async fn of(world: World) -> Self {
        let authority = Authority::new();
        let secure = GitServer::start_tls(&authority).await;
        for git in [&world.git, &secure] {
            git.repository("r.git").commit(FILES);
        }
        world.space.secret("ca", &[("ca.crt", &authority.pem())]).await;
        Self { world, secure }
    }

    /// What a proxy has to know.
    fn names(&self) -> [(&'static str, std::net::SocketAddr); 2] {
        [("git.test:80", self.world.git.address()), ("git.test:443", self.secure.address())]
    }

    /// A Secret for a proxy.
    async fn proxy(&self, name: &str, address: &str, credentials: Option<(&str, &str)>) {
        let mut data = vec![("address", address)];
        data.extend(credentials.into_iter().flat_map(|(user, password)| [("username", user), ("password", password)]));
        self.world.space.secret(name, &data).await;
    }

    /// Two sources, `http-NAME` and `https-NAME`, behind the proxy of that Secret.
    async fn sources(&self, name: &str) {
        for (scheme, spec) in [("http", plain(name)), ("https", secure(name))] {
            self.world.space.source(&format!("{scheme}-{name}"), spec).await;
        }
    }

    async fn ready(&self, name: &str) {
        for scheme in ["http", "https"] {
            let object = self.world.space.ready(&format!("{scheme}-{name}")).await;
            assert_eq!(files(&listing(&object).await), ["a.yaml"]);
            assert!(condition(&object, "FetchFailed").is_none());
        }
    }

    /// Waits until both have failed, and answers what they say.
    async fn failed(&self, name: &str) -> [String; 2] {
        let text = async |scheme| {
            let object = self.world.space.failed(&format!("{scheme}-{name}"), "GitOperationFailed").await;
            assert!(object["status"]["artifact"].is_null());
            let text = message(&object, "FetchFailed").to_owned();
            assert!(text.len() < 4_096 && !text.contains(['\0', '\r', '\u{1b}']), "{text:?}");
            text
        };
        [text("http").await, text("https").await]
    }

    /// Panics when the password of the proxy is anywhere to be read.
    async fn tells_no_secret(&self) {
        let World { controller, space, .. } = &self.world;
        let told = format!("{:?}{}{:?}", space.events().await, controller.log(), controller.events.posted());
        assert!(!told.contains(PASSWORD));
        let git = [self.world.git.seen(), self.secure.seen()].concat();
        assert!(git.iter().all(|seen| seen.proxy_authorization.is_none()), "the password of the proxy reached the server: {git:?}");
    }
}

fn plain(proxy: &str) -> Value {
    json!({"url": "http://git.test/r.git", "timeout": "10s", "ref": {"branch": "main"}, "proxySecretRef": {"name": proxy}})
}

fn secure(proxy: &str) -> Value {
    let mut spec = plain(proxy);
    spec["url"] = json!("https://git.test/r.git");
    spec["secretRef"] = json!({"name": "ca"});
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_proxy_leads_to_http_and_https() {
    let hidden = Hidden::new("proxy-http").await;
    let open = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
    let closed = HttpProxy::start(MEMBERS, &hidden.names()).await;
    hidden.proxy("open", &open.url, None).await;
    hidden.proxy("right", &closed.url, Some(("guest", PASSWORD))).await;
    hidden.proxy("inline", &closed.url.replace("://", &format!("://guest:{PASSWORD}@")), None).await;
    hidden.proxy("wrong", &closed.url, Some(("guest", "wrong"))).await;
    hidden.proxy("none", &closed.url, None).await;
    for name in ["open", "right", "inline", "wrong", "none"] {
        hidden.sources(name).await;
    }
    for name in ["open", "right", "inline"] {
        hidden.ready(name).await;
    }
    for name in ["wrong", "none"] {
        for text in hidden.failed(name).await {
            assert!(text.contains("407") || text.contains("Proxy Authentication Required"), "{name}: {text}");
        }
    }
    let asked = open.asked();
    assert!(asked.iter().any(|request| request.method == "CONNECT" && request.target == "git.test:443"), "{asked:?}");
    assert!(asked.iter().any(|request| request.method == "GET" && request.target == "git.test:80"), "{asked:?}");
    hidden.tells_no_secret().await;
}

/// A name, what the Secret holds, and why it is refused.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_names_no_proxy_is_told_why() {
    let world = World::new(embedded(), "proxy-secret").await;
    world.git.repository("r.git").commit(FILES);
    let long = format!("http://{}", "x".repeat(2_048));
    let cases: [Case; 4] = [
        ("no-address", &[("username", "u")], "key 'address' not found"),
        ("empty", &[("address", "")], "proxy address is empty"),
        ("scheme", &[("address", "ftp://127.0.0.1:1")], "proxy URL must use one of the supported schemes (http, https, socks5), got 'ftp'"),
        ("long", &[("address", &long)], "proxy URL exceeds maximum length of 2048 characters"),
    ];
    let spec = |name: &str| json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}, "proxySecretRef": {"name": name}});
    for (name, data, _) in cases {
        world.space.secret(name, data).await;
        world.space.source(name, spec(name)).await;
    }
    world.space.source("gone", spec("gone")).await;
    for (name, _, why) in cases {
        let object = world.space.failed(name, "AuthenticationFailed").await;
        let wanted = format!("failed to configure proxy options: secret '{}/{name}': {why}", world.space.name);
        assert_eq!(message(&object, "FetchFailed"), wanted);
    }
    let object = world.space.failed("gone", "AuthenticationFailed").await;
    let wanted = format!("failed to configure proxy options: secret '{}/gone' not found", world.space.name);
    assert_eq!(message(&object, "FetchFailed"), wanted);
    assert!(world.git.seen().is_empty());
}
