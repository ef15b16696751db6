//! How clients find the API server and are let in: a kubeconfig, and beyond the loopback interface TLS and a token.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;

use super::Stopped;
use crate::settings::machine_name;

/// The files of the folder that only its owner may read.
const PRIVATE: u32 = 0o600;

/// How the API is reached.
pub struct Access {
    /// What kubectl is told.
    config: String,
    /// The address, as in that file.
    pub url: String,
    /// Who bears it is let in; nothing on the loopback interface.
    pub token: Option<String>,
    /// The server's certificate and key; nothing on the loopback interface.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Makes what clients need to be let in, or reads it back from `data`.
pub fn prepare(data: &Path, address: SocketAddr) -> Result<Access, Stopped> {
    // What clients on this machine dial where the server listens on all interfaces.
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    let (url, token, tls, cluster, user);
    if address.ip().is_loopback() {
        url = format!("http://{host}:{}", address.port());
        (token, tls) = (None, None);
        (cluster, user) = (json!({"server": url}), json!({}));
    } else {
        url = format!("https://{host}:{}", address.port());
        let secret = token_of(data)?;
        let authority = authority(data)?;
        (cluster, user) =
            (json!({"server": url, "certificate-authority-data": STANDARD.encode(&authority.certificate)}), json!({"token": secret}));
        (token, tls) = (Some(secret), Some(authority.server(address.ip())?));
    }
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "headwater",
        "clusters": [{"name": "headwater", "cluster": cluster}],
        "users": [{"name": "headwater", "user": user}],
        "contexts": [{"name": "headwater", "context": {"cluster": "headwater", "user": "headwater"}}],
    });
    Ok(Access { config: serde_json::to_string_pretty(&config)?, url, token, tls })
}

impl Access {
    /// Writes the kubeconfig into `data` and says where it is. To be called once `data` is ours: another process may serve it.
    pub fn publish(&self, data: &Path) -> Result<PathBuf, Stopped> {
        let kubeconfig = data.join("kubeconfig");
        write(&kubeconfig, &self.config)?;
        Ok(kubeconfig.canonicalize()?)
    }
}

/// The token, made once and kept.
fn token_of(data: &Path) -> Result<String, Stopped> {
    let path = data.join("token");
    match std::fs::read_to_string(&path) {
        Ok(token) if token.trim().len() >= 32 => Ok(token.trim().to_owned()),
        _ => {
            let token = hex::encode(rand::random::<[u8; 32]>());
            write(&path, &token)?;
            Ok(token)
        }
    }
}

/// Signs the server's certificates; made once and kept, so that copies of the kubeconfig stay good.
struct Authority {
    certificate: String,
    key: String,
}

fn authority(data: &Path) -> Result<Authority, Stopped> {
    let (certificate_file, key_file) = (data.join("ca.crt"), data.join("ca.key"));
    if let (Ok(certificate), Ok(key)) = (std::fs::read_to_string(&certificate_file), std::fs::read_to_string(&key_file)) {
        return Ok(Authority { certificate, key });
    }
    let key = KeyPair::generate()?;
    let certificate = authority_params()?.self_signed(&key)?.pem();
    let key = key.serialize_pem();
    write(&key_file, &key)?;
    write(&certificate_file, &certificate)?;
    Ok(Authority { certificate, key })
}

fn authority_params() -> Result<CertificateParams, Stopped> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "headwater standalone");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

impl Authority {
    /// A certificate for this machine's names, made anew at each start.
    fn server(&self, ip: IpAddr) -> Result<Arc<rustls::ServerConfig>, Stopped> {
        let key = KeyPair::from_pem(&self.key)
            .map_err(|error| format!("cannot read ca.key back: {error}; remove ca.crt and ca.key to have new ones made"))?;
        let issuer = Issuer::new(authority_params()?, key);
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if !ip.is_unspecified() {
            names.push(ip.to_string());
        }
        names.extend(machine_name());
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let chain = vec![certificate.der().clone(), CertificateDer::from_pem_slice(self.certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
        Ok(Arc::new(config))
    }
}

/// Writes a file that only its owner may read; readers see the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), Stopped> {
    let told = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&new).map_err(told)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(told)?;
    std::fs::rename(&new, path).map_err(told)?;
    Ok(())
}
