//! OpenSSH's own server on a loopback port, with its keys, its users' keys and its repositories in a folder of its own.

mod pair;

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

pub use pair::{Pair, keygen, write_private};

use crate::{PATIENCE, command, eventually, git::Repository, needs, port, process::Process};

/// A command that a client has sent.
#[derive(Debug)]
pub struct Asked {
    /// The value of `GIT_PROTOCOL`; empty when there is none.
    pub protocol: String,
    /// The command line.
    pub command: String,
}

/// The server. The user that runs the tests may log in, with one of the authorized keys.
#[derive(Debug)]
pub struct Sshd {
    // Ends before its folder goes.
    process: Process,
    folder: TempDir,
    /// Its port on loopback.
    pub port: u16,
    /// The user that may log in.
    pub user: &'static str,
    /// The key that may log in from the start.
    pub client: Pair,
    /// The host keys, in the order of the configuration: Ed25519, ECDSA, RSA.
    pub hosts: Vec<Pair>,
    options: Vec<String>,
}

/// The shell script that runs the command of a client, as its login shell would.
const OBEY: &str = "exec sh -c \"$SSH_ORIGINAL_COMMAND\"";

impl Sshd {
    /// A server that listens.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Like [`Self::start`]; each option is a line of `sshd_config` and replaces those of its keyword.
    pub async fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut sshd = Self {
            process: Process::new(folder.path().join("log")),
            port: port::free(),
            user: user(),
            client: Pair::fixed("client"),
            hosts: ["host-ed25519", "host-ecdsa", "host-rsa"].map(Pair::fixed).to_vec(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            folder,
        };
        fs::create_dir(sshd.root()).unwrap();
        sshd.authorize(&sshd.client.public.clone());
        sshd.answer(OBEY);
        sshd.listen().await;
        sshd
    }

    /// Refuses connections; those that are open stay.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Stops, and is there again on the same port with these host keys.
    pub async fn restart(&mut self, hosts: Vec<Pair>) {
        self.stop();
        self.hosts = hosts;
        self.listen().await;
    }

    /// Is there again with a certificate of an authority for its Ed25519 key, made by `ssh-keygen -s` with these arguments, such as `-h`.
    pub async fn certify(&mut self, authority: &Pair, arguments: &[&str]) {
        let path = |name| self.folder.path().join(name).display().to_string();
        let (signer, key) = (path("authority"), path("certified.pub"));
        write_private(Path::new(&signer), &authority.private);
        fs::write(&key, &self.hosts[0].public).unwrap();
        keygen(&[&["-q", "-s", &signer, "-I", "a host"], arguments, &[&key]].concat());
        self.options.retain(|option| !option.starts_with("HostCertificate"));
        self.options.push(format!("HostCertificate {}", path("certified-cert.pub")));
        self.restart(self.hosts.clone()).await;
    }

    /// Lets the owner of a key log in as well.
    pub fn authorize(&self, public: &str) {
        let path = self.folder.path().join("authorized_keys");
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{text}{public}\n")).unwrap();
    }

    /// Runs this shell script instead of what a client asks for; its command is in `SSH_ORIGINAL_COMMAND`.
    pub fn answer(&self, script: &str) {
        let seen = self.folder.path().join("seen");
        let script = format!(
            "export GIT_CONFIG_GLOBAL=/dev/null\nprintf '%s\\t%s\\0' \"$GIT_PROTOCOL\" \"$SSH_ORIGINAL_COMMAND\" >>{}\n{script}\n",
            seen.display()
        );
        fs::write(self.folder.path().join("command"), script).unwrap();
    }

    /// Obeys clients again, with these variables (`NAME=value`) in git's environment.
    pub fn obey_with(&self, environment: &[&str]) {
        self.answer(&format!("export {}\n{OBEY}", environment.join(" ")));
    }

    /// The commands of clients so far.
    pub fn asked(&self) -> Vec<Asked> {
        let text = fs::read_to_string(self.folder.path().join("seen")).unwrap_or_default();
        text.split_terminator('\0')
            .map(|entry| entry.split_once('\t').unwrap())
            .map(|(protocol, command)| Asked { protocol: protocol.to_owned(), command: command.to_owned() })
            .collect()
    }

