//! Wiring without a cluster: the API server, the controller and the manifests in one process.

mod access;

use std::path::{Path, PathBuf};

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::tasks::{self, Tasks};
use super::{Clients, Shared, Stopped, install_cryptography, reconcile, scratch_path};
use crate::manifests;
use crate::serve;
use crate::settings::Standalone;
use headwater_apiserver::{ApiServer, Place};
use headwater_git as git;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Runs everything until a signal stops it, or until a task that must not end does.
pub async fn standalone(settings: Standalone) -> Result<(), Stopped> {
    let stop = CancellationToken::new();
    let mut signals = Box::pin(tasks::signals(stop.clone())?);
    let mut running = tokio::select! {
        running = Running::start(&settings, stop.clone()) => running?,
        () = &mut signals => return Ok(()),
    };
    running.tasks.spawn("signals", signals);
    info!(kubeconfig = %running.kubeconfig.display(), api = %running.url, "ready; try: kubectl --kubeconfig {} get gitrepositories -A", running.kubeconfig.display());
    running.ended().await
}

/// Everything that `standalone` starts.
pub struct Running {
    /// Talks to the API server, in process.
    pub client: Client,
    /// Where kubectl finds it.
    pub kubeconfig: PathBuf,
    /// The address of the API.
    pub url: String,
    /// Where fetches are under way.
    scratch: PathBuf,
    tasks: Tasks,
}

impl Running {
    /// Starts it all; what it started is stopped by `stop`.
    pub async fn start(settings: &Standalone, stop: CancellationToken) -> Result<Self, Stopped> {
        install_cryptography();
        let controller = settings.controller();
        check_folder(&settings.manifests)?;
        std::fs::create_dir_all(&settings.data)
            .map_err(|error| format!("cannot create {}: {error}; choose another folder with --data", settings.data.display()))?;
        let mut tasks = Tasks::new(stop.clone());

        let listener = serve::bind(&settings.listen).await?;
        let address = listener.local_addr()?;
        let access = access::prepare(&settings.data, address)?;
        let server = ApiServer::open(Place::Folder(settings.data.join("api")), access.token.clone(), stop.clone()).await?;
        let kubeconfig = access.publish(&settings.data)?;
        tasks.spawn("garbage collector", server.clone().collect());
        let router = serve::trace(server.router(), "api-server");
        match access.tls {
            None => tasks.spawn("API server", serve::serve(listener, router, stop.clone())),
            Some(tls) => tasks.spawn("API server", serve::serve_tls(listener, router, tls, stop.clone())),
        }
        let client = server.client();
        define(&client).await?;

        let shared = Shared::new(&controller, git::LocalRepositories::Allowed)?;
        let scratch = scratch_path(&controller.storage.path)?;
        let readiness = super::observe(&controller, &shared.metrics, &mut tasks).await?;
        reconcile(&controller, Clients { objects: client.clone(), events: client.clone() }, shared, &mut tasks).await?;
        readiness.ready();
        tasks.spawn("manifests", manifests::run(client.clone(), settings.manifests.clone(), stop));
        Ok(Self { client, kubeconfig, url: access.url, scratch, tasks })
    }

    /// Waits for the end, and says whether it was a good one.
    pub async fn ended(mut self) -> Result<(), Stopped> {
        self.tasks.any_ended().await;
        let ended = self.tasks.finish().await;
        // What is left of it goes at the next start.
        drop(std::fs::remove_dir_all(&self.scratch));
        ended
    }
}

fn check_folder(folder: &Path) -> Result<(), Stopped> {
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("--manifests {}: it is not a folder", folder.display()).into()),
        Err(error) => Err(format!("--manifests {}: {error}", folder.display()).into()),
    }
}

/// Defines the kinds that are reconciled. Here, and only here, a repository may be a folder of this machine.
async fn define(client: &Client) -> Result<(), Stopped> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in headwater_api::crd::all() {
        let name = definition.name_any();
        let mut definition = serde_json::to_value(definition)?;
        let url = definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/url/pattern");
        if let Some(pattern) = url.filter(|_| name.starts_with("gitrepositories.")) {
            *pattern = "^(http|https|ssh|file)://.*$".into();
        }
        api.patch(&name, &PatchParams::apply("headwater").force(), &Patch::Apply(&definition)).await?;
    }
    Ok(())
}
