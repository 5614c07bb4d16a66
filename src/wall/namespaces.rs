//! Namespaces, by bubblewrap: a program behind them sees PostgreSQL's files and one folder, no other
//! process, and no network.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{User, confine};

/// How each program begins.
const PREFIX: &str = "bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv \
                      --setenv LC_ALL C --setenv PATH /usr/bin:/bin --ro-bind /usr /usr \
                      --proc /proc --dev /dev --tmpfs /tmp --chdir /";

/// Links or folders at the root that lead to the system's programs and libraries.
const ROOTS: [&str; 5] = ["bin", "sbin", "lib", "lib32", "lib64"];
/// What the C library and PostgreSQL read besides; libraries such as LAPACK lie behind `alternatives`.
const SETTINGS: [&str; 5] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
];

/// What to put in front of a program. The error says why namespaces cannot be had.
pub(super) fn prefix(
    user: Option<User>,
    folder: &Path,
    readable: &[PathBuf],
) -> Result<Vec<OsString>, String> {
    let prefix = words(folder, readable);
    try_it(user, &prefix)?;
    Ok(prefix)
}

fn words(folder: &Path, readable: &[PathBuf]) -> Vec<OsString> {
    let mut words: Vec<OsString> = PREFIX.split_whitespace().map(OsString::from).collect();
    let mut add = |option: &str, path: &Path, at: &Path| {
        words.extend([option.into(), path.into(), at.into()]);
    };
    for root in ROOTS {
        let path = Path::new("/").join(root);
        match path.read_link() {
            Ok(target) => add("--symlink", &target, &path),
            Err(_) => add("--ro-bind-try", &path, &path),
        }
    }
    for path in SETTINGS.map(Path::new) {
        add("--ro-bind-try", path, path);
    }
    for path in readable {
        add("--ro-bind", path, path);
    }
    add("--bind", folder, folder);
    words
}

/// A file that a started program inherits, with the filter of system calls: bubblewrap applies it last,
/// by the file's number.
pub(super) fn filter_file() -> io::Result<File> {
    let program = super::filter::program().map_err(io::Error::other)?;
    let file = rustix::fs::memfd_create("filter", rustix::fs::MemfdFlags::empty())?;
    let mut file = File::from(file);
    file.write_all(&super::filter::bytes(&program))?;
    file.rewind()?;
    Ok(file)
}

/// Kernels, containers and distributions forbid namespaces in many ways: only a try shows.
fn try_it(user: Option<User>, prefix: &[OsString]) -> Result<(), String> {
    let Some((program, rest)) = prefix.split_first() else {
        return Err("nothing to try".to_owned());
    };
    let mut command = Command::new(program);
    command.args(rest).arg("/usr/bin/true");
    confine(&mut command, user);
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "this machine allows no namespaces ({})",
            String::from_utf8_lossy(&output.stderr)
                .trim()
                .trim_end_matches('.')
        )),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            Err("bubblewrap is missing (Debian, Ubuntu: apt install bubblewrap)".to_owned())
        }
        Err(why) => Err(format!("bubblewrap does not start: {why}")),
    }
}
