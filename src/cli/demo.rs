//! `headwater demo`: everything once, on this machine, where one can watch.

mod charts;
mod git;
mod helm;
mod repository;
mod screen;
mod watched;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::run::{Stopped, standalone::Running};
use crate::settings::{Level, Standalone};
use crate::telemetry;
use charts::Charts;
use repository::Repository;
use screen::Screen;

/// The objects of the demo, one of a kind.
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
    std::fs::write(&source, git::manifest(&repository.url()))?;
    let charts = Charts::open().await?;
    let (url, shelf) = (charts.url()?, charts.shelf());
    let started = Instant::now();
    let running = Running::start(&standalone(folder, &manifests)?, stop.clone()).await?;
    screen.fact("api", &format!("{}  after {}", running.url, screen::time(started.elapsed())));
    screen.fact("applied", &format!("{}  (GitRepository default/{NAME})", source.display()));
    let work = async {
        let steps = async {
            git::show(screen, &running, &repository, &first).await?;
            helm::show(screen, &running, &manifests, &url, &shelf).await
        };
        let shown = tokio::select! {
            shown = steps => shown,
            () = stop.cancelled() => Err("interrupted".into()),
        };
        if shown.is_err() || settings.once {
            stop.cancel();
        } else {
            invite(screen, &running);
        }
        let ended = running.ended().await;
        stop.cancel();
        ended.and(shown)
    };
    let (done, ()) = tokio::join!(work, charts.serve(stop.clone()));
    done
}

/// What one may do while it all runs.
fn invite(screen: &Screen, running: &Running) {
    let kubeconfig = running.kubeconfig.display();
    screen.step("Look around, until Ctrl-C");
    screen.command(&format!("kubectl --kubeconfig {kubeconfig} get gitrepositories,helmrepositories,helmcharts -o wide"));
    screen.command(&format!("kubectl --kubeconfig {kubeconfig} describe helmchart {NAME}"));
    screen.command(&format!("kubectl --kubeconfig {kubeconfig} events"));
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

/// The digest of what was fetched or published, as a status writes it.
fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
