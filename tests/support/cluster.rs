//! A PostgreSQL server of the test's own: a temporary folder, a free port, gone afterwards.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An environment variable of the test bench.
pub fn bench(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run bash tests/run.sh"))
}

/// What a cluster should be like.
#[derive(Default)]
pub struct ClusterOptions<'a> {
    /// Further arguments of initdb, such as `--encoding=LATIN1`.
    pub initdb: &'a [&'a str],
    /// Lines for postgresql.conf.
    pub settings: &'a [(&'a str, &'a str)],
    /// Replaces pg_hba.conf; local sockets must stay `trust` for [`Cluster::sql`].
    pub hba: Option<&'a str>,
    /// Certificate and key, PEM; turns TLS on.
    pub tls: Option<(&'a str, &'a str)>,
    /// A folder of locales that the machine lacks.
    pub locales: Option<&'a Path>,
}

/// A running server; stopped and removed when dropped, also by a panic.
pub struct Cluster {
    bin: PathBuf,
    folder: tempfile::TempDir,
    /// Whom to run as, where the test runs as root: PostgreSQL refuses root.
    user: Option<(u32, u32)>,
    server: Option<Child>,
    pub port: u16,
}

/// The superuser's password over TCP.
pub const PASSWORD: &str = "s3cret-Of-The-Test";

/// pg_hba.conf of a server whose passwords are not what is tested.
pub const WITHOUT_PASSWORDS: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";

const HBA: &str = "local all all trust\nhost all all all scram-sha-256\n";

impl Cluster {
    /// Makes and starts a server from the binaries in `bin`. Its superuser is `postgres`:
    /// without a password over the socket, with [`PASSWORD`] over 127.0.0.1.
    pub fn start(bin: &str, options: &ClusterOptions<'_>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("lifeboat-pg-")
            .tempdir()
            .unwrap();
        let mut cluster = Self {
            bin: PathBuf::from(bin),
            folder,
            user: unprivileged(),
            server: None,
            port: free_port(),
        };
        fs::set_permissions(cluster.socket(), fs::Permissions::from_mode(0o755)).unwrap();
        cluster.own(cluster.socket());
        cluster.init(options.initdb);
        cluster.configure(options);
        cluster.launch(options.locales);
        cluster
    }

    /// One that asks for no passwords, for what is not about them: for a test whose roles nobody else's restore
    /// must meet, as one by a superuser makes and grants all that its catalog has.
    pub fn without_passwords(bin: &Path) -> Self {
        let options = ClusterOptions {
            hba: Some(WITHOUT_PASSWORDS),
            ..ClusterOptions::default()
        };
        Self::start(bin.to_str().unwrap(), &options)
    }

    /// Over TCP, without a password.
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    fn init(&self, arguments: &[&str]) {
        self.write("password", PASSWORD);
        let mut initdb = self.command("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .arg("--pwfile")
            .arg(self.socket().join("password"))
            .arg("--pgdata")
            .arg(self.data());
        if arguments.is_empty() {
            initdb.args(["--encoding=UTF8", "--locale=C"]);
        }
        let output = initdb.args(arguments).output().unwrap();
        assert!(output.status.success(), "initdb: {output:?}");
    }

    fn configure(&self, options: &ClusterOptions<'_>) {
        self.write("data/pg_hba.conf", options.hba.unwrap_or(HBA));
        let mut conf = String::from("listen_addresses = '127.0.0.1'\nfsync = off\n");
        for (name, value) in options.settings {
            conf.push_str(&format!("{name} = '{value}'\n"));
        }
        if let Some((cert, key)) = options.tls {
            conf.push_str("ssl = on\n");
            self.write("data/server.crt", cert);
            self.write("data/server.key", key);
        }
        self.write("data/postgresql.auto.conf", &conf);
    }

    /// The superuser's URL over TCP, with the password.
    pub fn url(&self) -> String {
        format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// By the socket, which asks for no password.
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        let folder = self.socket().display();
        format!(
            "postgresql://{user}@/{database}?host={folder}&port={}",
            self.port
        )
    }

    /// The folder of the socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Another certificate from now on.
    pub fn serve(&mut self, cert: &str, key: &str) {
        self.stop();
        self.write("data/server.crt", cert);
        self.write("data/server.key", key);
        self.launch(None);
    }

    /// Runs SQL as the superuser over the socket and returns what psql prints, unaligned.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in("postgres", sql)
    }

