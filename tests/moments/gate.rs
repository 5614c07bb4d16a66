//! A pg_dump that stops before it begins: the moment in which names change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

/// While it is closed, an export has its snapshot and locks, and its pg_dump has not begun.
pub struct Gate {
    folder: PathBuf,
}

impl Gate {
    /// Configures exports from servers of this version to stop there.
    pub fn closed(lifeboat: &Lifeboat, major: Major) -> Self {
        let folder = lifeboat.folder().join("gate");
        fs::create_dir(&folder).unwrap();
        let (gate, real) = (folder.display(), major.bin().join("pg_dump"));
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) exec {real} \"$@\";; esac\n\
             echo run >> {gate}/runs\nwhile [ ! -e {gate}/open ]; do /bin/sleep 0.02; done\n\
             exec {real} \"$@\"\n",
            real = real.display()
        );
        let program = folder.join("pg_dump");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        lifeboat.configure(&format!(
            "[export]\nddl_wait = \"1s\"\npg_bin = [{folder:?}, {:?}]",
            major.bin()
        ));
        Self { folder }
    }

    /// How often pg_dump has begun.
    pub fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.folder.join("runs")).unwrap_or_default();
        runs.lines().count()
    }

    /// Waits until an export has come this far.
    pub fn wait(&self) {
        let begun = Instant::now();
        while self.runs() == 0 {
            assert!(begun.elapsed().as_secs() < 120, "pg_dump never began");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn open(&self) {
        fs::write(self.folder.join("open"), "").unwrap();
    }

    /// Exports; in the moment between snapshot and pg_dump, `meanwhile` happens.
    pub fn export(
        &self,
        lifeboat: &Lifeboat,
        database: &Database,
        meanwhile: impl FnOnce(),
    ) -> Ran {
        let export = self.start(lifeboat, &database.url());
        self.wait();
        meanwhile();
        self.open();
        Ran::of(&export.wait_with_output().unwrap())
    }

    pub fn start(&self, lifeboat: &Lifeboat, url: &str) -> Child {
        lifeboat
            .command(["export", "--source", url, "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}
