//! Who may pull, from whom, and that what must stay secret does.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use headwater_testing::{
    registry::{self, Access, Options, PASSWORD, USER},
    tls::Authority,
};
use serde_json::{Value, json};

use super::{archive, charts, docker_secret, in_clear, not_let_in, order, podinfo, push, repositories, tells_none_of, unpulled, with};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::condition,
    world::World,
};

const WRONG: &str = "wr0ng-hidden-password";

fn encrypted(address: &str) -> Value {
    json!({"type": "oci", "url": format!("oci://{address}/charts")})
}

fn secret(name: &str) -> Value {
    json!({"secretRef": {"name": name}})
}

fn certificates(name: &str) -> Value {
    json!({"certSecretRef": {"name": name}})
}

on_each_server!(a_registry_is_reached_in_the_clear_only_when_that_is_asked_for);
async fn a_registry_is_reached_in_the_clear_only_when_that_is_asked_for(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let world = World::new(api, "oci-clear").await;
    order(&world, "one", encrypted(&server.address), "1.0.0").await;
    order(&world, "range", encrypted(&server.address), "1.x").await;
    let one = unpulled(&world, "one").await;
    let place = format!("Get \"https://{}/v2/charts/podinfo/", server.address);
    assert!(one.contains(&format!("failed to perform \"FetchReference\" on source: {place}manifests/1.0.0\": ")), "{one}");
    let range = unpulled(&world, "range").await;
    assert!(range.contains(&format!("podinfo\": {place}tags/list\": ")), "{range}");
    for name in ["one", "range"] {
        repositories(&world).patch(name, &json!({"spec": {"insecure": true}})).await;
        charts(&world).ready_at(name, "1.0.0").await;
    }
}

on_each_server!(a_private_authority_is_trusted_when_the_secret_names_it);
async fn a_private_authority_is_trusted_when_the_secret_names_it(api: &Server) {
    let authority = Authority::new();
    let Some(server) = registry::start(Options { authority: Some(&authority), ..Options::default() }) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let world = World::new(api, "oci-ca").await;
    world.space.secret("ca", &[("ca.crt", &authority.pem())]).await;
    world.space.secret("other", &[("ca.crt", &Authority::new().pem())]).await;
    let spec = encrypted(&server.address);
    order(&world, "named", with(spec.clone(), &certificates("ca")), "1.x").await;
    order(&world, "other", with(spec.clone(), &certificates("other")), "1.x").await;
    order(&world, "gone", with(spec.clone(), &certificates("gone")), "1.x").await;
    order(&world, "nobody", spec.clone(), "1.0.0").await;
    let object = charts(&world).ready_at("named", "1.0.0").await;
    assert_eq!(download(&object).await.unwrap(), archive("1.0.0"));
    for name in ["other", "nobody"] {
        let text = not_let_in(&world, name).await;
        assert!(text.starts_with("failed to authenticate with the Helm repository: chart pull error: failed to "), "{text}");
        assert!(text.contains("certificate"), "{text}");
    }
    let text = not_let_in(&world, "gone").await;
    assert_eq!(text, format!("failed to get TLS authentication secret '{}/gone': secrets \"gone\" not found", world.space.name));
}

on_each_server!(a_client_certificate_opens_a_registry_that_asks_for_one);
async fn a_client_certificate_opens_a_registry_that_asks_for_one(api: &Server) {
    let (authority, owner) = (Authority::new(), Authority::new());
    let options = Options { authority: Some(&authority), clients: Some(&owner), ..Options::default() };
    let Some(server) = registry::start(options) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let pair = |owner: &Authority| {
        let (certificate, key) = owner.issue("client.test");
        (certificate.pem(), key.serialize_pem())
    };
    let (good, stranger) = (pair(&owner), pair(&Authority::new()));
    let world = World::with(api, "oci-mtls", &["--log-level=trace"]).await;
    let ca = authority.pem();
    for (name, (certificate, key)) in [("good", &good), ("stranger", &stranger)] {
        world.space.secret(name, &[("ca.crt", &ca), ("tls.crt", certificate), ("tls.key", key)]).await;
    }
    world.space.secret("nobody", &[("ca.crt", &ca)]).await;
    for name in ["good", "stranger", "nobody"] {
        order(&world, name, with(encrypted(&server.address), &certificates(name)), "1.0.0").await;
    }
    charts(&world).ready_at("good", "1.0.0").await;
    for name in ["stranger", "nobody"] {
        let object = charts(&world).wait(name, "not Ready", |object| condition(object, "FetchFailed").is_some()).await;
        assert!(object["status"]["artifact"].is_null());
    }
    let keys = [&good.1[60..120], &stranger.1[60..120]];
    tells_none_of(&world, &world.controller.log(), &["good", "stranger", "nobody"], &keys).await;
}

