//! Running without a cluster.

use std::path::PathBuf;

use clap::Command;

use super::Controller;

/// Everything that `headwater standalone` can be told: what is its own, and what the controller can be told.
#[derive(Debug, Clone, clap::Args)]
#[command(args_override_self = true)]
pub struct Standalone {
    /// The folder of manifests that are applied, watched and pruned: YAML and JSON, nested folders.
    #[arg(long, value_name = "DIR")]
    pub manifests: PathBuf,
    /// The folder that keeps everything: objects, artifacts, the kubeconfig.
    #[arg(long, value_name = "DIR", default_value = "headwater-data")]
    pub data: PathBuf,
    /// The address of the Kubernetes API. Beyond the loopback interface it is served by TLS, to bearers of a token.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    pub listen: String,
    /// What the controller in the same process is told.
    #[command(flatten)]
    pub controller: Controller,
}

/// Flags of the controller that make no sense where there is no cluster, or that are decided by `--data`.
const HIDDEN: [&str; 11] = [
    "storage-path",
    "enable-leader-election",
    "leader-election-release-on-cancel",
    "leader-election-lease-duration",
    "leader-election-renew-deadline",
    "leader-election-retry-period",
    "kube-api-qps",
    "kube-api-burst",
    "runtime-namespace",
    "watch-all-namespaces",
    "watch-label-selector",
];

impl Standalone {
    /// Gives the flags that `standalone` shares with `controller` the defaults that fit a single machine: all on
    /// the loopback interface, no metrics and health ports, logs for people.
    pub fn defaults(command: Command) -> Command {
        let command = command
            .mut_arg("storage-addr", |arg| arg.default_value("127.0.0.1:9090"))
            .mut_arg("metrics-addr", |arg| arg.default_value("0"))
            .mut_arg("health-addr", |arg| arg.default_value("0"))
            .mut_arg("log-encoding", |arg| arg.default_value("console"));
        HIDDEN.into_iter().fold(command, |command, flag| {
            if command.get_arguments().any(|arg| arg.get_id() == flag) { command.mut_arg(flag, |arg| arg.hide(true)) } else { command }
        })
    }

    /// What the controller is told, with what the folder decides.
    pub fn controller(&self) -> Controller {
        let mut controller = self.controller.clone();
        controller.storage.path = self.data.join("artifacts");
        controller.limits.git_mirror_path.get_or_insert_with(|| self.data.join("mirrors"));
        controller.leader.enable = false;
        controller.reconciling.watch_all_namespaces = true;
        controller.reconciling.watch_label_selector = String::new();
        controller
    }
}
