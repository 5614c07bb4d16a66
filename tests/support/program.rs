//! The binary, run as a user runs it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::{Cluster, PASSWORD};

/// A repository in a folder of its own, with keys and configuration as `init` wrote them.
pub struct Lifeboat {
    folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The one JSON document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON document: {self:?}"))
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Failed with a cause and a hint, one line each, and without a panic.
    #[track_caller]
    pub fn failed(self, code: i32, cause: &str) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(all.contains(cause), "no '{cause}' in:\n{all}");
        assert!(all.contains("hint"), "no hint in:\n{all}");
        assert!(
            !all.contains("panicked") && !all.contains("RUST_BACKTRACE"),
            "{all}"
        );
        self
    }
}

/// A recipient besides `init`'s, as one alone is a finding.
pub fn second_recipient() -> String {
    let (_, recipient) = lifeboat::testing::codec::new_identity();
    format!("[[recipient]]\nname = \"second\"\nkey = \"{recipient}\"")
}

impl Lifeboat {
    /// `lifeboat init` of a directory repository.
    pub fn init() -> Self {
        let it = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let repository = it.repository();
        it.bare([
            "init",
            "--repository",
            repository.to_str().unwrap(),
            "--config",
            "lifeboat.toml",
        ])
        .ok();
        it.configure(&second_recipient());
        it
    }

    /// Nothing but a folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Adds lines to the configuration.
    pub fn configure(&self, lines: &str) {
        self.configure_in("lifeboat.toml", lines);
    }

    /// The same for another file below the folder.
    pub fn configure_in(&self, file: &str, lines: &str) {
        let config = self.folder().join(file);
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{text}\n{lines}\n")).unwrap();
    }

    /// Adds a source: the database `postgres` of a cluster, by its password.
    pub fn source(&self, name: &str, cluster: &Cluster) {
        let file = self.folder().join(format!("{name}.password"));
        std::fs::write(&file, PASSWORD).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.configure(&format!(
            "[[source]]\nname = \"{name}\"\nurl = \"postgresql://postgres@127.0.0.1:{}/postgres\"\n\
             password_file = \"{name}.password\"\ndatabases = [\"postgres\"]",
            cluster.port
        ));
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn repository(&self) -> PathBuf {
        self.folder().join("repository")
    }

    /// What `--trust` takes.
    pub fn fingerprint(&self) -> String {
        let text = std::fs::read_to_string(self.folder().join("lifeboat.toml")).unwrap();
        let (_, rest) = text.split_once("trust = [\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    pub fn identity(&self) -> PathBuf {
        self.folder().join("break-glass.key")
    }

    /// A command that nothing of this machine's settings reaches.
    pub fn command<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(args.into_iter().map(|arg| arg.as_ref().to_owned()))
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder().join("no-home"))
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// Runs without adding a configuration.
    pub fn bare<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// Runs with this repository's configuration, which lies in the working folder, as JSON.
    pub fn run<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let mut args: Vec<String> = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        args.push("--json".to_owned());
        self.bare(args)
    }

    /// Runs what must succeed; returns how much memory it had at most.
    #[track_caller]
    pub fn peak_kib(&self, args: &[&str]) -> u64 {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak_kib = 0;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let mut lines = text.lines();
            let words = lines.find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = words.and_then(|words| words.split_whitespace().next()?.parse().ok());
            peak_kib = peak_kib.max(kib.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(child.wait().unwrap().success());
        assert!(peak_kib > 0, "it ended before its memory was read");
        peak_kib
    }

    /// Exports one database and returns the report on it.
    #[track_caller]
    pub fn export(&self, url: &str) -> Value {
        let ran = self.run(["export", "--source", url]).ok();
        ran.json()["result"]["databases"][0].clone()
    }

    /// Verifies every stored byte and every row of a point.
    #[track_caller]
    pub fn verify(&self, id: &str) -> Value {
        let identity = self.identity();
        self.run([
            "verify",
            id,
            "--data",
            "--identity",
            identity.to_str().unwrap(),
        ])
        .ok()
        .json()["result"]
            .clone()
    }

    /// Drills the latest point in a folder that every user may write to: the drill's server runs as another one.
    pub fn drill(&self, flags: &[&str]) -> Ran {
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o1777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let (identity, folder) = (self.identity(), folder.path().to_str().unwrap());
        let identity = ["--identity", identity.to_str().unwrap()];
        let drill = ["drill", "latest", "--folder", folder];
        self.bare([&drill[..], &identity, flags].concat())
    }

    /// The sealed catalog of a point.
    #[track_caller]
    pub fn catalog(&self, id: &str) -> Value {
        let identity = self.identity();
        self.run(["show", id, "--identity", identity.to_str().unwrap()])
            .ok()
            .json()["result"]["catalog"]
            .clone()
    }
}
