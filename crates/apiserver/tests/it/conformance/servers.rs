//! The two servers that are compared. Both know the kinds of `config/crd`.

use std::path::Path;

use axum::http::Request;
use headwater_apiserver::{
    Place,
    testing::{self, Garbage, LoopbackServer},
};
use headwater_testing::{
    PATIENCE, eventually,
    kubernetes::{self, ApiServer},
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tokio::{sync::OnceCell, task::spawn_blocking};

use super::ROOT;

/// An embedded server, and a client of it.
pub async fn embedded() -> (LoopbackServer, Client) {
    let server = LoopbackServer::start(Place::Memory, Garbage::Collected).await;
    let client = Client::try_from(Config::new(server.url().parse().unwrap())).unwrap();
    define(&client).await.unwrap();
    (server, client)
}

/// A client of the one real server of this run. There is none where no real server can be had.
pub async fn real() -> Option<Client> {
    static REAL: OnceCell<Result<Option<ApiServer>, String>> = OnceCell::const_new();
    match REAL.get_or_init(start).await {
        Ok(Some(server)) => Some(client(server).await),
        Ok(None) => None,
        Err(error) => panic!("no real API server to compare with: {error}"),
    }
}

async fn start() -> Result<Option<ApiServer>, String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let started = spawn_blocking(kubernetes::start).await.map_err(|e| e.to_string())??;
    if let Some(server) = &started {
        let client = client(server).await;
        await_descriptions(&client, &define(&client).await?).await;
    }
    Ok(started)
}

/// A client that belongs to the runtime of the caller.
async fn client(server: &ApiServer) -> Client {
    let file = Kubeconfig::read_from(&server.kubeconfig).unwrap();
    Client::try_from(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

async fn define(client: &Client) -> Result<Vec<String>, String> {
    testing::define(client, &Path::new(ROOT).join("config/crd/bases")).await
}

/// Waits until new kinds are described. A real server does that some seconds after it has begun to serve them, and the index of
/// all descriptions names the new one later still.
async fn await_descriptions(client: &Client, collections: &[String]) {
    let get = async |path: &str| {
        let request = Request::get(path).body(Vec::new()).map_err(|e| e.to_string())?;
        client.request::<Value>(request).await.map_err(|e| format!("{path}: {e}"))
    };
    eventually(PATIENCE, async || {
        let index = get("/openapi/v3").await?;
        for collection in collections {
            let (version, _) = collection.trim_start_matches('/').rsplit_once('/').unwrap();
            let description = index["paths"][version]["serverRelativeURL"].as_str().ok_or_else(|| format!("{version} is not described"))?;
            if !get(description).await?["paths"][collection].is_object() {
                return Err(format!("{collection} is not described"));
            }
        }
        Ok(())
    })
    .await;
}
