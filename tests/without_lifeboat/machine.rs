//! A machine on which lifeboat is absent, and a restore point to bring back there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, variable};

/// All that restore.sh may use, besides PostgreSQL's client.
const TOOLS: &str = "age awk base64 bash cat cp cut date grep head mktemp openssl rm sed sha256sum \
                     sort tr zstd";

/// A machine without lifeboat: a folder of tools, and nothing else on PATH.
pub struct Machine {
    pub folder: TempDir,
}

impl Machine {
    pub fn new(client: Major) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let add = |tool: &str, path: PathBuf| symlink(path, folder.path().join(tool)).unwrap();
        for tool in TOOLS.split_whitespace() {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            add(
                tool,
                found.into_iter().find(|path| path.exists()).expect(tool),
            );
        }
        for tool in ["psql", "pg_restore"] {
            add(tool, client.bin().join(tool));
        }
        add(
            "aws",
            Path::new(&variable("LIFEBOAT_TEST_TOOLS")).join("aws"),
        );
        Self { folder }
    }

    /// Takes a tool away.
    pub fn without(self, tool: &str) -> Self {
        fs::remove_file(self.folder.path().join(tool)).unwrap();
        self
    }

    /// Another tool in the place of one that was taken away: a script of `sh`.
    pub fn put(&self, tool: &str, script: &str) {
        let path = self.folder.path().join(tool);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn bash<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.folder.path().join("bash"));
        command
            .args(args)
            .env_clear()
            .env("PATH", self.folder.path());
        command
    }
}

/// A point in a directory repository.
pub struct Point {
    pub lifeboat: Lifeboat,
    pub id: String,
}

impl Point {
    pub fn of(database: &Database) -> Self {
        Self::at(&database.url(), database.major)
    }

    pub fn at(url: &str, major: Major) -> Self {
        let lifeboat = Lifeboat::init();
        lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", major.bin()));
        let id = lifeboat.export(url)["id"].as_str().unwrap().to_owned();
        Self { lifeboat, id }
    }

    /// The only file below `folder` of the repository whose path holds both.
    pub fn find(&self, folder: &str, ending: &str) -> PathBuf {
        let mut found = Vec::new();
        files(&self.lifeboat.repository().join(folder), &mut found);
        found.retain(|path| {
            let path = path.to_str().unwrap();
            path.contains(&self.id) && path.ends_with(ending)
        });
        found.sort();
        found.first().expect(ending).clone()
    }

    pub fn manifest(&self) -> String {
        let path = self.find("manifests", ".json");
        path.strip_prefix(self.lifeboat.repository())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    }

    pub fn restore(&self, machine: &Machine, trust: &str, target: &str) -> Ran {
        self.restore_with(machine, trust, target, &[])
    }

    pub fn restore_with(
        &self,
        machine: &Machine,
        trust: &str,
        target: &str,
        flags: &[&str],
    ) -> Ran {
        let script = self.find("parts", "/restore.sh");
        let repository = format!("file://{}", self.lifeboat.repository().display());
        let command = &mut machine.bash([script.to_str().unwrap(), "--repository", &repository]);
        command.args([
            "--manifest",
            &self.manifest(),
            "--trust",
            trust,
            "--target",
            target,
        ]);
        command.args(flags);
        Ran::of(
            &command
                .arg("--identity")
                .arg(self.lifeboat.identity())
                .output()
                .unwrap(),
        )
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}
