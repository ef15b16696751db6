//! What is in an archive, and in which order: what Flux puts there for the same trees and rules.
//!
//! A row is the tar's type, the mode, the path, and the start of the contents' SHA-256.

use headwater_storage::Mode;

use crate::tree::{Tree, ignore, listing};

const LINK_AND_SCRIPT: [(&str, Mode); 2] = [("link", Mode::Symlink), ("run.sh", Mode::Executable)];

fn plain() -> Tree {
    Tree::default().with("a.yaml", "a: 1\n").with("dir/b.yaml", "b: 2\n").with("dir/sub/c.yaml", "c: 3\n")
}

/// A repository with a file of every sort.
fn mix(modes: &[(&str, Mode)]) -> Tree {
    let files = [
        ("README.md", "x"),
        ("pic.jpg", "j"),
        ("logo.svg", "s"),
        ("film.mp4", "m"),
        ("a.zip", "z"),
        ("a.tar.gz", "t"),
        (".github/w.yml", "w"),
        (".gitlab-ci.yml", "g"),
        (".circleci/config.yml", "c"),
        (".travis.yml", "t"),
        ("appveyor.yml", "a"),
        ("Jenkinsfile", "j"),
        (".goreleaser.yml", "g"),
        (".sops.yaml", "s"),
        (".flux.yaml", "f"),
        (".gitignore", "*.yaml\n"),
        (".gitattributes", "x"),
        (".gitmodules", ""),
        ("codecov.yml", "c"),
        (".drone.yml", "d"),
        ("wercker.yml", "w"),
        ("cloudbuild.yaml", "c"),
        ("dir/pic.png", "p"),
        ("sub/.github/x", "x"),
        ("run.sh", "#!/bin/sh\n"),
        ("link", "a.yaml"),
        ("ünï/côde.yaml", "u"),
        ("with space/f", "s"),
        ("vendor/v.go", "v"),
    ];
    let tree = files.iter().fold(plain(), |tree, (path, text)| tree.with(path, text));
    modes.iter().fold(tree, |tree, (path, mode)| tree.mode(path, *mode))
}

#[test]
fn default_exclusions() {
    let tree = mix(&LINK_AND_SCRIPT);
    let expected = [
        "5 750 .",
        "0 600 Jenkinsfile 189f40034be7",
        "0 600 README.md 2d711642b726",
        "0 600 a.yaml 37b128c59f1f",
        "0 600 codecov.yml 2e7d2c03a950",
        "5 750 dir",
        "0 600 dir/b.yaml d4eed209fa44",
        "5 750 dir/sub",
        "0 600 dir/sub/c.yaml ab6b032e86fe",
        "0 600 film.mp4 62c66a7a5dd7",
        "0 600 logo.svg 043a718774c5",
        "0 700 run.sh a8076d3d28d2",
        "5 750 sub",
        "5 750 vendor",
        "0 600 vendor/v.go 4c94485e0c21",
        "0 600 wercker.yml 50e721e49c01",
        "5 750 with space",
        "0 600 with space/f 043a718774c5",
        "5 750 ünï",
        "0 600 ünï/côde.yaml 0bfe935e70c3",
    ];
    assert_eq!(listing(&tree, &ignore(&tree, None)), expected);
}

#[test]
fn a_spec_alone() {
    let tree = mix(&LINK_AND_SCRIPT);
    let expected = [
        "5 750 .",
        "5 750 dir",
        "0 600 dir/b.yaml d4eed209fa44",
        "0 600 dir/pic.png 148de9c5a7a4",
        "5 750 dir/sub",
        "0 600 dir/sub/c.yaml ab6b032e86fe",
        "0 600 pic.jpg 189f40034be7",
    ];
    assert_eq!(listing(&tree, &ignore(&tree, Some("/*\n!/dir\n!/pic.jpg\n"))), expected);
}

#[test]
fn an_empty_spec_keeps_the_defaults() {
    let tree = mix(&[("link", Mode::Symlink)]);
    let expected = [
        "5 750 .",
        "0 600 Jenkinsfile 189f40034be7",
        "0 600 README.md 2d711642b726",
        "0 600 a.yaml 37b128c59f1f",
        "0 600 codecov.yml 2e7d2c03a950",
        "5 750 dir",
        "0 600 dir/b.yaml d4eed209fa44",
        "5 750 dir/sub",
        "0 600 dir/sub/c.yaml ab6b032e86fe",
        "0 600 film.mp4 62c66a7a5dd7",
        "0 600 logo.svg 043a718774c5",
        "0 600 run.sh a8076d3d28d2",
        "5 750 sub",
        "5 750 vendor",
        "0 600 vendor/v.go 4c94485e0c21",
        "0 600 wercker.yml 50e721e49c01",
        "5 750 with space",
        "0 600 with space/f 043a718774c5",
        "5 750 ünï",
        "0 600 ünï/côde.yaml 0bfe935e70c3",
    ];
    assert_eq!(listing(&tree, &ignore(&tree, Some(""))), expected);
}

