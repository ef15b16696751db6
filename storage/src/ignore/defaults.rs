//! Rules that nobody has to write down.

/// The files of version control.
pub(super) const ALWAYS: &[&str] = &[".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// What is left out when no rule is given at all: pictures, films and archives, the configuration
/// of CI systems, and files that Flux and its friends read from a repository but not from an
/// artifact.
pub(super) const UNLESS_GIVEN: &[&str] = &[
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];
