//! Rules of the house that no compiler checks: the size of files and who may import whom.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The layers from the top down. A module may import from the layers below its own, and from [`LEAVES`].
const LAYERS: &[&[&str]] = &[&["main"], &["cli"], &["run"], &["reconcile", "serve", "manifests"], &["cluster", "notify"]];

/// Modules that everyone above may use, and that use none but those after themselves.
const LEAVES: &[&str] = &["telemetry", "settings"];

/// No file is longer than this.
const LINES: usize = 600;

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = ["src", "api", "storage", "crates", "tests", "benches"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert!(long.is_empty(), "longer than {LINES} lines: {long:?}");
}

#[test]
fn no_module_is_a_mod_rs() {
    let found: Vec<_> = ["src", "api", "storage", "crates", "tests"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .filter(|path| path.ends_with("mod.rs"))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

/// The crates that a crate of the workspace may use, besides those of its tests. The crate `headwater` may use all.
const CRATES: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("storage", &["golang"]),
    ("crates/golang", &[]),
    ("crates/goyaml", &["golang"]),
    ("crates/version", &[]),
    ("crates/http", &[]),
    ("crates/identity", &["http"]),
    ("crates/git", &["golang", "http", "storage", "version"]),
    ("crates/oci", &["golang", "http"]),
    ("crates/helm", &["golang", "goyaml", "http", "oci", "version"]),
    ("crates/apiserver", &["golang", "goyaml"]),
    ("crates/testing", &[]),
];

#[test]
fn crates_use_the_crates_below_them() {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    let mut folders: BTreeSet<_> = folders.map(|entry| format!("crates/{}", entry.file_name().to_string_lossy())).collect();
    folders.extend(["api".to_owned(), "storage".to_owned()]);
    assert_eq!(folders, CRATES.iter().map(|(folder, _)| (*folder).to_owned()).collect());
    for (folder, allowed) in CRATES {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let sections = manifest.split("\n[").filter(|section| section.starts_with("dependencies]"));
        let ours = sections.flat_map(str::lines).filter_map(|line| line.strip_prefix("headwater-"));
        let used: Vec<_> = ours.map(|line| line.split(['.', ' ']).next().unwrap()).collect();
        assert!(used.iter().all(|name| allowed.contains(name)), "{folder} uses {used:?}, and may use {allowed:?}");
    }
}

#[test]
fn imports_lead_down_only() {
    let source = root().join("src");
    let mut wrong = BTreeSet::new();
    for path in sources(&source) {
        let relative = path.strip_prefix(&source).unwrap();
        let first = relative.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        for target in imports(&fs::read_to_string(&path).unwrap()) {
            if !allowed(module, &target) {
                wrong.insert(format!("{}: {module} imports {target}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_scan_for_imports_sees_every_form_of_them() {
    let found = |text: &str| imports(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("use crate::serve::Server;"), ["serve"]);
    assert_eq!(found("let x = crate::cluster::Patch::new();"), ["cluster"]);
    assert_eq!(found("use crate::{\n    cluster::{self, patch},\n    notify::Queue,\n};"), ["cluster", "notify"]);
    assert_eq!(found("use headwater::run;"), ["run"]);
    assert!(found("// crate::serve is above\nuse other_crate::serve;").is_empty());
    assert!(allowed("run", "cluster") && allowed("serve", "settings") && allowed("serve", "serve"));
    assert!(!allowed("serve", "reconcile") && !allowed("notify", "serve") && !allowed("settings", "run"));
}

/// Whether a module at the top of the crate may import from another.
fn allowed(module: &str, target: &str) -> bool {
    let layer = |name| LAYERS.iter().position(|layer| layer.contains(&name));
    match (layer(module), layer(target)) {
        _ if module == target => true,
        (Some(_), None) => LEAVES.contains(&target),
        (Some(upper), Some(lower)) => upper < lower,
        (None, None) => {
            let place = |name| LEAVES.iter().position(|leaf| *leaf == name);
            place(module).is_some() && place(module) < place(target)
        }
        (None, Some(_)) => false,
    }
}

/// The top modules of the crate that a source imports from or names by path.
fn imports(text: &str) -> BTreeSet<String> {
    let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for prefix in ["crate::", "headwater::"] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => found.extend(head(rest)),
            }
        }
    }
    found
}

/// The first segment of every path of a `{…}` group, whose opening brace is already gone.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0_usize, true, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if c.is_whitespace() => {}
            _ if start => {
                found.extend(head(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    found
}

/// The module name that a path starts with; nothing when it starts with a type or a macro of the crate's root.
fn head(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
