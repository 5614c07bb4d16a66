//! The wall around a server that runs what came out of a backup. Anybody who may write a schema, or sign
//! with a stolen key, decides what such a server executes: it gets no capability, no environment and
//! no network, and, where the system lets us, sees neither files nor processes of this machine.
//!
//! Always: `no_new_privs`, empty capability sets, another user where we are root, an empty
//! environment, and a filter of system calls. Beyond that bubblewrap's namespaces, where there is
//! bubblewrap and the kernel allows them. [`Wall::walls`] says which stand.

mod command;
pub(crate) mod container;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod namespaces;
mod spawner;

use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Walls;

use command::confine;
pub(crate) use command::{User, Walled};
use spawner::Spawner;

/// A wall that stands, ready for programs behind it.
pub struct Wall {
    user: Option<User>,
    /// What stands in front of each program's own words; empty without namespaces.
    prefix: Vec<std::ffi::OsString>,
    spawner: Spawner,
    /// What stands.
    pub walls: Walls,
    /// Why something does not stand, and what to install; empty where the wall is whole.
    pub missing: Vec<String>,
}

impl Wall {
    /// Builds what this machine allows. Programs behind it may write only below `folder`, and read
    /// what the system's own programs need and `readable`. They run as `user`, else as we do.
    pub fn build(user: Option<User>, folder: &Path, readable: &[PathBuf]) -> Result<Self> {
        let mut missing = Vec::new();
        let prefix = namespaces::prefix(user, folder, readable);
        let prefix = prefix.unwrap_or_else(|why| {
            missing.push(why);
            Vec::new()
        });
        let has_namespaces = !prefix.is_empty();
        // Bubblewrap needs a socket of another kind to set up its network: it applies the filter
        // itself, last.
        let spawner = Spawner::start(!has_namespaces, user.is_some())?;
        let refused = spawner.filter_refused.as_ref();
        missing.extend(
            refused.map(|why| format!("the kernel takes no filter of system calls: {why}")),
        );
        let has_filter = refused.is_none();
        Ok(Self {
            user,
            prefix,
            walls: Walls {
                network: has_namespaces || has_filter,
                files: has_namespaces,
                processes: has_namespaces,
                uid: user.is_some(),
            },
            spawner,
            missing,
        })
    }

    /// Whether programs behind it live in namespaces of their own: their process ids mean nothing
    /// outside, and they end with the process that started them.
    pub fn has_namespaces(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// A command that runs behind the wall once [`Wall::spawn`] starts it.
    pub fn command(&self, program: &Path) -> Result<Walled> {
        let Some((first, rest)) = self.prefix.split_first() else {
            return Ok(self.command_beside(program));
        };
        let filter = namespaces::filter_file();
        let filter = filter.context(|| "the filter of system calls".to_owned())?;
        let mut command = Command::new(first);
        command
            .args(rest)
            .args(["--seccomp", &filter.as_raw_fd().to_string(), "--"])
            .arg(program);
        confine(&mut command, self.user);
        Ok(Walled {
            command,
            filter: Some(filter),
        })
    }

    /// A command of the same user without namespaces, for what must outlive them.
    pub fn command_beside(&self, program: &Path) -> Walled {
        let mut command = Command::new(program);
        confine(&mut command, self.user);
        Walled {
            command,
            filter: None,
        }
    }

    pub fn spawn(&self, walled: Walled) -> Result<Child> {
        let what = format!("starting {}", walled.command.get_program().display());
        self.spawner.spawn(walled).context(|| what)
    }
}

/// Whether the walls that keep this machine's secrets stand.
pub(crate) fn is_whole(walls: Walls) -> bool {
    walls.network && walls.files && walls.processes
}

/// The user that a server runs as where we are root; `None` where we are not.
pub fn unprivileged() -> Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(name, "-u"), id(name, "-g")) {
            return Ok(Some(User { uid, gid }));
        }
    }
    Err(
        Error::refused("PostgreSQL does not run as root, and there is no user postgres or nobody")
            .hint("run the drill as another user"),
    )
}

fn id(name: &str, which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Keeps other processes of this user from reading our environment, memory and files, and us from
/// leaving a core. For `main`, before anything else.
pub fn hide_this_process() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Older kernels and odd sandboxes refuse: the drill's other walls do not rest on it.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

#[cfg(not(target_os = "linux"))]
mod namespaces {
    use std::fs::File;

    use super::{Path, PathBuf, User};

    pub fn prefix(
        _: Option<User>,
        _: &Path,
        _: &[PathBuf],
    ) -> Result<Vec<std::ffi::OsString>, String> {
        Err("this system has no namespaces: drill on Linux".to_owned())
    }

    pub fn filter_file() -> std::io::Result<File> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
