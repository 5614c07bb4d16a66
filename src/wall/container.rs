//! What keeps a server in another container apart from this process, looked at rather than taken for
//! granted: "a second container" may as well be a process beside us with a wrong setting.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

use super::command::User;
use crate::error::{Result, ResultExt};
use crate::model::attestation::Walls;

/// The kernel's first process namespace: who lives in it sees every process of the machine.
const FIRST_PROCESSES: &str = "pid:[4026531836]";

/// Where a process lives, by the numbers that tell one container from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Container {
    /// Its mount namespace, such as `mnt:[4026531841]`.
    pub mounts: String,
    /// Its process namespace.
    pub processes: String,
    /// Device and inode of its root folder. A mount namespace alone proves little: a new one begins
    /// with the same files.
    pub root: (u64, u64),
}

/// Who answered on a socket: the kernel's word, as this process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub user: User,
    /// 0 where it is no process of our namespace; `None` where the system does not tell.
    pub pid: Option<i32>,
}

impl Container {
    /// This process's own.
    pub(crate) fn own() -> Result<Self> {
        let link = |path: &str| -> Result<String> {
            let link = fs::read_link(path).context(|| format!("cannot read {path}"))?;
            Ok(link.display().to_string())
        };
        let root = fs::metadata("/").context(|| "cannot look at the root folder".to_owned())?;
        Ok(Self {
            mounts: link("/proc/self/ns/mnt")?,
            processes: link("/proc/self/ns/pid")?,
            root: (root.dev(), root.ino()),
        })
    }

    /// What separates a process of `peer` in `other` from this one. User and processes go by the kernel,
    /// the files by what the other says of itself.
    pub(crate) fn walls_towards(&self, other: &Self, peer: Peer) -> Walls {
        Walls {
            network: false,
            files: self.mounts != other.mounts && self.root != other.root,
            processes: self.processes != other.processes
                && other.processes != FIRST_PROCESSES
                && is_elsewhere(peer.pid, &self.processes),
            uid: peer.user.uid != rustix::process::geteuid().as_raw(),
        }
    }
}

/// Whether a process with this number lives in another process namespace than ours, `own`. One that we
/// can see, because its namespace was made below ours, is looked up.
fn is_elsewhere(pid: Option<i32>, own: &str) -> bool {
    match pid {
        None => false,
        Some(0) => true,
        Some(pid) => fs::read_link(format!("/proc/{pid}/ns/pid"))
            .is_ok_and(|link| link.display().to_string() != own),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn container(number: u64) -> Container {
        Container {
            mounts: format!("mnt:[{number}]"),
            processes: format!("pid:[{number}]"),
            root: (number, 2),
        }
    }

    fn peer(uid: u32, pid: i32) -> Peer {
        Peer {
            user: User { uid, gid: 0 },
            pid: Some(pid),
        }
    }

    #[test]
    fn a_process_beside_us_is_walled_by_nothing() {
        let own = Container::own().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(own.walls_towards(&own, peer(uid, pid)), Walls::default());
        // It may say what it likes of its processes: the kernel shows it to us, in our namespace.
        let liar = container(7);
        assert!(!own.walls_towards(&liar, peer(uid, pid)).processes);
    }

    #[test]
    fn another_container_walls_files_processes_and_user() {
        let uid = rustix::process::geteuid().as_raw() + 1;
        let walls = container(1).walls_towards(&container(2), peer(uid, 0));
        assert!(walls.files && walls.processes && walls.uid, "{walls}");
        assert!(!walls.network, "that is for the server's own wall to say");
    }

    #[test]
    fn the_same_root_or_the_machines_own_processes_are_no_wall() {
        let (own, mut other) = (container(1), container(2));
        other.root = own.root;
        other.processes = FIRST_PROCESSES.to_owned();
        let walls = own.walls_towards(&other, peer(0, 0));
        assert!(!walls.files && !walls.processes, "{walls}");
    }
}
