//! A PostgreSQL server of our own, for as long as it is needed: in a temporary folder, behind a wall,
//! reachable by its socket only, gone afterwards whatever happens.

mod installation;
mod logins;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Error, Result, ResultExt};
use crate::pg::local::tools::{self, Dirs, Tool, ToolPath, last_lines};
use crate::quote::config_line;
use crate::wall::{self, User, Wall, Walled};

pub(crate) use installation::to_preload;
use installation::{preloaded, sibling};
pub use logins::Logins;
use logins::admission;
pub(crate) use logins::{SOCKET_FILE, login};

/// What a socket's path may have at most, less `/.s.PGSQL.5432`.
const MAX_SOCKET_FOLDER: usize = 90;
/// What the folder's name begins with where other users may come to the socket.
pub(crate) const SHARED_PREFIX: &str = "lifeboat-server-";
/// How long a new server may take to answer.
const START: Duration = Duration::from_secs(60);

/// Nothing in it outlives the drill, so nothing is made durable, and its log only says why it does not
/// start: a function could fill the disk with warnings. Background work that could change
/// rows or start jobs of the restored database stays off. Rows of large objects are compared by a
/// login that owns none.
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
lo_compat_privileges = on
log_min_messages = fatal
log_min_error_statement = panic
";

/// Takes the folder away once its standard input ends: when we close it, or when we are no more. A
/// server without namespaces of its own is stopped first; others ended with us.
const KEEPER: &str = r#"
read -r _
[ -z "$1" ] || "$1" --pgdata="$2/data" --mode=immediate --silent stop >/dev/null 2>&1
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$2" 2>/dev/null
    [ -e "$2" ] || exit 0
    sleep 0.2
done
"#;

/// The server that a drill asks for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerRequest {
    /// Of this major version or a newer one.
    pub major: u32,
    pub logins: Logins,
    /// Extensions that must be loaded as the server starts: see [`to_preload`].
    pub extensions: Vec<String>,
    /// The drill's database, which a job scheduler's extension must know.
    pub database: String,
}

/// Where the server is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub server: ServerRequest,
    pub tool_dirs: Dirs,
    /// The server's folder is made below.
    pub base: PathBuf,
    /// Whether users other than ours may come to its socket.
    pub shared: bool,
}

/// A running server and its folder.
pub(crate) struct Throwaway {
    keeper: Child,
    postmaster: Option<Child>,
    folder: TempDir,
    pub wall: Wall,
    /// Such as "15.4".
    pub version: String,
}

impl Throwaway {
    /// Starts one; returns once it answers.
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let mut initdb = tools::find(Tool::InitDb, options.server.major, true, &options.tool_dirs)?;
        // Behind the wall, links that lead outside are broken.
        initdb.path = (initdb.path.canonicalize()).context(|| initdb.path.display().to_string())?;
        let beside = |tool| sibling(&initdb, tool);
        let (postgres, pg_ctl) = (beside(Tool::Postgres)?, beside(Tool::PgCtl)?);
        let user = wall::unprivileged()?;
        let folder = make_folder(options, user)?;
        let wall = Wall::build(
            user,
            folder.path(),
            &installation::readable(&initdb, &postgres),
        )?;
        let keeper = keeper(&wall, &pg_ctl, folder.path())?;
        let mut started = Self {
            keeper,
            postmaster: None,
            folder,
            wall,
            version: initdb.version.clone(),
        };
        // From here on dropping `started` removes all of it.
        started.initialise(&initdb, options)?;
        started.launch(&postgres)?;
        Ok(started)
    }

    /// Its socket's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the server still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        let postmaster = self.postmaster.as_mut();
        postmaster.is_some_and(|postmaster| matches!(postmaster.try_wait(), Ok(None)))
    }

    fn initialise(&self, initdb: &ToolPath, options: &Options) -> Result<()> {
        let data = self.folder.path().join("data");
        let mut walled = self.wall.command(&initdb.path)?;
        walled
            .command
            .arg(format!("--username={}", options.server.logins.superuser))
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(&data);
        self.finish(walled, "initdb")?;
        self.write("data/pg_hba.conf", &admission(&options.server.logins))?;
        let mut settings = SETTINGS.to_owned();
        let mut set = |name, value: &str| settings += &config_line(name, value);
        let socket = self.folder.path().display().to_string();
        set("unix_socket_directories", &socket);
        if options.shared {
            // A container's /dev/shm is small: what parallel workers share goes to the folder.
            set("dynamic_shared_memory_type", "mmap");
        }
        let preloaded = preloaded(initdb, &options.server.extensions);
        set("shared_preload_libraries", &preloaded.join(","));
        if !preloaded.is_empty() {
            set("max_worker_processes", "0");
        }
        if preloaded.contains(&"pg_cron") {
            set("cron.database_name", &options.server.database);
        }
        self.write("data/postgresql.auto.conf", &settings)
    }

    /// Written as the server's user: the folder is theirs, and so is where a link in it may lead.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.path().join(name);
        let what = || format!("cannot write {}", file.display());
        let mut writer = spawn_shell(&self.wall, "exec cat >\"$1\"", &[&file])?;
        if let Some(mut input) = writer.stdin.take() {
            input.write_all(text.as_bytes()).context(what)?;
        }
        match writer.wait().context(what)? {
            status if status.success() => Ok(()),
            status => Err(Error::failed(format!("{}: {status}", what()))),
        }
    }

    fn launch(&mut self, postgres: &ToolPath) -> Result<()> {
        let log = self.folder.path().join("log");
        let what = || format!("cannot write {}", log.display());
        let file = File::create_new(&log).context(what)?;
        let mut walled = self.wall.command(&postgres.path)?;
        walled
            .command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .stdout(file.try_clone().context(what)?)
            .stderr(file);
        let postmaster = self.wall.spawn(walled)?;
        let postmaster = self.postmaster.insert(postmaster);
        let ready = wait_until_ready(postmaster, &self.folder.path().join("data/postmaster.pid"));
        ready.map_err(|error| {
            let said = fs::read(&log).unwrap_or_default();
            error.because(Error::failed(format!(
                "the server's log ends with: {}",
                last_lines(&said)
            )))
        })
    }

    /// Runs it to its end. Its output goes to a file: a server that it leaves behind would keep a pipe
    /// open.
    fn finish(&self, mut walled: Walled, what: &str) -> Result<()> {
        let mut said =
            tempfile::tempfile().context(|| "cannot make a temporary file".to_owned())?;
        let handle = || said.try_clone().context(|| "a temporary file".to_owned());
        walled.command.stdout(handle()?).stderr(handle()?);
        let mut child = self.wall.spawn(walled)?;
        let status = child.wait().context(|| format!("waiting for {what}"))?;
        if status.success() {
            return Ok(());
        }
        let mut text = Vec::new();
        let _ = std::io::Seek::rewind(&mut said).and_then(|()| said.read_to_end(&mut text));
        Err(Error::failed(format!("{what}: {status}")).because(Error::failed(last_lines(&text))))
    }
}

