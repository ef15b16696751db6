//! The Kubernetes API servers that the tests run on: started once for the whole run, gone when the run ends.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::http::Request;
use headwater_apiserver::{ApiServer, Place};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

use super::{go, tls};

/// One API server whose user may do everything and which knows the kinds of `config/crd`.
pub struct Server {
    /// What to call it where a test fails.
    pub name: &'static str,
    /// Where its address and its credentials are written.
    pub kubeconfig: PathBuf,
    /// It ends when its standard input closes, at the latest with the test run.
    process: Child,
}

impl Server {
    /// A client that belongs to the runtime of the caller.
    pub async fn client(&self) -> Client {
        client(&self.kubeconfig).await.unwrap()
    }
}

/// What the embedded server is called.
pub const EMBEDDED: &str = "the embedded API server";

/// The servers that every test is to run on: the embedded one, and a real one. Where none of those can be had, that is said
/// loudly once, and it is a failure under `CI`.
pub fn servers() -> &'static [Server] {
    static SERVERS: OnceLock<Result<Vec<Server>, String>> = OnceLock::new();
    match SERVERS.get_or_init(start) {
        Ok(servers) => servers,
        Err(error) => panic!("no API server to test on: {error}"),
    }
}

/// Says something on standard error even where the test runner captures output.
pub fn loudly(line: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** headwater tests: {line} ***");
}

fn start() -> Result<Vec<Server>, String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // The real one takes longer to start, so it starts beside the other.
    let real = std::thread::spawn(start_real);
    let mut servers = vec![start_embedded()?];
    servers.extend(real.join().map_err(|_| "starting the API server panicked".to_owned())??);
    for server in &servers {
        // The caller may be inside a runtime already, and this one has to block.
        let kubeconfig = server.kubeconfig.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
            runtime.block_on(install(&kubeconfig))
        })
        .join()
        .map_err(|_| "applying the CRDs panicked".to_owned())?
        .map_err(|e| format!("{}: {e}", server.name))?;
    }
    Ok(servers)
}

fn folder() -> Result<PathBuf, String> {
    Ok(tempfile::Builder::new().prefix("headwater-cluster-").tempdir().map_err(|e| e.to_string())?.keep())
}

/// Serves the embedded API server on a thread of this process. Its folder goes when the run ends.
fn start_embedded() -> Result<Server, String> {
    let folder = folder()?;
    let process = Command::new("sh")
        .args(["-c", "cat >/dev/null; rm -rf \"$DIR\""])
        .env("DIR", &folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("starting sh: {e}"))?;
    let (ready, started) = std::sync::mpsc::channel();
    let data = folder.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let stop = tokio_util::sync::CancellationToken::new();
            let server = ApiServer::open(Place::Folder(data), None, stop.clone()).await.unwrap();
            let listener = headwater::serve::bind("127.0.0.1:0").await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            tokio::join!(headwater::serve::serve(listener, server.router(), stop), server.clone().collect());
        });
    });
    let address = started.recv().map_err(|_| "the embedded API server did not start".to_owned())?;
    let kubeconfig = folder.join("kubeconfig");
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "admin", "user": {"token": "any"}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
    });
    fs::write(&kubeconfig, config.to_string()).map_err(|e| e.to_string())?;
    Ok(Server { name: EMBEDDED, kubeconfig, process })
}

/// Starts a real kube-apiserver, where one can be had.
fn start_real() -> Result<Option<Server>, String> {
    let (name, folder, process) = if let Some(assets) = env::var_os("KUBEBUILDER_ASSETS") {
        let folder = folder()?;
        let process = start_assets(Path::new(&assets), &folder)?;
        ("kube-apiserver of KUBEBUILDER_ASSETS", folder, process)
    } else if go::installed() {
        let (binary, folder) = (go::build()?, folder()?);
        let process = Command::new(binary)
            .arg("--dir")
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).map_err(|e| e.to_string())?)
            .spawn();
        ("kube-apiserver of tests/cluster", folder, process.map_err(|e| format!("starting tests/cluster: {e}"))?)
    } else if env::var_os("CI").is_some() {
        return Err("CI is set, and there is neither Go nor KUBEBUILDER_ASSETS".to_owned());
    } else {
        loudly("tested on the embedded API server ALONE: for a real one, install Go or set KUBEBUILDER_ASSETS");
        return Ok(None);
    };
    let mut server = Server { name, kubeconfig: folder.join("kubeconfig"), process };
    wait_for(&mut server)?;
    Ok(Some(server))
}

