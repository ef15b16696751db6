//! `headwater demo`: everything once, on this machine, where one can watch.

mod repository;
mod screen;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use headwater_api::condition::Status;
use headwater_api::{Artifact, GitRepository};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::run::{Stopped, standalone::Running};
use crate::settings::{Level, Standalone};
use crate::telemetry;
use repository::Repository;
use screen::Screen;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the object is looked at while it is waited for.
const GLANCE: Duration = Duration::from_millis(50);
/// The object of the demo.
const NAME: &str = "guestbook";

/// What the demo can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Demo {
    /// End after the last step, with a failure if any step failed.
    #[arg(long)]
    once: bool,
}

/// Runs the demo in a temporary folder, which is gone afterwards.
pub fn run(settings: &Demo) -> Result<(), Stopped> {
    telemetry::init(Level::Error, crate::settings::Encoding::Console)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let base = std::env::temp_dir();
        let folder = tempfile::Builder::new().prefix("headwater-demo-").tempdir_in(&base);
        let folder =
            folder.map_err(|error| format!("cannot make a folder in {}: {error}; set TMPDIR to a writable folder", base.display()))?;
        let (screen, stop) = (Screen::new(), CancellationToken::new());
        let mut shown = pin!(show(&screen, folder.path(), settings, &stop));
        let done = tokio::select! {
            done = &mut shown => return done,
            _ = interrupt.recv() => &mut shown,
            _ = terminate.recv() => &mut shown,
            _ = hangup.recv() => &mut shown,
        };
        stop.cancel();
        done.await
    })
}

async fn show(screen: &Screen, folder: &Path, settings: &Demo, stop: &CancellationToken) -> Result<(), Stopped> {
    screen.title(&format!("Headwater {} in {}", env!("CARGO_PKG_VERSION"), folder.display()));

    screen.step("A Git repository");
    let repository = Repository::create(&folder.join("repository"))?;
    let first = repository.commit("Deploy the guestbook", &repository::first())?;
    screen.fact("url", &repository.url());
    screen.fact("commit", &format!("main@sha1:{first}  Deploy the guestbook"));

    screen.step("Kubernetes API, controller and artifact server, in this process");
    let manifests = folder.join("manifests");
    std::fs::create_dir(&manifests)?;
    let source = manifests.join("guestbook.yaml");
    std::fs::write(&source, manifest(&repository.url()))?;
    let started = Instant::now();
    let running = Running::start(&standalone(folder, &manifests)?, stop.clone()).await?;
    screen.fact("api", &format!("{}  after {}", running.url, screen::time(started.elapsed())));
    screen.fact("applied", &format!("{}  (GitRepository default/{NAME})", source.display()));
    let shown = tokio::select! {
        shown = steps(screen, &running, &repository, &first) => shown,
        () = stop.cancelled() => Err("interrupted".into()),
    };
    if shown.is_err() || settings.once {
        stop.cancel();
    } else {
        let kubeconfig = running.kubeconfig.display();
        screen.step("Look around, until Ctrl-C");
        screen.command(&format!("kubectl --kubeconfig {kubeconfig} get gitrepositories -o wide"));
        screen.command(&format!("kubectl --kubeconfig {kubeconfig} describe gitrepository {NAME}"));
        screen.command(&format!("kubectl --kubeconfig {kubeconfig} events"));
    }
    running.ended().await?;
    shown
}

/// What happens once everything runs.
async fn steps(screen: &Screen, running: &Running, repository: &Repository, first: &str) -> Result<(), Stopped> {
    let api: Api<GitRepository> = Api::default_namespaced(running.client.clone());

    screen.step("The source becomes Ready");
    let ready = wait(screen, &api, |object| revision(object) == format!("main@sha1:{first}")).await?;
    screen.conditions(&ready);
    screen.fact("artifact", &artifact(&ready)?.url);

    screen.step("A new commit, and a reconcile request");
    let second = repository.commit("Three replicas", &repository::second())?;
    screen.fact("commit", &format!("main@sha1:{second}  Three replicas"));
    request(&api, "a-new-commit").await?;
    let ready = wait(screen, &api, |object| handled(object, "a-new-commit") && revision(object) == format!("main@sha1:{second}")).await?;
    let new = artifact(&ready)?;
    screen.fact("artifact", &new.url);

    screen.step("Another request: nothing changed, so nothing is fetched");
    request(&api, "nothing-new").await?;
    let same = wait(screen, &api, |object| handled(object, "nothing-new")).await?;
    if artifact(&same)? != new {
        return Err("the artifact changed although the repository did not".into());
    }
    screen.fact("event", &skipped(running).await?);
    screen.fact("artifact", &format!("of {}, as before", new.last_update_time));

    screen.step("The artifact over HTTP");
    let started = Instant::now();
    let answer = reqwest::get(&new.url).await?.error_for_status()?;
    let body = answer.bytes().await?;
    let digest = Sha256::digest(&body).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    if digest != new.digest {
        return Err(format!("the artifact's digest is {digest}, and its status says {}", new.digest).into());
    }
    screen.fact("fetched", &format!("{} bytes in {}", body.len(), screen::time(started.elapsed())));
    screen.fact("digest", &format!("{digest}, as the status says"));
    Ok(())
}

