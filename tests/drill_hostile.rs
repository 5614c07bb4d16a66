//! What comes out of a backup is hostile code: it gets no power, sees nothing of this machine, and what
//! it changes is found.

mod changed;
mod forged;
mod walled;
mod ways;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};
use ways::{ATTACK, BEGIN, WAYS};

/// In a file and in the environment of lifeboat.
const SECRET: &str = "the-secret-of-the-backup-account";

/// Roles of a source, dropped with this value: after its databases.
pub struct Roles(Vec<String>);

impl Drop for Roles {
    fn drop(&mut self) {
        for role in &self.0 {
            let drop = format!("DROP ROLE IF EXISTS {role}");
            if let Err(error) = Major::Pg15.try_sql("postgres", "postgres", &drop) {
                eprintln!("{drop}: {error}");
            }
        }
    }
}

/// What hostile code would leave behind, and what it would find.
pub struct Canaries {
    folder: TempDir,
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Canaries {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path(), 0o755);
        let it = |name: &str| folder.path().join(name);
        fs::create_dir(it("canary")).unwrap();
        open_to_all(&it("canary"), 0o777);
        fs::write(it("secret"), SECRET).unwrap();
        open_to_all(&it("secret"), 0o644);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections: Arc<AtomicUsize> = Arc::default();
        let counted = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        Self {
            folder,
            port,
            connections,
        }
    }

    /// SQL with the places of all this.
    pub fn place(&self, sql: &str, role: &str) -> String {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        sql.replace("{canary}", &path("canary"))
            .replace("{secret}", &path("secret"))
            .replace(
                "{listener}",
                &format!(
                    "host=127.0.0.1 port={} dbname=x user=x password=x",
                    self.port
                ),
            )
            .replace("{port}", &self.port.to_string())
            .replace("{role}", role)
    }

    #[track_caller]
    pub fn are_untouched(&self) {
        let canary = fs::read_dir(self.folder.path().join("canary")).unwrap();
        let left: Vec<PathBuf> = canary.map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(self.connections.load(Ordering::SeqCst), 0);
    }
}

pub fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Who drills, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    Ourselves,
    /// Where we are root.
    Nobody,
    /// Where bubblewrap refuses.
    WithoutNamespaces,
}

/// A place to drill a point in.
pub struct Stage {
    pub lifeboat: Lifeboat,
    folder: TempDir,
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Stage {
    pub fn new(lifeboat: Lifeboat) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path(), 0o1777);
        Self { lifeboat, folder }
    }

    /// Asks that a query gives this text.
    pub fn ask(&self, name: &str, sql: &str, wanted: &str) {
        self.lifeboat.configure(&format!(
            "[[drill.assert]]\nname = '{name}'\nsql = '''{sql}'''\nequals = '{wanted}'"
        ));
    }

    pub fn drill(&self, as_whom: As, flags: &[&str]) -> Ran {
        let identity = self.lifeboat.identity();
        let mut args = vec!["drill", "--json", "--identity", identity.to_str().unwrap()];
        args.extend(["--folder", self.folder.path().to_str().unwrap()]);
        args.extend(flags);
        if as_whom == As::WithoutNamespaces {
            args.push("--weak-wall");
        }
        let mut command = self.lifeboat.command(args);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET);
        let refusing = Refusing::new();
        match as_whom {
            As::Ourselves => {}
            As::WithoutNamespaces => command = refusing.around(&command),
            As::Nobody => {
                command = as_nobody(&command);
                give_to_nobody(self.lifeboat.folder());
            }
        }
        let ran = Ran::of(&command.output().unwrap());
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        ran
    }
}

/// A program in the place of bubblewrap that refuses.
pub struct Refusing(TempDir);