/// Waits for the kubeconfig, which is written when the server is ready.
fn wait_for(server: &mut Server) -> Result<(), String> {
    let start = Instant::now();
    while !server.kubeconfig.exists() {
        let log = || fs::read_to_string(server.kubeconfig.with_file_name("log")).unwrap_or_default();
        if let Ok(Some(status)) = server.process.try_wait() {
            return Err(format!("{} ended with {status}: {}", server.name, log()));
        }
        if start.elapsed() > Duration::from_mins(2) {
            return Err(format!("{} is not ready after two minutes: {}", server.name, log()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Starts `etcd` and `kube-apiserver` of a folder of binaries, under a shell that ends them when its input closes.
fn start_assets(assets: &Path, folder: &Path) -> Result<Child, String> {
    const SCRIPT: &str = r#"
cd "$DIR"
"$ASSETS/etcd" --data-dir etcd --unsafe-no-fsync --log-level error --listen-client-urls "$ETCD" \
  --advertise-client-urls "$ETCD" --listen-peer-urls "$PEER" --initial-advertise-peer-urls "$PEER" \
  --initial-cluster "default=$PEER" </dev/null >>log 2>&1 & etcd=$!
"$ASSETS/kube-apiserver" --etcd-servers "$ETCD" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 \
  --secure-port "$PORT" --tls-cert-file tls.crt --tls-private-key-file tls.key --cert-dir certs \
  --token-auth-file tokens.csv --authorization-mode RBAC --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file sa.pub --service-account-signing-key-file sa.key --service-cluster-ip-range 10.0.0.0/24 \
  --disable-admission-plugins ServiceAccount --endpoint-reconciler-type none --enable-priority-and-fairness=false \
  </dev/null >>log 2>&1 & server=$!
(until curl -fsS --cacert ca.crt -H "Authorization: Bearer $TOKEN" "https://127.0.0.1:$PORT/readyz"; do sleep 0.1; done
 mv kubeconfig.new kubeconfig) </dev/null >/dev/null 2>&1 & ready=$!
cat >/dev/null
kill $ready $etcd $server; wait; cd /; rm -rf "$DIR"
"#;
    let authority = tls::Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let signer = rcgen::KeyPair::generate().map_err(|e| e.to_string())?;
    let token = uuid::Uuid::new_v4().to_string();
    let (etcd, peer, port) = (super::controller::port(), super::controller::port(), super::controller::port());
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": {"server": format!("https://127.0.0.1:{port}"), "certificate-authority": folder.join("ca.crt")}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
    });
    for (name, content) in [
        ("ca.crt", authority.pem()),
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
        ("sa.key", signer.serialize_pem()),
        ("sa.pub", signer.public_key_pem()),
        ("tokens.csv", format!("{token},admin,admin,system:masters\n")),
        ("kubeconfig.new", kubeconfig.to_string()),
    ] {
        fs::write(folder.join(name), content).map_err(|e| format!("writing {name}: {e}"))?;
    }
    Command::new("sh")
        .args(["-c", SCRIPT])
        .env("ASSETS", assets)
        .env("DIR", folder)
        .env("TOKEN", token)
        .env("PORT", port.to_string())
        .env("ETCD", format!("http://127.0.0.1:{etcd}"))
        .env("PEER", format!("http://127.0.0.1:{peer}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("starting the binaries of KUBEBUILDER_ASSETS: {e}"))
}

async fn client(kubeconfig: &Path) -> Result<Client, String> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|e| e.to_string())?;
    Client::try_from(config).map_err(|e| e.to_string())
}

/// Applies the CRDs of `config/crd` and waits until objects of their kinds can be listed.
async fn install(kubeconfig: &Path) -> Result<(), String> {
    let client = client(kubeconfig).await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/crd/bases");
    for entry in fs::read_dir(&folder).map_err(|e| format!("reading config/crd/bases: {e}"))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|e| format!("reading {}: {e}", path.display()))?;
        let crd: Value = serde_saphyr::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = crd["metadata"]["name"].as_str().ok_or_else(|| format!("{} has no name", path.display()))?;
        let url = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=headwater-tests&force=true");
        let request = Request::patch(url)
            .header("content-type", "application/apply-patch+yaml")
            .body(text.into_bytes())
            .map_err(|e| e.to_string())?;
        client.request::<Value>(request).await.map_err(|e| format!("applying {name}: {e}"))?;

        let (group, plural) = (&crd["spec"]["group"], &crd["spec"]["names"]["plural"]);
        let version = &crd["spec"]["versions"][0]["name"];
        let list = format!("/apis/{}/{}/{}", text_of(group), text_of(version), text_of(plural));
        let start = Instant::now();
        while let Err(error) = client.request::<Value>(Request::get(&list).body(vec![]).unwrap()).await {
            if start.elapsed() > Duration::from_secs(30) {
                return Err(format!("{name} cannot be listed: {error}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
