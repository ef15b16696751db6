//! An embedded API server of one test, and a client of it.

use headwater_apiserver::{
    Place,
    testing::{Garbage, LoopbackServer},
};
use headwater_testing::kubernetes::rest::RestClient;
use serde_json::json;

/// A server of one test, which ends with it.
pub struct Embedded {
    pub api: RestClient,
    server: LoopbackServer,
}

impl Embedded {
    /// A server that keeps its objects in memory.
    pub async fn start() -> Self {
        Self::at(Place::Memory, Garbage::Collected).await
    }

    /// A server that keeps its objects there.
    pub async fn at(place: Place, garbage: Garbage) -> Self {
        let server = LoopbackServer::start(place, garbage).await;
        Self { api: RestClient::new(server.url()), server }
    }

    /// Ends the server and waits for that.
    pub async fn stop(self) {
        self.server.end().await;
    }

    /// Defines a kind `things.example.com`, namespaced, with a status and whatever fields.
    pub async fn define_things(&self) {
        let body = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }]},
        });
        self.api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &body).await.ok();
    }
}