    /// A new empty repository.
    pub fn repository(&self, name: &str) -> Repository {
        Repository::init(&self.root().join(name))
    }

    /// The folder of the repositories.
    pub fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("repositories")
    }

    /// The URL of the repository of that name; the name is written as it is to stand in a URL.
    pub fn url(&self, name: &str) -> String {
        self.url_at(self.port, name)
    }

    /// Like [`Self::url`], through something that passes another port on to this server.
    pub fn url_at(&self, port: u16, name: &str) -> String {
        format!("ssh://{}@127.0.0.1:{port}{}/{name}", self.user, self.root().display())
    }

    /// The host as `known_hosts` has it.
    pub fn host(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// A `known_hosts` with all keys of the host.
    pub fn known_hosts(&self) -> String {
        self.known_hosts_as(&self.host())
    }

    /// Like [`Self::known_hosts`], with another pattern for the host.
    pub fn known_hosts_as(&self, pattern: &str) -> String {
        let lines: Vec<_> = self.hosts.iter().map(|pair| format!("{pattern} {}", pair.public)).collect();
        lines.join("\n") + "\n"
    }

    /// The messages of the server about itself and its clients, at `DEBUG1`.
    pub fn log(&self) -> String {
        self.process.log()
    }

    async fn listen(&mut self) {
        let config = self.configure();
        self.process.spawn(command(binary()).arg("-D").arg("-E").arg(self.folder.path().join("log")).arg("-f").arg(config));
        eventually(PATIENCE, async || {
            assert!(self.process.is_running(), "sshd ended: {}", self.log());
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|e| e.to_string())?;
            let mut banner = [0; 8];
            stream.read_exact(&mut banner).await.map_err(|e| e.to_string())?;
            if &banner == b"SSH-2.0-" { Ok(()) } else { Err(format!("it says {banner:?}")) }
        })
        .await;
    }

    fn configure(&self) -> PathBuf {
        let folder = self.folder.path();
        let mut lines = vec![
            format!("Port {}", self.port),
            "ListenAddress 127.0.0.1".to_owned(),
            format!("AuthorizedKeysFile {}", folder.join("authorized_keys").display()),
            format!("ForceCommand sh {}", folder.join("command").display()),
            // Or the user's shell does whatever it does for him at each login.
            format!("SetEnv HOME={}", folder.display()),
        ];
        lines.extend(
            [
                "AcceptEnv GIT_PROTOCOL",
                "PermitRootLogin yes",
                "PidFile none",
                "StrictModes no",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "LogLevel DEBUG1",
                "LoginGraceTime 20",
                "MaxStartups 1000",
            ]
            .map(str::to_owned),
        );
        let keyword = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        lines.retain(|line| !self.options.iter().any(|option| keyword(option) == keyword(line)));
        lines.extend(self.options.iter().cloned());
        for (number, pair) in self.hosts.iter().enumerate() {
            let path = folder.join(format!("host{number}"));
            write_private(&path, &pair.private);
            fs::write(path.with_extension("pub"), &pair.public).unwrap();
            lines.push(format!("HostKey {}", path.display()));
        }
        let path = folder.join("config");
        fs::write(&path, lines.join("\n") + "\n").unwrap();

        // Newer releases lock out an address that has failed to log in some times; older ones do not know the option.
        let lenient = command(binary()).args(["-t", "-o", "PerSourcePenalties=no", "-f"]).arg(&path).stderr(Stdio::null()).status();
        if lenient.unwrap().success() {
            fs::write(&path, lines.join("\n") + "\nPerSourcePenalties no\n").unwrap();
        }
        path
    }
}

/// The server's program; it insists on being started by its whole path.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if user() == "root" {
            // Where the system starts no sshd of its own, nothing makes the folder in which a root's sshd locks itself up.
            let _ = fs::DirBuilder::new().mode(0o755).recursive(true).create("/run/sshd");
        }
        needs::find("sshd").unwrap_or_else(|| panic!("there is no sshd: the test has to look for it with needs!"))
    })
}

/// The user that runs the tests.
fn user() -> &'static str {
    static USER: OnceLock<String> = OnceLock::new();
    USER.get_or_init(|| String::from_utf8(command("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned())
}
