//! The Kubernetes API servers that the tests run on: started once for the whole run, gone when the run ends.

use std::{
    any::Any,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    thread,
};

use headwater_apiserver::{
    Place,
    testing::{self, Garbage, LoopbackServer},
};
use headwater_testing::{command, kubernetes};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// One API server whose user may do everything and which knows the kinds of `config/crd`.
pub struct Server {
    /// What to call it where a test fails.
    pub name: &'static str,
    /// Where its address and its credentials are written.
    pub kubeconfig: PathBuf,
    /// Its process, or the one that removes its folder. Both end when their standard input closes, at the latest with the test run.
    _process: Box<dyn Any + Send + Sync>,
}

impl Server {
    /// A client that belongs to the runtime of the caller.
    pub async fn client(&self) -> Client {
        client(&self.kubeconfig).await.unwrap()
    }
}

/// What the embedded server is called.
pub const EMBEDDED: &str = "the embedded API server";

/// The embedded API server.
pub fn embedded() -> &'static Server {
    static EMBEDDED: OnceLock<Result<Server, String>> = OnceLock::new();
    let started = EMBEDDED.get_or_init(|| prepared(start_embedded()?));
    started.as_ref().unwrap_or_else(|error| panic!("no embedded API server to test on: {error}"))
}

/// A real API server. Where none can be had, that is said aloud once, and it is a failure under `CI`.
pub fn real() -> Option<&'static Server> {
    static REAL: OnceLock<Result<Option<Server>, String>> = OnceLock::new();
    let started = REAL.get_or_init(|| {
        install_cryptography();
        let server = kubernetes::start()?;
        let server = server.map(|server| Server { name: server.name, kubeconfig: server.kubeconfig.clone(), _process: Box::new(server) });
        server.map(prepared).transpose()
    });
    started.as_ref().unwrap_or_else(|error| panic!("no real API server to test on: {error}")).as_ref()
}

/// Makes two tests of a function that takes a server: `name::embedded`, and `name::real`, which runs when ignored tests are asked for.
/// With `long`, both run only then.
macro_rules! on_each_server {
    ($name:ident $(, long = $reason:literal)?) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            $(#[ignore = $reason])?
            async fn embedded() {
                super::$name($crate::support::cluster::embedded()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a real API server"]
            async fn real() {
                if let Some(server) = $crate::support::cluster::real() {
                    super::$name(server).await;
                }
            }
        }
    };
}
pub(crate) use on_each_server;

fn install_cryptography() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The server, once it knows the kinds of `config/crd`.
fn prepared(server: Server) -> Result<Server, String> {
    install_cryptography();
    // The caller may be inside a runtime already, and this one has to block.
    let kubeconfig = server.kubeconfig.clone();
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/crd/bases");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async { testing::define(&client(&kubeconfig).await?, &definitions).await.map(drop) })
    })
    .join()
    .map_err(|_| "applying the CRDs panicked".to_owned())?
    .map_err(|e| format!("{}: {e}", server.name))?;
    Ok(server)
}

/// Serves the embedded API server on a thread of this process. Its folder goes when the run ends.
fn start_embedded() -> Result<Server, String> {
    let folder = kubernetes::folder()?;
    let process = command("sh")
        .args(["-c", "cat >/dev/null; rm -rf \"$DIR\""])
        .env("DIR", &folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("starting sh: {e}"))?;
    let (ready, started) = std::sync::mpsc::channel();
    let data = folder.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = LoopbackServer::start(Place::Folder(data), Garbage::Collected).await;
            ready.send(server.url().to_owned()).unwrap();
            // Until the run ends.
            std::future::pending::<()>().await;
        });
    });
    let url = started.recv().map_err(|_| "the embedded API server did not start".to_owned())?;
    let kubeconfig = folder.join("kubeconfig");
    let config = kubernetes::kubeconfig(&url, Some("any"), None);
    fs::write(&kubeconfig, config).map_err(|e| e.to_string())?;
    Ok(Server { name: EMBEDDED, kubeconfig, _process: Box::new(process) })
}

async fn client(kubeconfig: &Path) -> Result<Client, String> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|e| e.to_string())?;
    Client::try_from(config).map_err(|e| e.to_string())
}
