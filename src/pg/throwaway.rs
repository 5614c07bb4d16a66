//! A PostgreSQL server of our own, for as long as it is needed: in a temporary folder, reachable by
//! its socket only, gone afterwards whatever happens.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::conninfo::Server;
use super::tools::{self, Dirs, Tool, ToolPath, last_lines};
use crate::error::{Context, Error, Kind, Result};

/// Its superuser.
const USER: &str = "postgres";
/// No TCP: nobody else's port is taken.
const PORT: u16 = 5432;
/// What a socket's path may have at most, less `/.s.PGSQL.5432`.
const MAX_SOCKET_FOLDER: usize = 90;

/// Nothing in it outlives the drill, so nothing is made durable. Background work that could change
/// rows or start jobs of the restored database stays off.
const SETTINGS: &str = "listen_addresses = ''
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
max_replication_slots = 0
max_logical_replication_workers = 0
shared_buffers = 128MB
max_locks_per_transaction = 1024
autovacuum = off
shared_preload_libraries = ''
log_min_messages = warning
";

/// Ends the server when its standard input does: when we close it, or when we are no more.
const KEEPER: &str = r#"
read -r _
"$1" --pgdata="$2/data" --mode=immediate --silent stop >/dev/null 2>&1
rm -rf "$2"
"#;

/// A running server and its folder.
pub struct Throwaway {
    keeper: Child,
    folder: TempDir,
    server: Server,
    /// Such as "15.4".
    pub version: String,
}

/// Who runs it: PostgreSQL refuses root.
#[derive(Debug, Clone, Copy)]
struct Unprivileged {
    uid: u32,
    gid: u32,
}

impl Throwaway {
    /// Starts one of major version `want` or newer below `base`; returns once it answers.
    pub fn start(want: u32, dirs: &Dirs, base: &Path) -> Result<Self> {
        let initdb = tools::find(Tool::InitDb, want, true, dirs)?;
        let beside = |tool| sibling(&initdb, tool);
        let (postgres, pg_ctl) = (beside(Tool::Postgres)?, beside(Tool::PgCtl)?);
        let user = unprivileged()?;
        let folder = tempfile::Builder::new()
            .prefix("lifeboat-drill-")
            // Whoever gets at the socket is a superuser.
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)
            .context(|| format!("cannot make a folder in {}", base.display()))?;
        let path = folder.path();
        if path.as_os_str().len() > MAX_SOCKET_FOLDER {
            return Err(Error::usage(format!(
                "{} is too long a path for a server's socket",
                path.display()
            ))
            .hint("name a shorter folder for drills"));
        }
        if let Some(user) = user {
            chown(path, Some(user.uid), Some(user.gid))
                .context(|| format!("cannot give {} away", path.display()))?;
        }
        let keeper = keeper(&pg_ctl, path, user)?;
        let started = Self {
            keeper,
            server: server(path)?,
            version: initdb.version.clone(),
            folder,
        };
        // From here on dropping `started` removes all of it.
        started.initialise(&initdb, user)?;
        started.launch(&pg_ctl, &postgres, user)?;
        Ok(started)
    }

    /// Where it answers, as a superuser; the database is `postgres`.
    pub fn server(&self) -> &Server {
        &self.server
    }

    fn initialise(&self, initdb: &ToolPath, user: Option<Unprivileged>) -> Result<()> {
        let data = self.folder.path().join("data");
        let mut command = as_user(&initdb.path, user);
        command
            .arg(format!("--username={USER}"))
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(&data);
        finish(&mut command, "initdb")?;
        let file = data.join("postgresql.auto.conf");
        let socket = format!(
            "unix_socket_directories = '{}'\n",
            self.folder.path().display().to_string().replace('\'', "''")
        );
        fs::write(&file, format!("{SETTINGS}{socket}"))
            .context(|| format!("cannot write {}", file.display()))
    }

    fn launch(
        &self,
        pg_ctl: &ToolPath,
        postgres: &ToolPath,
        user: Option<Unprivileged>,
    ) -> Result<()> {
        let log = self.folder.path().join("log");
        let mut command = as_user(&pg_ctl.path, user);
        command
            .arg("--pgdata")
            .arg(self.folder.path().join("data"))
            .arg("--log")
            .arg(&log)
            .arg("-p")
            .arg(&postgres.path)
            .args(["--wait", "--timeout=60", "--silent", "start"]);
        finish(&mut command, "pg_ctl start").map_err(|error| {
            let said = fs::read(&log).unwrap_or_default();
            error.because(Error::failed(format!(
                "the server's log ends with: {}",
                last_lines(&said)
            )))
        })
    }
}

impl Drop for Throwaway {
    /// Returns when server and folder are gone.
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// In a process group of its own: Ctrl-C is for us, and we end it in order.
fn keeper(pg_ctl: &ToolPath, folder: &Path, user: Option<Unprivileged>) -> Result<Child> {
    let mut command = as_user(Path::new("/bin/sh"), user);
    command
        .args(["-c", KEEPER, "lifeboat-drill"])
        .arg(&pg_ctl.path)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context(|| "cannot start /bin/sh".to_owned())
}

fn server(folder: &Path) -> Result<Server> {
    let quoted = folder
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('\'', "\\'");
    let input = super::conninfo::Input {
        url: Some(&format!(
            "host='{quoted}' port={PORT} user={USER} dbname=postgres sslmode=disable"
        )),
        ..Default::default()
    };
    // The environment of this process is meant for the source.
    Server::resolve(input, &|_| None)
}

/// The program of the same installation.
fn sibling(of: &ToolPath, tool: Tool) -> Result<ToolPath> {
    let path = of.path.with_file_name(tool.name());
    if path.is_file() {
        return Ok(ToolPath {
            tool,
            path,
            ..of.clone()
        });
    }
    Err(Error::new(
        Kind::NotFound,
        format!("{} has initdb, but no {tool}", parent(&of.path).display()),
    )
    .hint("a drill needs PostgreSQL's server package, not only its client's"))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// `None` where we are not root ourselves.
fn unprivileged() -> Result<Option<Unprivileged>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(name, "-u"), id(name, "-g")) {
            return Ok(Some(Unprivileged { uid, gid }));
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

/// A command of the unprivileged user, without this process's `PG*` variables.
fn as_user(program: &Path, user: Option<Unprivileged>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    // Where we stand may be closed to that user.
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Runs it to its end. Its output goes to a file: a server that it leaves behind would keep a pipe
/// open.
fn finish(command: &mut Command, what: &str) -> Result<()> {
    let mut said = tempfile::tempfile().context(|| "cannot make a temporary file".to_owned())?;
    let handle = || said.try_clone().context(|| "a temporary file".to_owned());
    let status = command
        .stdout(handle()?)
        .stderr(handle()?)
        .status()
        .context(|| format!("starting {what}"))?;
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    let _ = std::io::Seek::rewind(&mut said).and_then(|()| said.read_to_end(&mut text));
    Err(Error::failed(format!("{what}: {status}")).because(Error::failed(last_lines(&text))))
}

/// Bytes that an unprivileged user may still write below a folder.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(folder)
        .map_err(std::io::Error::from)
        .context(|| format!("cannot look at the disk of {}", folder.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_gone_afterwards() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let dirs = Dirs::system(Vec::new());
        let throwaway = Throwaway::start(15, &dirs, base.path()).unwrap();
        let folder = throwaway.folder.path().to_owned();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(folder.join(".s.PGSQL.5432").exists());
        drop(throwaway);
        assert!(!folder.exists());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