#[test]
fn sourceignore_files() {
    let tree =
        mix(&[]).with(".sourceignore", "*.md\n/vendor/\n").with("dir/.sourceignore", "b.yaml\n!pic.png\n").with("dir/sub/b.yaml", "deep");
    let expected = [
        "5 750 .",
        "5 750 .circleci",
        "0 600 .circleci/config.yml 2e7d2c03a950",
        "0 600 .drone.yml 18ac3e7343f0",
        "0 600 .flux.yaml 252f10c83610",
        "5 750 .github",
        "0 600 .github/w.yml 50e721e49c01",
        "0 600 .gitlab-ci.yml cd0aa9856147",
        "0 600 .goreleaser.yml cd0aa9856147",
        "0 600 .sops.yaml 043a718774c5",
        "0 600 .sourceignore 66451837795d",
        "0 600 .travis.yml e3b98a4da31a",
        "0 600 Jenkinsfile 189f40034be7",
        "0 600 a.tar.gz e3b98a4da31a",
        "0 600 a.yaml 37b128c59f1f",
        "0 600 a.zip 594e519ae499",
        "0 600 appveyor.yml ca978112ca1b",
        "0 600 cloudbuild.yaml 2e7d2c03a950",
        "0 600 codecov.yml 2e7d2c03a950",
        "5 750 dir",
        "0 600 dir/.sourceignore 56d8eb993d6b",
        "0 600 dir/pic.png 148de9c5a7a4",
        "5 750 dir/sub",
        "0 600 dir/sub/c.yaml ab6b032e86fe",
        "0 600 film.mp4 62c66a7a5dd7",
        "0 600 link a42a65b8fa9d",
        "0 600 logo.svg 043a718774c5",
        "0 600 pic.jpg 189f40034be7",
        "0 600 run.sh a8076d3d28d2",
        "5 750 sub",
        "5 750 sub/.github",
        "0 600 sub/.github/x 2d711642b726",
        "0 600 wercker.yml 50e721e49c01",
        "5 750 with space",
        "0 600 with space/f 043a718774c5",
        "5 750 ünï",
        "0 600 ünï/côde.yaml 0bfe935e70c3",
    ];
    assert_eq!(listing(&tree, &ignore(&tree, None)), expected);
}

#[test]
fn a_spec_wins_over_sourceignore() {
    let tree = mix(&[]).with(".sourceignore", "!*.jpg\n*.md\n");
    let expected = [
        "5 750 .",
        "5 750 .circleci",
        "0 600 .circleci/config.yml 2e7d2c03a950",
        "0 600 .drone.yml 18ac3e7343f0",
        "5 750 .github",
        "0 600 .github/w.yml 50e721e49c01",
        "0 600 .gitlab-ci.yml cd0aa9856147",
        "0 600 .goreleaser.yml cd0aa9856147",
        "0 600 .sourceignore 1194cdb9f619",
        "0 600 .travis.yml e3b98a4da31a",
        "0 600 Jenkinsfile 189f40034be7",
        "0 600 a.tar.gz e3b98a4da31a",
        "0 600 a.yaml 37b128c59f1f",
        "0 600 a.zip 594e519ae499",
        "0 600 appveyor.yml ca978112ca1b",
        "0 600 codecov.yml 2e7d2c03a950",
        "5 750 dir",
        "0 600 dir/pic.png 148de9c5a7a4",
        "5 750 dir/sub",
        "0 600 film.mp4 62c66a7a5dd7",
        "0 600 link a42a65b8fa9d",
        "0 600 logo.svg 043a718774c5",
        "0 600 pic.jpg 189f40034be7",
        "0 600 run.sh a8076d3d28d2",
        "5 750 sub",
        "5 750 sub/.github",
        "0 600 sub/.github/x 2d711642b726",
        "5 750 vendor",
        "0 600 vendor/v.go 4c94485e0c21",
        "0 600 wercker.yml 50e721e49c01",
        "5 750 with space",
        "0 600 with space/f 043a718774c5",
        "5 750 ünï",
    ];
    assert_eq!(listing(&tree, &ignore(&tree, Some("*.yaml\n!a.yaml\n"))), expected);
}

#[test]
fn everything_ignored_leaves_the_root() {
    let tree = plain();
    let expected = ["5 750 ."];
    assert_eq!(listing(&tree, &ignore(&tree, Some("*"))), expected);
}