/// What `standalone` is told: ports that are free, and everything in the folder.
fn standalone(folder: &Path, manifests: &Path) -> Result<Standalone, Stopped> {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let flag = |name: &str, value: PathBuf| format!("--{name}={}", value.display());
    let args = [
        "standalone".to_owned(),
        flag("manifests", manifests.to_owned()),
        flag("data", folder.join("data")),
        "--listen=127.0.0.1:0".to_owned(),
        format!("--storage-addr=127.0.0.1:{port}"),
        "--storage-adv-addr=".to_owned(),
        "--metrics-addr=0".to_owned(),
        "--events-addr=".to_owned(),
    ];
    Ok(super::parse_standalone(&args)?)
}

fn manifest(url: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: {NAME}\nspec:\n  interval: 10m\n  url: {url:?}\n  \
         ref:\n    branch: main\n"
    )
}

/// Waits until the object is Ready and `accept`ed; tells what it says of itself meanwhile.
async fn wait(screen: &Screen, api: &Api<GitRepository>, accept: impl Fn(&GitRepository) -> bool) -> Result<GitRepository, Stopped> {
    let started = Instant::now();
    let mut told = String::new();
    loop {
        let object = api.get_opt(NAME).await?;
        let conditions =
            object.as_ref().and_then(|object| object.status.as_ref()).map(|status| status.conditions.as_slice()).unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        if let Some(object) = object.as_ref().filter(|object| accept(object))
            && ready.is_some_and(|ready| ready.status == Status::True)
        {
            screen.fact("took", &screen::time(started.elapsed()));
            return Ok(object.clone());
        }
        let now = ready.map(|ready| ready.message.clone()).unwrap_or_default();
        if now != told && ready.is_some_and(|ready| ready.status != Status::True) {
            screen.progress(&now);
            told = now;
        }
        if started.elapsed() > PATIENCE {
            return Err(
                format!("not ready after {}: {}", screen::time(PATIENCE), if told.is_empty() { "no word of it" } else { &told }).into()
            );
        }
        tokio::time::sleep(GLANCE).await;
    }
}

async fn request(api: &Api<GitRepository>, token: &str) -> Result<(), Stopped> {
    let patch = json!({"metadata": {"annotations": {headwater_api::meta::RECONCILE_REQUEST: token}}});
    api.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

fn revision(object: &GitRepository) -> &str {
    let artifact = object.status.as_ref().and_then(|status| status.artifact.as_ref());
    artifact.map_or("", |artifact| &artifact.revision)
}

fn handled(object: &GitRepository, token: &str) -> bool {
    object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some(token)
}

fn artifact(object: &GitRepository) -> Result<Artifact, Stopped> {
    let artifact = object.status.as_ref().and_then(|status| status.artifact.clone());
    artifact.ok_or_else(|| "the status names no artifact".into())
}

/// What the event of a pass without a change says.
async fn skipped(running: &Running) -> Result<String, Stopped> {
    let events: Api<Event> = Api::default_namespaced(running.client.clone());
    let started = Instant::now();
    loop {
        let found = events.list(&ListParams::default()).await?;
        let message = found.items.into_iter().filter_map(|event| event.message).find(|message| message.starts_with("no changes"));
        match message {
            Some(message) => return Ok(message),
            None if started.elapsed() > PATIENCE => return Err("there is no event of a pass without a change".into()),
            None => tokio::time::sleep(GLANCE).await,
        }
    }
}