on_each_server!(credentials_of_each_kind_open_registries_of_each_kind);
async fn credentials_of_each_kind_open_registries_of_each_kind(api: &Server) {
    for access in [Access::Basic, Access::Token] {
        let Some(server) = registry::start(Options { access, ..Options::default() }) else { return };
        push(&server, "charts", &["1.0.0"]).await;
        let address = server.address.as_str();
        let encoded = |password: &str| BASE64_STANDARD.encode(format!("{USER}:{password}"));
        let world = World::with(api, "oci-credentials", &["--log-level=trace", "--concurrent=8"]).await;
        let name = &world.space.name;
        world.space.secret("basic", &[("username", USER), ("password", PASSWORD)]).await;
        world.space.secret("wrong", &[("username", USER), ("password", WRONG)]).await;
        world.space.secret("half", &[("password", WRONG)]).await;
        docker_secret(api, &world, "docker", &json!({address: {"auth": encoded(PASSWORD)}})).await;
        docker_secret(api, &world, "fields", &json!({format!("http://{address}/v2/"): {"username": USER, "password": PASSWORD}})).await;
        docker_secret(api, &world, "identity", &json!({address: {"identitytoken": PASSWORD}})).await;
        docker_secret(api, &world, "docker-wrong", &json!({address: {"auth": encoded(WRONG)}})).await;
        docker_secret(api, &world, "elsewhere", &json!({"ghcr.io": {"auth": encoded(PASSWORD)}})).await;
        let mut good = vec!["basic", "docker", "fields"];
        let mut refused = vec!["wrong", "docker-wrong"];
        if access == Access::Token {
            good.push("identity");
        } else {
            refused.push("identity");
        }
        let misfits = [
            (
                "elsewhere",
                format!(
                    "failed to configure OCI registry authentication: no auth config for '{address}' in the docker-registry Secret 'elsewhere'"
                ),
            ),
            ("gone", format!("failed to get authentication secret '{name}/gone': secrets \"gone\" not found")),
            (
                "half",
                format!(
                    "failed to detect authentication methods: secret '{name}/half': malformed basic auth - has 'password' but missing 'username'"
                ),
            ),
        ];
        for secret_name in good.iter().chain(&refused).copied().chain(misfits.iter().map(|(name, _)| *name)) {
            order(&world, secret_name, with(in_clear(address, "charts"), &secret(secret_name)), "1.x").await;
        }
        order(&world, "nobody", in_clear(address, "charts"), "1.x").await;
        charts(&world).source("wrong-one", podinfo("wrong", "1.0.0")).await;
        for name in &good {
            let object = charts(&world).ready_at(name, "1.0.0").await;
            assert_eq!(download(&object).await.unwrap(), archive("1.0.0"));
        }
        let find = "failed to authenticate with the Helm repository: chart pull error: failed to get chart version for remote reference: \
                    could not get tags for \"podinfo\": ";
        for name in refused.iter().filter(|name| **name != "identity") {
            let text = not_let_in(&world, name).await;
            assert!(text.starts_with(find) && text.contains("response status code 401: unauthorized: "), "{text}");
        }
        let text = not_let_in(&world, "wrong-one").await;
        assert!(text.contains("failed to download chart for remote reference: failed to get 'oci://"), "{text}");
        for (name, why) in &misfits {
            assert_eq!(not_let_in(&world, name).await, *why);
        }
        if access == Access::Basic {
            // Who has nothing to show is not refused, but gives up.
            for (name, why) in [("nobody", "basic credential not found"), ("identity", "missing username or password for basic auth")] {
                let text = unpulled(&world, name).await;
                assert!(text.ends_with(&format!("/v2/charts/podinfo/tags/list\": {why}")), "{text}");
            }
        } else {
            let text = not_let_in(&world, "nobody").await;
            assert!(text.starts_with(find) && text.contains("unauthorized: authentication required"), "{text}");
        }
        let names: Vec<_> = good.iter().chain(&refused).copied().chain(["elsewhere", "gone", "half", "nobody", "wrong-one"]).collect();
        let (right, wrong) = (encoded(PASSWORD), encoded(WRONG));
        tells_none_of(&world, &world.controller.log(), &names, &[PASSWORD, WRONG, &right, &wrong, "Bearer ey"]).await;
    }
}

on_each_server!(a_secret_that_appears_or_changes_is_used);
async fn a_secret_that_appears_or_changes_is_used(api: &Server) {
    let Some(server) = registry::start(Options { access: Access::Basic, ..Options::default() }) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let world = World::new(api, "oci-late").await;
    order(&world, "x", with(in_clear(&server.address, "charts"), &secret("late")), "1.0.0").await;
    not_let_in(&world, "x").await;
    world.space.secret("late", &[("username", USER), ("password", PASSWORD)]).await;
    let object = charts(&world).ready_at("x", "1.0.0").await;
    assert!(condition(&object, "FetchFailed").is_none());
}
