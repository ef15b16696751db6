//! Remotes behind proxies that are named.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use headwater_git::{Error, Ssh};
use headwater_http::{Basic, Credentials, Proxy, SafeUrl, Trust};
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

use crate::client::{Client, main};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];
const PASSWORD: &str = "pr0xy-hidden";
const MEMBERS: Guests = Guests::Only("guest", PASSWORD);

/// The repository of `git.test`, over HTTP and over HTTPS, for those who can resolve the name.
struct Hidden {
    plain: GitServer,
    secure: GitServer,
    authority: Authority,
}

impl Hidden {
    async fn new() -> Self {
        let authority = Authority::new();
        let hidden = Self { plain: GitServer::start().await, secure: GitServer::start_tls(&authority).await, authority };
        for git in [&hidden.plain, &hidden.secure] {
            git.repository("r.git").commit(FILES);
        }
        hidden
    }

    /// The hosts that a proxy has to know.
    fn names(&self) -> [(&'static str, SocketAddr); 2] {
        [("git.test:80", self.plain.address()), ("git.test:443", self.secure.address())]
    }

    /// A client of the plain server behind a proxy.
    fn plain(proxy: &Proxy) -> Client {
        let mut client = Client::new("http://git.test/r.git");
        client.remote.proxy = Some(proxy.clone());
        client
    }

    /// A client of the secure server behind a proxy.
    fn secure(&self, proxy: &Proxy) -> Client {
        let mut client = Client::new("https://git.test/r.git");
        client.remote.proxy = Some(proxy.clone());
        client.remote.trust = Trust { ca: Some(self.authority.pem().into_bytes()), certificate: None };
        client
    }

    /// Both clients.
    fn clients(&self, proxy: &Proxy) -> [Client; 2] {
        [Self::plain(proxy), self.secure(proxy)]
    }

    /// Panics unless both servers are reached.
    async fn assert_reached(&self, name: &str, proxy: &Proxy) {
        for client in self.clients(proxy) {
            assert_whole(name, &client).await;
        }
    }

    /// Panics if the password of the proxy reached a server.
    fn assert_secret(&self) {
        let seen = [self.plain.seen(), self.secure.seen()].concat();
        assert!(seen.iter().all(|seen| seen.proxy_authorization.is_none()), "the password of the proxy reached the server: {seen:?}");
    }
}

/// A proxy at an address, with its password.
fn proxy(address: &str, password: Option<&str>) -> Proxy {
    let mut proxy = Proxy::at(SafeUrl::parse(address).unwrap());
    if let Some(password) = password {
        proxy.basic = Some(Basic::new("guest", password));
    }
    proxy
}

async fn assert_whole(name: &str, client: &Client) {
    let fetched = client.get(&main()).await.unwrap_or_else(|error| panic!("{name}: {}: {error}", client.remote.url));
    assert_eq!(fetched.names(), ["a.yaml"]);
}

/// The error of a fetch that has to fail, which tells no password.
async fn refusal(client: &Client) -> Error {
    let error = client.get(&main()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 4_096 && !text.contains(['\0', '\r', '\u{1b}']), "{text:?}");
    assert!(!format!("{text}{error:?}{:?}", client.remote).contains(PASSWORD), "{text}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_proxy_leads_to_http_and_https() {
    let hidden = Hidden::new().await;
    let open = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
    let closed = HttpProxy::start(MEMBERS, &hidden.names()).await;
    let inline = closed.url.replace("://", &format!("://guest:{PASSWORD}@"));
    hidden.assert_reached("open", &proxy(&open.url, None)).await;
    hidden.assert_reached("right", &proxy(&closed.url, Some(PASSWORD))).await;
    hidden.assert_reached("inline", &proxy(&inline, None)).await;
    for password in [Some("wrong"), None] {
        for client in hidden.clients(&proxy(&closed.url, password)) {
            let text = refusal(&client).await.to_string();
            assert!(text.contains("407") || text.contains("Proxy Authentication Required"), "{password:?}: {text}");
        }
    }
    let asked = open.asked();
    assert!(asked.iter().any(|request| request.method == "CONNECT" && request.target == "git.test:443"), "{asked:?}");
    assert!(asked.iter().any(|request| request.method == "GET" && request.target == "git.test:80"), "{asked:?}");
    hidden.assert_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_the_repository_pass_the_proxy_of_https_unseen() {
    let hidden = Hidden::new().await;
    hidden.secure.set_access(Access::Basic("user", "pass"));
    let server = HttpProxy::start(MEMBERS, &hidden.names()).await;
    let mut client = hidden.secure(&proxy(&server.url, Some(PASSWORD)));
    client.remote.credentials = Credentials::basic("user", "pass");
    assert_whole("both", &client).await;
    for request in server.asked() {
        let named = request.head.lines().any(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        assert!(request.method == "CONNECT" && !named, "{request:?}");
    }
    hidden.assert_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_speaks_tls_is_trusted_by_the_ca_of_the_remote() {
    let hidden = Hidden::new().await;
    let server = HttpProxy::start_tls(&hidden.authority, MEMBERS, &hidden.names()).await;
    let proxy = proxy(&server.url, Some(PASSWORD));
    assert_whole("trusted", &hidden.secure(&proxy)).await;
    refusal(&Hidden::plain(&proxy)).await;
    assert!(server.asked().iter().all(|request| request.method == "CONNECT"));
    hidden.assert_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_leads_to_http_and_https_and_resolves_their_names() {
    let hidden = Hidden::new().await;
    let open = Socks::start(Guests::Anyone, &hidden.names()).await;
    let closed = Socks::start(MEMBERS, &hidden.names()).await;
    hidden.assert_reached("open", &proxy(&open.url, None)).await;
    hidden.assert_reached("right", &proxy(&closed.url, Some(PASSWORD))).await;
    for password in [Some("wrong"), None] {
        for client in hidden.clients(&proxy(&closed.url, password)) {
            refusal(&client).await;
        }
    }
    for socks in [open, closed] {
        let asked = socks.asked();
        assert!(asked.iter().all(|target| target.starts_with("git.test:")) && asked.len() >= 2, "{asked:?}");
    }
    hidden.assert_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_leads_to_ssh() {
    needs!("sshd");
    let sshd = Sshd::start().await;
    sshd.repository("r.git").commit(FILES);
    let address = ([127, 0, 0, 1], sshd.port).into();
    let open = Socks::start(Guests::Anyone, &[("git.test:2222", address)]).await;
    let closed = Socks::start(MEMBERS, &[("git.test:2222", address)]).await;
    let url = format!("ssh://{}@git.test:2222{}/r.git", sshd.user, sshd.root().display());
    let client = |proxy: Proxy| {
        let mut client = Client::new(&url);
        let identity = sshd.client.private.clone().into_bytes().into();
        let known_hosts = sshd.known_hosts_as("[git.test]:2222").into_bytes();
        client.remote.ssh = Some(Ssh { user: "git".to_owned(), identity, passphrase: None, known_hosts });
        client.remote.proxy = Some(proxy);
        client
    };
    assert_whole("open", &client(proxy(&open.url, None))).await;
    assert_whole("right", &client(proxy(&closed.url, Some(PASSWORD)))).await;
    refusal(&client(proxy(&closed.url, Some("wrong")))).await;
    for socks in [open, closed] {
        let asked = socks.asked();
        assert!(!asked.is_empty() && asked.iter().all(|target| target == "git.test:2222"), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_misbehaves_fails_the_fetch_in_time() {
    let hidden = Hidden::new().await;
    let manners = [
        ("hang", Manner::Hang),
        ("garbage", Manner::Garbage),
        ("endless", Manner::Endless),
        ("bad-gateway", Manner::Status(502)),
        ("forbidden", Manner::Status(403)),
    ];
    let cases = manners.map(async |(name, manner)| {
        let server = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
        server.set_manner(manner);
        let mut clients = hidden.clients(&proxy(&server.url, None));
        let start = Instant::now();
        for client in &mut clients {
            client.timeout = Duration::from_secs(2);
            refusal(client).await;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{name}: {:?}", start.elapsed());
        server.set_manner(Manner::Serve);
        for client in &mut clients {
            client.timeout = Duration::from_secs(20);
            assert_whole(name, client).await;
        }
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_cannot_be_reached_is_not_gone_around() {
    let hidden = Hidden::new().await;
    for scheme in ["http", "socks5"] {
        let mut client = Hidden::plain(&proxy(&format!("{scheme}://127.0.0.1:1"), None));
        client.set_url(&hidden.plain.url("r.git"));
        refusal(&client).await;
    }
    assert!(hidden.plain.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_remote_is_used_for_loopback_too() {
    let hidden = Hidden::new().await;
    let server = HttpProxy::start(Guests::Anyone, &[]).await;
    let mut client = Hidden::plain(&proxy(&server.url, None));
    client.set_url(&hidden.plain.url("r.git"));
    assert_whole("loopback", &client).await;
    assert!(!server.asked().is_empty());
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
    fs::write(&bundle, trusted.pem()).unwrap();
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
