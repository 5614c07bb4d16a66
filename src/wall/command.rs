//! Commands that run behind the wall, and as whom.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The user that runs a server; PostgreSQL refuses root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

/// A command that only a [`super::Wall`] starts.
pub struct Walled {
    pub command: Command,
    /// Stays open until bubblewrap has started and read it by its number.
    #[expect(dead_code, reason = "only kept open")]
    pub(super) filter: Option<File>,
}

/// Nothing of our own environment is passed on.
pub(super) fn confine(command: &mut Command, user: Option<User>) {
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        // Where we stand may be closed to that user.
        .current_dir("/")
        .stdin(Stdio::null())
        // Ctrl-C is for us, and we end it in order.
        .process_group(0);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
}