impl Drop for Throwaway {
    /// Returns when server and folder are gone.
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            stop(&mut postmaster, self.wall.has_namespaces());
        }
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Nothing of it is kept: it need not end well, only wholly. All that lives in a namespace ends with
/// its first process.
fn stop(postmaster: &mut Child, has_namespaces: bool) {
    let pid = i32::try_from(postmaster.id()).ok();
    let pid = pid.and_then(rustix::process::Pid::from_raw);
    match pid.filter(|_| !has_namespaces) {
        // PostgreSQL's own immediate shutdown: it takes its children along.
        Some(pid) => {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        None => {
            let _ = postmaster.kill();
        }
    }
    let _ = postmaster.wait();
}

/// As pg_ctl does: the server writes into its file when it takes connections.
fn wait_until_ready(postmaster: &mut Child, file: &Path) -> Result<()> {
    const LINE: usize = 7;
    const PAUSE: Duration = Duration::from_millis(10);
    let began = Instant::now();
    while began.elapsed() < START {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.lines().nth(LINE).map(str::trim) == Some("ready") {
            return Ok(());
        }
        let ended = postmaster.try_wait().context(|| "the server".to_owned())?;
        if let Some(status) = ended {
            return Err(Error::failed(format!("the drill's server ended: {status}")));
        }
        std::thread::sleep(PAUSE);
    }
    Err(Error::failed(format!(
        "the drill's server did not answer within {} s",
        START.as_secs()
    )))
}

fn make_folder(options: &Options, user: Option<User>) -> Result<TempDir> {
    let base = &options.base;
    // Others may pass through to the socket, no more: names of logins are the way in.
    let (prefix, mode) = match options.shared {
        true => (SHARED_PREFIX, 0o711),
        false => ("lifeboat-drill-", 0o700),
    };
    let cannot = || format!("cannot make a folder in {}", base.display());
    let folder = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(base)
        .context(cannot)?;
    let path = folder.path();
    // Whatever our umask is.
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).context(cannot)?;
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
    Ok(folder)
}

/// In a process group of its own: Ctrl-C is for us, and we end it in order.
fn keeper(wall: &Wall, pg_ctl: &ToolPath, folder: &Path) -> Result<Child> {
    let pg_ctl = match wall.has_namespaces() {
        // It stops by itself.
        true => Path::new(""),
        false => &pg_ctl.path,
    };
    spawn_shell(wall, KEEPER, &[pg_ctl, folder])
}

/// Runs a shell script as the server's user; its standard input is a pipe.
fn spawn_shell(wall: &Wall, script: &str, arguments: &[&Path]) -> Result<Child> {
    let mut walled = wall.command_beside(Path::new("/bin/sh"));
    walled
        .command
        .args(["-c", script, "lifeboat-drill"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    wall.spawn(walled)
}

/// Bytes that an unprivileged user may still write below a folder.
pub(crate) fn free_bytes(folder: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(folder)
        .map_err(std::io::Error::from)
        .context(|| format!("cannot look at the disk of {}", folder.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(base: &Path) -> Options {
        Options {
            server: ServerRequest {
                major: 15,
                logins: Logins::random().unwrap(),
                extensions: Vec::new(),
                database: "d".to_owned(),
            },
            tool_dirs: Dirs::system(Vec::new()),
            base: base.to_owned(),
            shared: false,
        }
    }

    #[test]
    fn the_folder_is_private_and_gone_afterwards() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let throwaway = Throwaway::start(&options(base.path())).unwrap();
        let folder = throwaway.folder().to_owned();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(folder.join(".s.PGSQL.5432").exists());
        drop(throwaway);
        assert!(!folder.exists());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
