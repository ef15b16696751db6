//! Builds the API server of `tests/cluster` once and keeps it under the target folder.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

/// Whether a Go toolchain is in the path.
pub fn installed() -> bool {
    Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// The path of the built server. It is built anew when its sources have changed; of several test runs one builds and
/// the others wait.
pub fn build() -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("cluster");
    let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
    fs::create_dir_all(&folder).map_err(|e| failed("creating target/cluster", e))?;
    let lock = File::create(folder.join("lock")).map_err(|e| failed("creating target/cluster/lock", e))?;
    lock.lock().map_err(|e| failed("locking target/cluster/lock", e))?;

    let wanted = stamp(&sources).map_err(|e| failed("reading tests/cluster", e))?;
    let (binary, stamp_file) = (folder.join("apiserver"), folder.join("apiserver.stamp"));
    if binary.exists() && fs::read_to_string(&stamp_file).is_ok_and(|found| found == wanted) {
        return Ok(binary);
    }
    let version = kubernetes_version(&sources)?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    let flags = format!("-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}");
    super::cluster::loudly("building the API server of tests/cluster: some minutes, the first time");
    let draft = folder.join("apiserver.new");
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(&draft)
        .arg(".")
        .current_dir(&sources)
        .output()
        .map_err(|e| failed("starting go", e))?;
    if !output.status.success() {
        return Err(format!("go build in tests/cluster: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::rename(&draft, &binary).map_err(|e| failed("moving the built server", e))?;
    fs::write(&stamp_file, wanted).map_err(|e| failed("writing the stamp", e))?;
    Ok(binary)
}

/// What the built server depends on, as one digest.
fn stamp(sources: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum", "main.go"] {
        let content = fs::read(sources.join(name))?;
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    Ok(super::hex(&hash.finalize()))
}

/// The version of Kubernetes that go.mod asks for, such as `v1.36.3`.
fn kubernetes_version(sources: &Path) -> Result<String, String> {
    let text = fs::read_to_string(sources.join("go.mod")).map_err(|e| format!("reading go.mod: {e}"))?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .map(str::to_owned)
        .ok_or_else(|| "go.mod names no version of k8s.io/kubernetes".to_owned())
}