impl Refusing {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path(), 0o755);
        let program = folder.path().join("bwrap");
        fs::write(&program, "#!/bin/sh\necho no namespaces here >&2\nexit 1\n").unwrap();
        open_to_all(&program, 0o755);
        Self(folder)
    }

    /// The same command where it stands.
    pub fn around(&self, command: &Command) -> Command {
        const REAL: &str = "/usr/bin/bwrap";
        let refusing = self.0.path().join("bwrap");
        let mut around = if is_root() {
            let mut shell = Command::new("/usr/bin/unshare");
            let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
            shell
                .args(["--mount", "/bin/sh", "-c", script, "sh"])
                .arg(refusing)
                .arg(REAL);
            shell
        } else {
            let mut outer = Command::new(REAL);
            outer
                .args(["--dev-bind", "/", "/", "--ro-bind"])
                .arg(refusing)
                .args([REAL, "--"]);
            outer
        };
        like(&mut around, command);
        around
    }
}

/// Gives a command in front of another that one's words, environment and folder.
fn like(around: &mut Command, command: &Command) {
    around
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
}

/// The same command as the user nobody.
pub fn as_nobody(command: &Command) -> Command {
    let mut nobody = Command::new("/usr/bin/setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    like(&mut nobody, command);
    nobody
}

pub fn give_to_nobody(folder: &Path) {
    let status = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(folder)
        .status();
    assert!(status.unwrap().success());
}

#[track_caller]
pub fn result(ran: &Ran) -> Value {
    ran.json()["result"].clone()
}

/// What an assertion gave.
pub fn value(report: &Value, name: &str) -> String {
    let assertions = report["assertions"].as_array().unwrap();
    let found = assertions.iter().find(|one| one["name"] == name).unwrap();
    found["value"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
pub fn all_hold(report: &Value) {
    for one in report["assertions"].as_array().unwrap() {
        assert_eq!(one["ok"], true, "{one}");
    }
}

/// The attack notes what it did in tables of its own, open to everybody: that is told, and nothing else.
#[track_caller]
pub fn only_its_own_schema_differs(report: &Value) {
    let what = |list: &str| -> Vec<String> {
        let list = report[list].as_array().unwrap().iter();
        list.map(|one| one["what"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        what("failures"),
        ["privileges of schema hostile"],
        "{report:#}"
    );
    // One of the ways makes a function in a schema of its own.
    for finding in what("findings") {
        let is_its_own = finding.contains("hostile.") || finding.starts_with("function way_");
        // A setting that the server does not know.
        let is_its_own = is_its_own || finding == "setting \"event_triggers\" of the database";
        assert!(is_its_own, "{finding}: {report:#}");
    }
}

/// Asks whether the ways ran that must, as nobody with any power, and whether they did what nobody may.
pub fn ask_of_the_attack(stage: &Stage, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|way| format!("'{way}'")).collect();
    stage.ask(
        "ran",
        &format!(
            "SELECT coalesce(string_agg(w, ', '), 'all') FROM unnest(ARRAY[{}]::text[]) w
              WHERE w NOT IN (SELECT way FROM hostile.note)",
            expected.join(", ")
        ),
        "all",
    );
    stage.ask(
        "powerful",
        "SELECT coalesce(string_agg(way || ' as ' || as_user, ', '), 'none') FROM hostile.note
          WHERE super OR of_session NOT LIKE 'lifeboat\\_restorer\\_%'",
        "none",
    );
    stage.ask(
        "logins",
        "SELECT string_agg(regexp_replace(rolname, '_[0-9a-f]+$', '') || ' ' || rolsuper || rolcreaterole || rolcreatedb
             || rolreplication, ', ' ORDER BY rolname) FROM pg_roles WHERE rolcanlogin OR rolsuper AND oid <> 10",
        "lifeboat_reader falsefalsefalsefalse, lifeboat_restorer falsefalsefalsefalse",
    );
    stage.ask(
        "reaching",
        "SELECT count(*) FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
           AND d.classid = 'pg_proc'::regclass JOIN pg_extension e ON e.oid = d.refobjid
          WHERE extname IN ('dblink', 'postgres_fdw') AND has_function_privilege('public', p.oid, 'EXECUTE')",
        "0",
    );
    stage.ask(
        "done",
        "SELECT coalesce(string_agg(way || ': ' || sql, ', '), 'nothing') FROM hostile.done",
        "nothing",
    );
}

/// A database of a role that may do all that no superuser is needed for, with every way in it.
fn hostile_source(canaries: &Canaries) -> (Database, Roles) {
    let source = Database::new(Major::Pg15);
    let role = unique("hostile");
    let odd = format!("\"{role} \n\"\" ; DROP TABLE x; --\"");
    let chain = format!("{role}_chain");
    let roles = Roles(vec![role.clone(), odd.clone(), chain.clone()]);
    source.sql(&format!(
        "CREATE ROLE {role} CREATEROLE CREATEDB REPLICATION; CREATE ROLE {odd}; CREATE ROLE {chain} CREATEROLE;
         GRANT {chain} TO {role} WITH ADMIN OPTION; GRANT {role} TO {odd};
         GRANT pg_execute_server_program, pg_signal_backend, pg_checkpoint TO {chain} WITH ADMIN OPTION;
         GRANT pg_write_server_files, pg_read_server_files TO {role} WITH ADMIN OPTION;
         GRANT pg_monitor, pg_read_all_data, pg_write_all_data TO {role};
         CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw; CREATE EXTENSION file_fdw; CREATE EXTENSION hstore;
         GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw, file_fdw TO {role};
         GRANT CREATE ON DATABASE {} TO {role}",
        source.name
    ));
    let own = format!("SET ROLE {role};");
    source.sql(&canaries.place(&format!("{own}{ATTACK}"), &role));
    let itself = format!(
        "host=127.0.0.1 port={} user=postgres dbname={}",
        Major::Pg15.port(),
        source.name
    );
    for (at, way) in WAYS.iter().enumerate() {
        // Who reads other servers without a password must be a superuser there.
        let who = if way.sql.contains("dblink") { "" } else { &own };
        let sql = format!("{who}{BEGIN}{}", way.sql)
            .replace("{s}", &format!("way_{at}"))
            .replace("{way}", &way.name.replace('\'', "''"))
            .replace("{self}", &itself);
        source.sql(&canaries.place(&sql, &role));
    }
    source.sql(
        "CREATE FUNCTION hostile.ddl() RETURNS event_trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM hostile.attack('event trigger'); END $$;
         CREATE EVENT TRIGGER hostile_end ON ddl_command_end EXECUTE FUNCTION hostile.ddl();
         CREATE EVENT TRIGGER hostile_begin ON ddl_command_start EXECUTE FUNCTION hostile.ddl()",
    );
    (source, roles)
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn code_of_a_backup_has_no_power_whoever_drills() {
    let canaries = Canaries::new();
    assert!(WAYS.len() >= 40);
    let (source, _roles) = hostile_source(&canaries);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    drop(source);
    let stage = Stage::new(lifeboat);
    let must_run: Vec<String> = WAYS
        .iter()
        .filter(|way| way.runs)
        .map(|way| way.name.replace('\'', "''"))
        .collect();
    let must_run: Vec<&str> = must_run.iter().map(String::as_str).collect();
    ask_of_the_attack(&stage, &must_run);
    // Last, as nobody owns the repository afterwards.
    let mut drillers = vec![As::Ourselves, As::WithoutNamespaces];
    drillers.extend(is_root().then_some(As::Nobody));
    for as_whom in drillers {
        let ran = stage.drill(as_whom, &["--jobs", "1"]);
        let report = result(&ran);
        only_its_own_schema_differs(&report);
        assert_eq!(report["unproven"], serde_json::json!([]), "{as_whom:?}");
        all_hold(&report);
        assert_eq!(ran.code, Some(1), "{as_whom:?}: {}", report["findings"]);
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET));
        canaries.are_untouched();
        let files = report["walls"]["files"] == true;
        assert_eq!(
            files,
            as_whom != As::WithoutNamespaces,
            "{}",
            report["walls"]
        );
        let not_tried = report["not_tried"].to_string();
        for name in [
            "hostile_end",
            "pg_execute_server_program",
            "pg_write_server_files",
        ] {
            assert!(not_tried.contains(name), "{as_whom:?}: {not_tried}");
        }
    }
}
