//! The API beyond this machine.

use std::{fs, os::unix::fs::PermissionsExt as _};

use headwater_testing::{eventually, kubernetes::rest::SOON};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use reqwest::Certificate;
use serde_json::Value;

use super::process::Standalone;

/// A process that listens on all interfaces, and a client that trusts it.
async fn started(process: &mut Standalone) -> reqwest::Client {
    process.spawn();
    let data = process.data.clone();
    let url = process.api.url.clone();
    eventually(SOON, async || {
        let pem = fs::read(data.join("ca.crt")).map_err(|error| error.to_string())?;
        let trusting = reqwest::Client::builder().tls_certs_only([Certificate::from_pem(&pem).unwrap()]).build().unwrap();
        let answer = trusting.get(format!("{url}/readyz")).send().await.map_err(|error| format!("{error:?}"))?;
        if answer.status() == 200 { Ok(trusting) } else { Err(answer.status().to_string()) }
    })
    .await
}

async fn kube_client(process: &Standalone) -> Client {
    let file = Kubeconfig::read_from(process.data.join("kubeconfig")).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_loopback_interface_there_is_tls_and_a_token() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut process = Standalone::on(folder.path(), "0.0.0.0", "https://127.0.0.1");
    let client = started(&mut process).await;
    let url = process.api.url.clone();
    let token = fs::read_to_string(process.data.join("token")).unwrap();

    // Without TLS, without trust, without the token: no.
    let plain = reqwest::get(format!("{}/readyz", url.replace("https", "http"))).await;
    assert!(plain.is_err() || plain.is_ok_and(|answer| answer.status() != 200));
    assert!(reqwest::get(format!("{url}/readyz")).await.is_err());
    for path in [
        "/api/v1/secrets",
        "/apis",
        "/version",
        "/openapi/v2",
        "/none",
        "/readyz/",
        "//readyz",
        "/api/v1/namespaces/default/secrets?watch=1",
    ] {
        for authorization in [None, Some(""), Some("Bearer "), Some("Bearer x"), Some(token.as_str()), Some("Basic YTpi")] {
            let mut request = client.get(format!("{url}{path}"));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{path} {authorization:?}");
            let text = answer.text().await.unwrap();
            let status: Value = serde_json::from_str(&text).unwrap();
            assert!(status["kind"] == "Status" && status["reason"] == "Unauthorized" && !text.contains(&token), "{text}");
        }
    }
    for path in ["/readyz", "/healthz", "/livez"] {
        assert_eq!(client.get(format!("{url}{path}")).send().await.unwrap().status(), 200, "{path}");
    }
    for name in ["localhost", "127.0.0.1"] {
        let answer = client.get(format!("{url}/version").replace("127.0.0.1", name)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }

    // The kubeconfig has it all.
    let before = fs::read(process.data.join("kubeconfig")).unwrap();
    let kube = kube_client(&process).await;
    assert!(Api::<Namespace>::all(kube.clone()).get("default").await.is_ok());
    for name in ["kubeconfig", "token", "ca.key", "ca.crt", "api/objects.redb"] {
        let mode = fs::metadata(process.data.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let kept = |process: &Standalone| ["token", "ca.crt", "ca.key"].map(|name| fs::read(process.data.join(name)).unwrap());
    let first = kept(&process);
    process.kill();
    started(&mut process).await;
    assert_eq!(kept(&process), first);
    assert_eq!(fs::read(process.data.join("kubeconfig")).unwrap(), before, "copies of it stay good");
    assert!(Api::<Namespace>::all(kube).get("default").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_loopback_interface_nothing_is_needed_and_nobody_else_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Standalone::new(folder.path());
    process.start().await;
    assert!(Api::<Namespace>::all(kube_client(&process).await).get("default").await.is_ok());
    assert!(!process.data.join("token").exists());
    for name in ["kubeconfig", "api/objects.redb"] {
        assert_eq!(fs::metadata(process.data.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    // Another process on that port: one line.
    let mut other = Standalone::new(&folder.path().join("other"));
    let port = process.api.url.rsplit(':').next().unwrap().to_owned();
    other.listen_on(&format!("127.0.0.1:{port}"));
    let refusal = other.refusal().await;
    let text = String::from_utf8_lossy(&refusal.stderr);
    assert!(refusal.status.code() == Some(1) && text.lines().count() == 1 && text.contains("the port is in use"), "{text}");
}
