//! All that a test usually needs, in one value.

use headwater_testing::git::server::GitServer;
use tempfile::TempDir;

use super::{cluster::Server, controller::Controller, namespace::Namespace};

/// A namespace, a git server and a running controller that sees this namespace's objects only.
pub struct World {
    // The order matters: the controller ends before the folder goes.
    pub controller: Controller,
    pub space: Namespace,
    pub git: GitServer,
    pub folder: TempDir,
}

impl World {
    /// Makes the world of the test of that name.
    pub async fn new(server: &Server, test: &str) -> Self {
        Self::with(server, test, &[]).await
    }

    /// Like [`Self::new`], with more arguments for the controller.
    pub async fn with(server: &Server, test: &str, arguments: &[&str]) -> Self {
        let mut world = Self::idle(server, test, arguments).await;
        world.controller.start().await;
        world
    }

    /// Like [`Self::with`], but the controller is not started yet.
    pub async fn idle(server: &Server, test: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let space = Namespace::new(server, test).await;
        let controller = Controller::new(folder.path(), &server.kubeconfig, &space.selector(), arguments).await;
        Self { controller, space, git: GitServer::start().await, folder }
    }
}
