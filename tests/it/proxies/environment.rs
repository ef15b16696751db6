//! The proxies of the controller's environment.

use crate::support::cluster::embedded;
use headwater_testing::{
    needs,
    process::Process,
    proxy::{
        http::HttpProxy,
        socks::{Guests, Socks},
    },
    ssh::Sshd,
};
use serde_json::{Value, json};

use super::{FILES, Hidden, MEMBERS, PASSWORD};
use crate::support::world::World;

/// Every name of a variable that tells of proxies.
const NAMES: [&str; 8] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];

/// The controller of a world that has none running, with these variables.
fn controller(world: &World, variables: &[(&str, &str)]) -> Process {
    let mut process = Process::new(world.folder.path().join("proxied.log"));
    let mut command = world.controller.command();
    command.arg("--log-level=trace");
    for name in NAMES {
        command.env_remove(name);
    }
    process.spawn(command.envs(variables.iter().copied()));
    process
}

async fn hidden(test: &str) -> Hidden {
    Hidden::of(World::idle(embedded(), test, &[]).await).await
}

/// Without a proxy of its own.
fn spec(url: &str) -> Value {
    json!({"url": url, "timeout": "3s", "ref": {"branch": "main"}, "secretRef": {"name": "ca"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scheme_has_its_proxy_and_loopback_has_none() {
    for (test, names) in
        [("env-upper", ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]), ("env-lower", ["http_proxy", "https_proxy", "no_proxy"])]
    {
        let hidden = hidden(test).await;
        let plain = HttpProxy::start(MEMBERS, &hidden.names()).await;
        let secure = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
        let with_password = plain.url.replace("://", &format!("://guest:{PASSWORD}@"));
        let variables = [(names[0], with_password.as_str()), (names[1], secure.url.as_str()), (names[2], "example.com,.test.example")];
        let controller = controller(&hidden.world, &variables);
        let space = &hidden.world.space;
        space.source("plain", spec("http://git.test/r.git")).await;
        space.source("secure", spec("https://git.test/r.git")).await;
        space.source("loopback", spec(&hidden.world.git.url("r.git"))).await;
        for name in ["plain", "secure", "loopback"] {
            space.ready(name).await;
        }
        let told = controller.log() + &json!([space.events().await, hidden.world.controller.events.posted()]).to_string();
        assert!(!told.contains(PASSWORD));
        let (plain, secure) = (plain.asked(), secure.asked());
        assert!(!plain.is_empty() && plain.iter().all(|request| request.target == "git.test:80"), "{plain:?}");
        assert!(!secure.is_empty() && secure.iter().all(|request| request.target == "git.test:443"), "{secure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_needs_no_proxy_gets_none() {
    for (test, no_proxy) in
        [("env-no", "example.com, git.test"), ("env-no-domain", ".test"), ("env-no-star", "*"), ("env-no-port", "git.test:80")]
    {
        let hidden = hidden(test).await;
        let proxy = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
        let controller = controller(&hidden.world, &[("HTTP_PROXY", proxy.url.as_str()), ("NO_PROXY", no_proxy)]);
        hidden.world.space.source("x", spec("http://git.test/r.git")).await;
        // Nobody but the proxy knows the name.
        hidden.world.space.failed("x", "GitOperationFailed").await;
        assert!(proxy.asked().is_empty(), "{no_proxy}: {:?}", proxy.asked());
        drop(controller);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_an_object_wins() {
    let hidden = hidden("env-wins").await;
    let of_object = HttpProxy::start(Guests::Anyone, &hidden.names()).await;
    let variables = [("HTTP_PROXY", "http://127.0.0.1:1"), ("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "git.test")];
    let _controller = controller(&hidden.world, &variables);
    hidden.proxy("p", &of_object.url, None).await;
    hidden.sources("p").await;
    hidden.ready("p").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_goes_through_the_socks_proxy_for_everything() {
    needs!("sshd");
    let world = World::idle(embedded(), "env-ssh", &[]).await;
    let sshd = Sshd::start().await;
    sshd.repository("r.git").commit(FILES);
    let socks = Socks::start(Guests::Anyone, &[("git.test:2222", ([127, 0, 0, 1], sshd.port).into())]).await;
    let _controller = controller(&world, &[("ALL_PROXY", &socks.url)]);
    world.space.secret("ca", &[("identity", &sshd.client.private), ("known_hosts", &sshd.known_hosts_as("[git.test]:2222"))]).await;
    let url = format!("ssh://{}@git.test:2222{}/r.git", sshd.user, sshd.root().display());
    world.space.source("x", spec(&url)).await;
    world.space.ready("x").await;
    assert!(socks.asked().contains(&"git.test:2222".to_owned()));
}
