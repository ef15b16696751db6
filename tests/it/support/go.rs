//! Builds the Go programs of the tests once and keeps them under the target folder.

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

/// The path of the API server of `tests/cluster`, built.
pub fn build() -> Result<PathBuf, String> {
    program("cluster", "apiserver", |sources| {
        let version = kubernetes_version(sources)?;
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let package = "k8s.io/component-base/version";
        Ok(format!("-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"))
    })
}

/// The path of the program in `tests/{name}`, built as `target/{name}/{binary}` with the linker's `flags`. It is built anew when
/// its sources have changed; of several test runs one builds and the others wait.
pub fn program(name: &str, binary: &str, flags: impl FnOnce(&Path) -> Result<String, String>) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name);
    let failed = |what: &str, error: std::io::Error| format!("{what} for tests/{name}: {error}");
    fs::create_dir_all(&folder).map_err(|e| failed("creating the target folder", e))?;
    let lock = File::create(folder.join("lock")).map_err(|e| failed("creating the lock", e))?;
    lock.lock().map_err(|e| failed("locking", e))?;

    let wanted = stamp(&sources).map_err(|e| failed("reading the sources", e))?;
    let (built, stamp_file) = (folder.join(binary), folder.join(format!("{binary}.stamp")));
    if built.exists() && fs::read_to_string(&stamp_file).is_ok_and(|found| found == wanted) {
        return Ok(built);
    }
    super::cluster::loudly(&format!("building tests/{name}: some minutes, the first time"));
    let draft = folder.join(format!("{binary}.new"));
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &flags(&sources)?, "-o"])
        .arg(&draft)
        .arg(".")
        .current_dir(&sources)
        .output()
        .map_err(|e| failed("starting go", e))?;
    if !output.status.success() {
        return Err(format!("go build in tests/{name}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::rename(&draft, &built).map_err(|e| failed("moving the program", e))?;
    fs::write(&stamp_file, wanted).map_err(|e| failed("writing the stamp", e))?;
    Ok(built)
}

/// What the built program depends on, as one digest.
fn stamp(sources: &Path) -> std::io::Result<String> {
    let entries = fs::read_dir(sources)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| ["go", "mod", "sum"].iter().any(|known| extension == *known));
    let mut sources: Vec<_> = entries.into_iter().filter(is_source).collect();
    sources.sort();
    let mut hash = Sha256::new();
    for source in sources {
        let content = fs::read(source)?;
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    Ok(hex::encode(hash.finalize()))
}

/// The version of Kubernetes that go.mod asks for, such as `v1.36.3`.
fn kubernetes_version(sources: &Path) -> Result<String, String> {
    let text = fs::read_to_string(sources.join("go.mod")).map_err(|e| format!("reading go.mod: {e}"))?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .map(str::to_owned)
        .ok_or_else(|| "go.mod names no version of k8s.io/kubernetes".to_owned())
}
