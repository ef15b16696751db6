//! Credentials that somebody issues: GitHub to an App, Microsoft Entra and AWS to a workload.

mod aws;
mod azure;
mod github;
mod issuer;
mod tokens;

use std::sync::Once;

use headwater_testing::{loudly, process::Process};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use serde_json::Value;

use crate::support::{
    cluster::Server,
    namespace::{condition, message},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

/// A world without a running controller.
async fn idle(server: &Server, test: &str) -> World {
    let world = World::idle(server, test, &[]).await;
    world.git.repository("r.git").commit(FILES);
    world
}

/// The controller of a world that has none running, with these arguments and with these variables, which are all that it knows of
/// AWS and Azure.
fn controller(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
    let mut process = Process::new(world.folder.path().join("identity.log"));
    let mut command = world.controller.command();
    command.arg("--log-level=trace").args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("AZURE_")) {
        command.env_remove(name);
    }
    process.spawn(command.envs(variables.iter().copied()));
    process
}

/// Creates a service account with annotations.
async fn account(server: &Server, world: &World, name: &str, annotations: &[(&str, &str)]) {
    let api: Api<ServiceAccount> = Api::namespaced(server.client().await, &world.space.name);
    let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let metadata = ObjectMeta { name: Some(name.to_owned()), annotations: Some(annotations), ..ObjectMeta::default() };
    api.create(&PostParams::default(), &ServiceAccount { metadata, ..ServiceAccount::default() }).await.unwrap();
}

/// Whether the API server issues tokens of service accounts. Where it does not, that is said loudly.
async fn issues_tokens(server: &Server, world: &World) -> bool {
    account(server, world, "probe", &[]).await;
    let api: Api<ServiceAccount> = Api::namespaced(server.client().await, &world.space.name);
    let spec = TokenRequestSpec { audiences: Some(vec!["probe".to_owned()]), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    match api.create_token_request("probe", &PostParams::default(), &request).await {
        Ok(_) => true,
        Err(error) => {
            static SAID: Once = Once::new();
            let why = match error {
                kube::Error::Api(status) => status.message,
                error => error.to_string(),
            };
            SAID.call_once(|| loudly(&format!("what is done with tokens of service accounts was not tried on {}: {why}", server.name)));
            false
        }
    }
}

/// Waits until no credentials were issued for the object, and answers why, in full.
async fn refused(world: &World, name: &str) -> String {
    let object = world.space.failed(name, "AuthenticationFailed").await;
    assert_eq!(condition(&object, "FetchFailed").unwrap()["reason"], "AuthenticationFailed");
    assert!(object["status"]["artifact"].is_null());
    let text = message(&object, "FetchFailed");
    assert!(text.len() < 4_096 && !text.contains(['\0', '\r', '\u{1b}']), "{text:?}");
    text.to_owned()
}

/// Waits until the object is stalled for that reason, and answers its message.
async fn stalled(world: &World, name: &str, reason: &str) -> String {
    let object = world.space.wait(name, "Stalled", |object| condition(object, "Stalled").is_some()).await;
    for kind in ["Stalled", "FetchFailed", "Ready"] {
        assert_eq!(condition(&object, kind).unwrap()["reason"], reason, "{}", object["status"]);
    }
    message(&object, "Stalled").to_owned()
}

/// Panics when one of these is anywhere to be read: in a status, an event, the log.
async fn tells_none_of(world: &World, log: &str, objects: &[&str], secrets: &[&str]) {
    let mut told = log.to_owned() + &Value::from(world.space.events().await).to_string();
    told += &Value::from(world.controller.events.posted()).to_string();
    for name in objects {
        told += &world.space.get(name).await.unwrap()["status"].to_string();
    }
    for secret in secrets {
        if let Some(at) = told.find(secret) {
            panic!("{secret} shows after: {}", String::from_utf8_lossy(&told.as_bytes()[at.saturating_sub(300)..at]));
        }
    }
}