    /// The same in another database.
    pub fn sql_in(&self, database: &str, sql: &str) -> String {
        self.sql_as("postgres", database, sql)
    }

    /// The same as somebody else.
    pub fn sql_as(&self, user: &str, database: &str, sql: &str) -> String {
        let output = self
            .command("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", user, "-d"])
            .arg(database)
            .arg("-h")
            .arg(self.socket())
            .arg("-p")
            .arg(self.port.to_string())
            .args(["-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// One of the server's programs, run by the server's user in its folder.
    pub fn program(&self, name: &str) -> Command {
        self.command(name)
    }

    /// The same, told where this server listens.
    pub fn client(&self, name: &str) -> Command {
        let mut command = self.command(name);
        command
            .arg("-h")
            .arg(self.socket())
            .args(["-p", &self.port.to_string()]);
        command
    }

    /// Writes a file that the server's programs may read and write.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        self.write(name, content);
        self.socket().join(name)
    }

    /// Runs SQL as the superuser until it is killed.
    pub fn sql_in_background(&self, sql: &str) -> Child {
        self.command("psql")
            .args(["-XAtq", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(self.socket())
            .args(["-p", &self.port.to_string(), "-c", sql])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What the server's files may grow to, for every session from now on: bytes or `unlimited`.
    pub fn limit_files(&self, bytes: &str) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let output = self
            .command("/usr/bin/prlimit")
            .args(["--pid", pid.lines().next().unwrap()])
            .arg(format!("--fsize={bytes}:unlimited"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Stops the server; its data stays until this value is dropped.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        // QUIT is PostgreSQL's immediate shutdown.
        let _ = Command::new("kill")
            .args(["-QUIT", &server.id().to_string()])
            .status();
        let patience = Instant::now() + Duration::from_secs(10);
        while matches!(server.try_wait(), Ok(None)) {
            if Instant::now() > patience {
                let _ = server.kill();
            }
            sleep(Duration::from_millis(10));
        }
    }

    fn launch(&mut self, locales: Option<&Path>) {
        let log = fs::File::create(self.socket().join("log")).unwrap();
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.socket())
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .envs(locales.map(|folder| ("LOCPATH", folder)))
            .spawn()
            .unwrap();
        self.server = Some(server);
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.is_ready() {
            let dead = !matches!(self.server.as_mut().unwrap().try_wait(), Ok(None));
            if dead || Instant::now() > patience {
                let log = fs::read_to_string(self.socket().join("log")).unwrap_or_default();
                panic!("the server does not start: {log}");
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// The postmaster writes its status into the last line of its pid file.
    fn is_ready(&self) -> bool {
        fs::read_to_string(self.data().join("postmaster.pid"))
            .is_ok_and(|text| text.lines().last().is_some_and(|l| l.trim() == "ready"))
    }

    fn data(&self) -> PathBuf {
        self.socket().join("data")
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.socket().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.own(&path);
    }

    fn own(&self, path: &Path) {
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.socket());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The `postgres` user's ids where we are root.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let of = |name: &str| Some((id(&["-u", name])?, id(&["-g", name])?));
    Some(
        of("postgres")
            .or_else(|| of("nobody"))
            .expect("a user to run PostgreSQL as"),
    )
}

fn free_port() -> u16 {
    let probe = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    probe.local_addr().unwrap().port()
}
