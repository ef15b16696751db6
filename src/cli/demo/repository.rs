//! The demo's Git repository: made and changed without a `git` binary and without anyone's configuration.

use std::path::{Path, PathBuf};

use gix::actor::Signature;
use gix::objs::tree::EntryKind;
use url::Url;

/// Why the repository could not be made or changed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

const BRANCH: &str = "main";
const BRANCH_REF: &str = "refs/heads/main";
const AUTHOR: &str = "Headwater demo";
const EMAIL: &str = "demo@headwater.example";

/// The Deployment with that many replicas.
macro_rules! deployment {
    ($replicas:literal) => {
        concat!(
            "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: guestbook
spec:
  replicas: ",
            $replicas,
            "
  selector:
    matchLabels:
      app: guestbook
  template:
    metadata:
      labels:
        app: guestbook
    spec:
      containers:
        - name: web
          image: registry.example/guestbook:1.0.0
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet:
              path: /ready
              port: http
          resources:
            requests:
              cpu: 50m
              memory: 64Mi
            limits:
              memory: 128Mi
"
        )
    };
}

/// A bare repository with one branch, `main`: it can be cloned, and pushed to.
#[derive(Debug, Clone)]
pub struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// Makes an empty repository in `folder`, which is created where it is missing.
    ///
    /// # Errors
    /// When something is in the folder already, or it cannot be written to.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let options = options().config_overrides([format!("init.defaultBranch={BRANCH}")]);
        gix::ThreadSafeRepository::init_opts(&folder, gix::create::Kind::Bare, gix::create::Options::default(), options)?;
        Ok(Self { folder })
    }

    /// Writes the files, each a path and its text, on top of the branch `main`, and answers the commit's id in hexadecimal.
    /// Files that are not named stay.
    ///
    /// # Errors
    /// When the repository cannot be written to, or somebody else moves the branch at the same moment.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> Result<String, Error> {
        let repo = gix::ThreadSafeRepository::open_opts(&self.folder, options().with(gix::sec::Trust::Full))?.to_thread_local();
        let tip = match repo.try_find_reference(BRANCH_REF)? {
            Some(mut branch) => Some(branch.peel_to_commit()?),
            None => None,
        };
        let root = tip.as_ref().map_or_else(|| Ok(repo.empty_tree()), gix::Commit::tree)?;
        let mut tree = root.edit()?;
        for (path, text) in files {
            tree.upsert(*path, EntryKind::Blob, repo.write_blob(text)?)?;
        }
        let tree = tree.write()?.detach();
        let author = Signature { name: AUTHOR.into(), email: EMAIL.into(), time: gix::date::Time::now_utc() };
        let mut time = gix::date::parse::TimeBuf::default();
        let author = author.to_ref(&mut time);
        let parents = tip.map(|tip| tip.id);
        Ok(repo.commit_as(author, author, BRANCH_REF, message, tree, parents)?.to_string())
    }

    /// Where it is: `file:///…`.
    pub fn url(&self) -> String {
        // A canonical path is absolute, and that is all it takes.
        Url::from_file_path(&self.folder).map(String::from).unwrap_or_default()
    }
}

fn options() -> gix::open::Options {
    gix::open::Options::isolated()
}

/// What the demo's repository begins with: a small application as it is deployed, each file a path and its text.
pub fn first() -> [(&'static str, &'static str); 5] {
    [
        ("README.md", README),
        ("deploy/kustomization.yaml", KUSTOMIZATION),
        ("deploy/deployment.yaml", deployment!("2")),
        ("deploy/service.yaml", SERVICE),
        ("docs/pixel.gif", PIXEL),
    ]
}

/// What changes then: three replicas instead of two.
pub fn second() -> [(&'static str, &'static str); 1] {
    [("deploy/deployment.yaml", deployment!("3"))]
}

const README: &str = "\
# guestbook

What runs of the guestbook, and how. The folder `deploy` is applied as it is:

    kubectl apply -k deploy

Pictures under `docs` are for readers; they stay out of the artifact.
";

const KUSTOMIZATION: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: guestbook
resources:
  - deployment.yaml
  - service.yaml
labels:
  - pairs:
      app.kubernetes.io/name: guestbook
    includeSelectors: true
";

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: guestbook
spec:
  selector:
    app: guestbook
  ports:
    - name: http
      port: 80
      targetPort: http
";

/// A picture of one pixel, in characters of seven bits.
const PIXEL: &str = "GIF89a\u{1}\0\u{1}\0\0\0\0,\0\0\0\0\u{1}\0\u{1}\0\0\u{2}\u{2}D\u{1}\0;";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use headwater_testing::command;

    use super::*;

    fn git(at: &Path, arguments: &[&str]) -> String {
        let isolated = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")];
        let output = command("git").args(arguments).current_dir(at).envs(isolated).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn git_agrees_with_what_was_committed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a b/demo.git");
        let repository = Repository::create(&folder).unwrap();
        assert!(repository.url().starts_with("file:///") && repository.url().ends_with("/a%20b/demo.git"));
        let one = repository.commit("Deploy the guestbook", &first()).unwrap();
        let [(_, deployment)] = second();
        let two = repository.commit("Three replicas\n\nbody", &[second()[0], ("new/file", "x")]).unwrap();

        assert_eq!(git(&folder, &["fsck", "--strict", "--full"]), "");
        let log = git(&folder, &["log", "--format=%H %an %cn %s"]);
        assert_eq!(log, format!("{two} {AUTHOR} {AUTHOR} Three replicas\n{one} {AUTHOR} {AUTHOR} Deploy the guestbook\n"));
        assert_eq!(git(&folder, &["symbolic-ref", "HEAD"]), "refs/heads/main\n");
        assert_eq!(git(&folder, &["show", "main:deploy/deployment.yaml"]), deployment);
        assert_eq!(git(&folder, &["diff", "--numstat", "main~", "main", "--", "deploy"]), "1\t1\tdeploy/deployment.yaml\n");
        let names = git(&folder, &["ls-tree", "-r", "--name-only", "main"]);
        let expected = "README.md deploy/deployment.yaml deploy/kustomization.yaml deploy/service.yaml docs/pixel.gif new/file";
        assert_eq!(names.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        assert!(Repository::create(&folder).is_err());
    }

    #[test]
    fn it_can_be_pushed_to_between_commits() {
        let root = tempfile::tempdir().unwrap();
        let repository = Repository::create(&root.path().join("demo.git")).unwrap();
        repository.commit("one", &first()).unwrap();
        git(root.path(), &["clone", "-q", &repository.url(), "clone"]);
        let clone = root.path().join("clone");
        let commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "two"];
        git(&clone, &commit);
        git(&clone, &["push", "-q"]);
        let three = repository.commit("three", &[("README.md", "new\n")]).unwrap();
        assert_eq!(git(&clone, &["ls-remote", "origin", "main"]), format!("{three}\trefs/heads/main\n"));
        git(&clone, &["pull", "-q", "--ff-only"]);
        assert_eq!(std::fs::read_to_string(clone.join("README.md")).unwrap(), "new\n");
    }

    #[test]
    fn the_picture_stays_out_of_artifacts() {
        let ignore = headwater_storage::Ignore::new(&[], None);
        let out: Vec<_> = first().iter().map(|(path, _)| *path).filter(|path| ignore.is_ignored((*path).into(), false)).collect();
        assert_eq!(out, ["docs/pixel.gif"]);
    }
}
