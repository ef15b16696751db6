//! A real kube-apiserver: built from Go modules, or that of `KUBEBUILDER_ASSETS`.

pub mod rest;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{command, go, needs, port, tls};

/// Time within which a server has to be ready.
const STARTUP: Duration = Duration::from_mins(2);

/// A running kube-apiserver with its etcd, whose user may do everything. It ends, and its folder goes, when its standard input
/// closes: with this value, and at the latest with the test run.
#[derive(Debug)]
pub struct ApiServer {
    /// Its name where a test fails.
    pub name: &'static str,
    /// The file with its address and its credentials.
    pub kubeconfig: PathBuf,
    process: Child,
}

/// Starts a server and waits until it is ready. `None` where neither Go nor `KUBEBUILDER_ASSETS` is there, which is said aloud
/// and is an error under `CI`.
pub fn start() -> Result<Option<ApiServer>, String> {
    let mut server = match env::var_os("KUBEBUILDER_ASSETS") {
        Some(assets) => start_assets(Path::new(&assets))?,
        None if go::installed() => start_built()?,
        None if env::var_os("CI").is_some() => return Err("CI is set, and there is neither Go nor KUBEBUILDER_ASSETS".to_owned()),
        None => {
            needs::loudly("tested on the embedded API server ALONE: for a real one, install Go or set KUBEBUILDER_ASSETS");
            return Ok(None);
        }
    };
    server.wait()?;
    Ok(Some(server))
}

/// A new folder that stays until it is removed.
pub fn folder() -> Result<PathBuf, String> {
    Ok(tempfile::Builder::new().prefix("headwater-cluster-").tempdir().map_err(|e| e.to_string())?.keep())
}

/// The text of a kubeconfig for the API server at `url`. `authority` is the file with its certificate authority.
pub fn kubeconfig(url: &str, token: Option<&str>, authority: Option<&Path>) -> String {
    let mut cluster = json!({"server": url});
    if let Some(authority) = authority {
        cluster["certificate-authority"] = Value::from(authority.to_string_lossy());
    }
    let user = token.map_or_else(|| json!({}), |token| json!({"token": token}));
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tests", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
    })
    .to_string()
}

impl ApiServer {
    /// Waits for the kubeconfig, which is written when the server is ready.
    fn wait(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while !self.kubeconfig.exists() {
            let log = || fs::read_to_string(self.kubeconfig.with_file_name("log")).unwrap_or_default();
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("{} ended with {status}: {}", self.name, log()));
            }
            if start.elapsed() > STARTUP {
                return Err(format!("{} is not ready after two minutes: {}", self.name, log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// Starts the program of `crates/testing/cluster`.
fn start_built() -> Result<ApiServer, String> {
    let (binary, folder) = (go::api_server()?, folder()?);
    let process = command(binary)
        .arg("--dir")
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log")).map_err(|e| e.to_string())?)
        .spawn()
        .map_err(|e| format!("starting the API server: {e}"))?;
    Ok(ApiServer { name: "kube-apiserver of crates/testing/cluster", kubeconfig: folder.join("kubeconfig"), process })
}

/// Starts `etcd` and `kube-apiserver` of a folder of binaries, under a shell that ends them when its input closes.
fn start_assets(assets: &Path) -> Result<ApiServer, String> {
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
    if needs::find("curl").is_none() {
        return Err("KUBEBUILDER_ASSETS is set, and there is no curl to ask its server: install the package curl".to_owned());
    }
    let folder = folder()?;
    let authority = tls::Authority::new();
    let (certificate, key) = authority.issue("127.0.0.1");
    let signer = rcgen::KeyPair::generate().map_err(|e| e.to_string())?;
    let token = uuid::Uuid::new_v4().to_string();
    let (etcd, peer, port) = (port::free(), port::free(), port::free());
    let kubeconfig = kubeconfig(&format!("https://127.0.0.1:{port}"), Some(&token), Some(&folder.join("ca.crt")));
    for (name, content) in [
        ("ca.crt", authority.pem()),
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
        ("sa.key", signer.serialize_pem()),
        ("sa.pub", signer.public_key_pem()),
        ("tokens.csv", format!("{token},admin,admin,system:masters\n")),
        ("kubeconfig.new", kubeconfig),
    ] {
        fs::write(folder.join(name), content).map_err(|e| format!("writing {name}: {e}"))?;
    }
    let process = command("sh")
        .args(["-c", SCRIPT])
        .env("ASSETS", assets)
        .env("DIR", &folder)
        .env("TOKEN", token)
        .env("PORT", port.to_string())
        .env("ETCD", format!("http://127.0.0.1:{etcd}"))
        .env("PEER", format!("http://127.0.0.1:{peer}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("starting the binaries of KUBEBUILDER_ASSETS: {e}"))?;
    Ok(ApiServer { name: "kube-apiserver of KUBEBUILDER_ASSETS", kubeconfig: folder.join("kubeconfig"), process })
}
