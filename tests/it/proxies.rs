//! Sources behind proxies: those that an object names, and those of the controller's environment.

mod environment;

use std::time::{Duration, Instant};

use headwater_testing::{
    git::{
        client::clone,
        server::{Access, GitServer},
    },
    needs,
    proxy::{
        http::{HttpProxy, Manner},
        socks::{Guests, Socks},
    },
    ssh::Sshd,
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
    authority: Authority,
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
        Self { world, secure, authority }
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

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_the_repository_pass_the_proxy_of_https_unseen() {
    let hidden = Hidden::new("proxy-both").await;
    hidden.secure.set_access(Access::Basic("user", "pass"));
    let proxy = HttpProxy::start(MEMBERS, &hidden.names()).await;
    hidden.proxy("p", &proxy.url, Some(("guest", PASSWORD))).await;
    hidden.world.space.secret("s", &[("username", "user"), ("password", "pass"), ("ca.crt", &hidden.authority.pem())]).await;
    let mut spec = secure("p");
    spec["secretRef"] = json!({"name": "s"});
    hidden.world.space.source("x", spec).await;
    hidden.world.space.ready("x").await;
    for request in proxy.asked() {
        let named = request.head.lines().any(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        assert!(request.method == "CONNECT" && !named, "{request:?}");
    }
    hidden.tells_no_secret().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_speaks_tls_is_trusted_by_the_ca_of_the_object() {
    let hidden = Hidden::new("proxy-tls").await;
    let proxy = HttpProxy::start_tls(&hidden.authority, MEMBERS, &hidden.names()).await;
    hidden.proxy("p", &proxy.url, Some(("guest", PASSWORD))).await;
    hidden.world.space.source("trusted", secure("p")).await;
    hidden.world.space.source("untrusted", plain("p")).await;
    hidden.world.space.ready("trusted").await;
    hidden.world.space.failed("untrusted", "GitOperationFailed").await;
    assert!(proxy.asked().iter().all(|request| request.method == "CONNECT"));
    hidden.tells_no_secret().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_leads_to_http_and_https_and_resolves_their_names() {
    let hidden = Hidden::new("proxy-socks").await;
    let open = Socks::start(Guests::Anyone, &hidden.names()).await;
    let closed = Socks::start(MEMBERS, &hidden.names()).await;
    hidden.proxy("open", &open.url, None).await;
    hidden.proxy("right", &closed.url, Some(("guest", PASSWORD))).await;
    hidden.proxy("wrong", &closed.url, Some(("guest", "wrong"))).await;
    hidden.proxy("none", &closed.url, None).await;
    for name in ["open", "right", "wrong", "none"] {
        hidden.sources(name).await;
    }
    hidden.ready("open").await;
    hidden.ready("right").await;
    hidden.failed("wrong").await;
    hidden.failed("none").await;
    for socks in [open, closed] {
        let asked = socks.asked();
        assert!(asked.iter().all(|target| target.starts_with("git.test:")) && asked.len() >= 2, "{asked:?}");
    }
    hidden.tells_no_secret().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_leads_to_ssh() {
    needs!("sshd");
    let world = World::with(embedded(), "proxy-ssh", &["--log-level=trace"]).await;
    let sshd = Sshd::start().await;
    sshd.repository("r.git").commit(FILES);
    let address = ([127, 0, 0, 1], sshd.port).into();
    let open = Socks::start(Guests::Anyone, &[("git.test:2222", address)]).await;
    let closed = Socks::start(MEMBERS, &[("git.test:2222", address)]).await;
    world.space.secret("key", &[("identity", &sshd.client.private), ("known_hosts", &sshd.known_hosts_as("[git.test]:2222"))]).await;
    world.space.secret("open", &[("address", &open.url)]).await;
    world.space.secret("right", &[("address", &closed.url), ("username", "guest"), ("password", PASSWORD)]).await;
    world.space.secret("wrong", &[("address", &closed.url), ("username", "guest"), ("password", "wrong")]).await;
    let url = format!("ssh://{}@git.test:2222{}/r.git", sshd.user, sshd.root().display());
    for name in ["open", "right", "wrong"] {
        let spec = json!({
            "url": url, "timeout": "10s", "ref": {"branch": "main"}, "secretRef": {"name": "key"}, "proxySecretRef": {"name": name},
        });
        world.space.source(name, spec).await;
    }
    world.space.ready("open").await;
    world.space.ready("right").await;
    world.space.failed("wrong", "GitOperationFailed").await;
    for socks in [open, closed] {
        let asked = socks.asked();
        assert!(!asked.is_empty() && asked.iter().all(|target| target == "git.test:2222"), "{asked:?}");
    }
    let told = format!("{:?}{}", world.space.events().await, world.controller.log());
    assert!(!told.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_misbehaves_fails_the_pass_in_time() {
    let hidden = Hidden::new("proxy-bad").await;
    let manners = [
        ("hang", Manner::Hang),
        ("garbage", Manner::Garbage),
        ("endless", Manner::Endless),
        ("bad-gateway", Manner::Status(502)),
        ("forbidden", Manner::Status(403)),
    ];
    let mut proxies = Vec::new();
    let start = Instant::now();
    for (name, manner) in manners {
        let proxy = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
        proxy.set_manner(manner);
        hidden.proxy(name, &proxy.url, None).await;
        for (scheme, mut spec) in [("http", plain(name)), ("https", secure(name))] {
            spec["timeout"] = json!("2s");
            hidden.world.space.source(&format!("{scheme}-{name}"), spec).await;
        }
        proxies.push(proxy);
    }
    for (name, _) in manners {
        hidden.failed(name).await;
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    for proxy in &proxies {
        proxy.set_manner(Manner::Serve);
    }
    for (name, _) in manners {
        hidden.ready(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_cannot_be_reached_is_not_gone_around() {
    let hidden = Hidden::new("proxy-gone").await;
    for (name, scheme) in [("http", "http"), ("socks", "socks5")] {
        hidden.proxy(name, &format!("{scheme}://127.0.0.1:1"), None).await;
        let mut spec = plain(name);
        spec["url"] = json!(hidden.world.git.url("r.git"));
        hidden.world.space.source(name, spec).await;
    }
    for name in ["http", "socks"] {
        hidden.world.space.failed(name, "GitOperationFailed").await;
    }
    assert!(hidden.world.git.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_object_is_used_for_loopback_too() {
    let hidden = Hidden::new("proxy-loopback").await;
    let proxy = HttpProxy::start(Guests::Anyone, &[]).await;
    hidden.proxy("p", &proxy.url, None).await;
    let mut spec = plain("p");
    spec["url"] = json!(hidden.world.git.url("r.git"));
    hidden.world.space.source("x", spec).await;
    hidden.world.space.ready("x").await;
    assert!(!proxy.asked().is_empty());
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

#[tokio::test(flavor = "multi_thread")]
async fn git_itself_passes_these_proxies() {
    let (git, folder) = (GitServer::start().await, tempfile::tempdir().unwrap());
    git.repository("r.git").commit(FILES);
    let trusted = Authority::new();
    let names = [("git.test:80", git.address())];
    let (open, closed) = (HttpProxy::start(Guests::Anyone, &names).await, HttpProxy::start(MEMBERS, &names).await);
    let secure = HttpProxy::start_tls(&trusted, Guests::Anyone, &names).await;
    let (socks, members) = (Socks::start(Guests::Anyone, &names).await, Socks::start(MEMBERS, &names).await);
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, trusted.pem()).unwrap();
    let trust = format!("http.proxySSLCAInfo={}", bundle.display());
    let as_guest = |url: &str, password: &str| url.replace("://", &format!("://guest:{password}@")).replace("socks5:", "socks5h:");
    let cases = [
        ("open", open.url.clone(), true),
        ("right", as_guest(&closed.url, PASSWORD), true),
        ("wrong", as_guest(&closed.url, "wrong"), false),
        ("secure", secure.url.clone(), true),
        ("socks", socks.url.replace("socks5:", "socks5h:"), true),
        ("socks-right", as_guest(&members.url, PASSWORD), true),
        ("socks-wrong", as_guest(&members.url, "wrong"), false),
    ];
    for (name, address, right) in cases {
        let setting = format!("http.proxy={address}");
        let result = clone("http://git.test/r.git".to_owned(), &folder.path().join(name), &[&setting, &trust], &[]).await;
        assert_eq!(result.is_ok(), right, "{name}: {result:?}");
    }
    for manner in [Manner::Garbage, Manner::Status(502)] {
        open.set_manner(manner);
        let setting = format!("http.proxy={}", open.url);
        assert!(clone("http://git.test/r.git".to_owned(), &folder.path().join("bad"), &[&setting], &[]).await.is_err());
    }
}
