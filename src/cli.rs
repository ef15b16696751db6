//! The command line: a file per verb.

mod controller;
mod demo;
mod standalone;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::settings::Standalone;

/// GitOps sources as immutable artifacts.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Reconcile the sources of a Kubernetes cluster and serve their artifacts.
    Controller(Box<crate::settings::Controller>),
    /// Run without a cluster: a Kubernetes API, the controller, and a folder of manifests, in one process.
    Standalone(Box<Standalone>),
    /// Show in a minute what Headwater does, on this machine alone.
    Demo(demo::Demo),
}

/// The command line, with the defaults of each verb.
fn command() -> clap::Command {
    Cli::command().mut_subcommand("standalone", Standalone::defaults)
}

/// Reads the arguments of `standalone`, the verb first.
fn parse_standalone(args: &[String]) -> Result<Standalone, clap::Error> {
    let args = std::iter::once("headwater").chain(args.iter().map(String::as_str));
    match Cli::from_arg_matches(&command().try_get_matches_from(args)?)?.verb {
        Verb::Standalone(settings) => Ok(*settings),
        _ => Err(clap::Error::new(clap::error::ErrorKind::InvalidSubcommand)),
    }
}

/// Parses, dispatches, and says what went wrong. Arguments that begin with a flag mean the controller, as stock
/// Deployments start it; so does the name `source-controller`.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let matches = command().try_get_matches_from(with_verb(args.collect()));
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.verb {
        Verb::Controller(settings) => controller::run(*settings),
        Verb::Standalone(settings) => standalone::run(*settings),
        Verb::Demo(settings) => demo::run(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %crate::run::told(&*error), "headwater stopped");
            ExitCode::FAILURE
        }
    }
}

fn with_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    let own = ["--help", "-h", "--version", "-V", "help"];
    let called = args.first().map(|path| std::path::Path::new(path).file_name().is_some_and(|name| name == "source-controller"));
    let flag = args.get(1).map(|first| first.to_string_lossy()).is_some_and(|first| first.starts_with("--") && !own.contains(&&*first));
    let bare = called == Some(true) && args.get(1).is_none_or(|first| first != "controller");
    if flag || bare {
        args.insert(1, "controller".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_leading_flag_or_the_stock_name_means_the_controller() {
        assert_eq!(with_verb(args("/headwater --storage-path=/data")), args("/headwater controller --storage-path=/data"));
        assert_eq!(with_verb(args("/source-controller")), args("/source-controller controller"));
        assert_eq!(with_verb(args("/source-controller --log-level debug")), args("/source-controller controller --log-level debug"));
    }

    #[test]
    fn help_names_every_flag() {
        use clap::CommandFactory;
        let mut command = Cli::command().mut_subcommand("controller", |verb| verb.mut_args(|arg| arg.hide_env_values(true)));
        command.build();
        let controller = command.find_subcommand_mut("controller").map(|verb| verb.render_help().to_string());
        insta::assert_snapshot!(controller.unwrap_or_default());
    }

    #[test]
    fn verbs_and_help_stay_as_they_are() {
        for line in ["headwater controller --concurrent 4", "headwater --help", "headwater -V", "headwater"] {
            assert_eq!(with_verb(args(line)), args(line));
        }
    }
}
