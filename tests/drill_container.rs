//! A drill whose server runs in a second container, and what it believes of that container.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat::testing::pg::Logins;
use lifeboat::testing::pg::{Remote, ServerRequest, ask_walls};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

const BINARY: &str = env!("CARGO_BIN_EXE_lifeboat");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// `nobody`: neither lifeboat's nor that of any server here, and known to initdb.
const UID: u32 = 65534;
const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)";
const LOST: &str = "the drill server in the second container ended in the middle of the drill";

/// The folder that both containers share, and a repository with one restore point.
struct Bench {
    lifeboat: Lifeboat,
    folder: TempDir,
}

/// A drill server, removed with this value.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Helper {
    /// Asks it to end, and waits for that.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Bench {
    fn new() -> Self {
        let source = Database::new(Major::Pg15);
        source.sql(TABLE);
        let lifeboat = Lifeboat::init();
        lifeboat.export(&source.url());
        let bench = Self {
            lifeboat,
            folder: shared_folder(),
        };
        let socket = bench.socket();
        bench
            .lifeboat
            .configure(&format!("[drill]\nserver_socket = '{}'", socket.display()));
        bench
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("lifeboat.sock")
    }

    fn command(&self, flags: &[&str]) -> Command {
        let identity = self.lifeboat.identity();
        let mut args = vec!["drill", "--json", "--identity", identity.to_str().unwrap()];
        args.extend(flags);
        self.lifeboat.command(args)
    }

    fn drill(&self, flags: &[&str]) -> Ran {
        Ran::of(&self.command(flags).output().unwrap())
    }

    /// What servers left in the shared folder, once they had time to go.
    #[track_caller]
    fn nothing_is_left(&self) {
        within(20, "the server's folder is still there", || {
            servers(self.folder.path()).is_empty()
        });
    }

    /// A drill that is at its assertions, and stays there.
    fn stuck(&self) -> (Child, BufReader<std::process::ChildStderr>) {
        self.lifeboat
            .configure("[[drill.assert]]\nname='stuck'\nsql='SELECT pg_sleep(1000)'\nequals=''");
        let child = self
            .command(&[])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"assertions\"") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before");
        }
        assert_eq!(servers(self.folder.path()).len(), 1);
        (child, stderr)
    }

    fn attestations(&self) -> Vec<Value> {
        let folder = self.lifeboat.repository().join("attestations");
        let found = walk(&folder).into_iter().map(|file| {
            let envelope: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap()
        });
        found.collect()
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path],
        })
        .collect()
}

/// As a volume: whoever has it may write there.
fn shared_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

fn servers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_server = |path: &PathBuf| !path.ends_with("lifeboat.sock");
    paths.filter(is_server).collect()
}

#[track_caller]
fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `setpriv` to another user: these tests run as root, as containers start.
fn as_another_user() -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    assert_eq!(
        id.stdout, b"0\n",
        "these tests change users: run them as root"
    );
    let mut command = Command::new("setpriv");
    let uid = UID.to_string();
    command
        .args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// Files, processes and a user of its own, and no namespaces within: what a container of ECS or of a
/// restricted pod is. The shared folder lies elsewhere in it.
fn second_container(shared: &Path) -> Helper {
    let bin = Major::Pg15.bin();
    let installation = bin.parent().unwrap().to_str().unwrap();
    let mut command = as_another_user();
    command
        .arg("bwrap")
        .args([
            "--unshare-user",
            "--disable-userns",
            "--unshare-pid",
            "--unshare-ipc",
        ])
        .args([
            "--die-with-parent",
            "--ro-bind",
            "/usr",
            "/usr",
            "--ro-bind",
            "/etc",
            "/etc",
        ])
        .args([
            "--symlink",
            "usr/bin",
            "/bin",
            "--symlink",
            "usr/lib",
            "/lib",
        ])
        .args([
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ])
        .args(["--tmpfs", "/tmp", "--ro-bind", installation, installation])
        .args([
            "--ro-bind",
            BINARY,
            "/lifeboat",
            "--bind",
            shared.to_str().unwrap(),
            "/drill",
        ])
        .args([
            "--",
            "/lifeboat",
            "drill-server",
            "--folder",
            "/drill",
            "--pg-bin",
        ])
        .arg(bin);
    listening(command, shared)
}

/// A process beside the drill, with nothing but another user id.
fn beside(shared: &Path) -> Helper {
    let mut command = as_another_user();
    command
        .args([
            BINARY,
            "drill-server",
            "--folder",
            shared.to_str().unwrap(),
            "--pg-bin",
        ])
        .arg(Major::Pg15.bin());
    listening(command, shared)
}

fn listening(mut command: Command, shared: &Path) -> Helper {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let socket = shared.join("lifeboat.sock");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("listening on") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    assert!(socket.exists());
    // Nobody reads on, and nobody may block it.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    Helper(child)
}

fn result(ran: &Ran) -> Value {
    ran.json()["result"].clone()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_second_container_walls_files_processes_network_and_user() {
    let bench = Bench::new();
    let _helper = second_container(bench.folder.path());
    let walls = json!({"network": true, "files": true, "processes": true, "uid": true});
    // The drill in a container of its own, as it is in a pod, sees no process of the other: not even its
    // number. From the machine itself it does.
    let in_a_pod = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    for drill_in in [&in_a_pod[..], &[]] {
        let drill = bench.command(&[]);
        let mut command = Command::new("unshare");
        command
            .args(drill_in)
            .arg(drill.get_program())
            .args(drill.get_args())
            .current_dir(bench.lifeboat.folder())
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        let report = result(&Ran::of(&command.output().unwrap()).ok());
        assert_eq!((&report["rows"], &report["walls"]), (&2.into(), &walls));
        let place = report["place"].as_str().unwrap();
        assert!(
            place.starts_with("a second container's throwaway PostgreSQL 15."),
            "{place}"
        );
        // It is gone when the drill says so, not some time after.
        assert_eq!(servers(bench.folder.path()), Vec::<PathBuf>::new());
    }
    let attestations = bench.attestations();
    assert_eq!(attestations.len(), 2);
    assert!(attestations.iter().all(|one| one["walls"] == walls));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_superuser_drills_there_too_behind_the_whole_wall() {
    let bench = Bench::new();
    bench.lifeboat.configure("superuser = true");
    let _helper = second_container(bench.folder.path());
    let report = result(&bench.drill(&[]).ok());
    assert_eq!(report["as_superuser"], true);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_process_beside_the_drill_is_not_taken_for_a_container() {
    let bench = Bench::new();
    // Where bubblewrap works it has namespaces of its own; here it must not.
    let hidden = hide_bubblewrap();
    let mut command = in_place_of_bubblewrap(&hidden);
    command
        .args([
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .args([BINARY, "drill-server", "--folder"])
        .arg(bench.folder.path())
        .arg("--pg-bin")
        .arg(Major::Pg15.bin());
    let _helper = listening(command, bench.folder.path());
    let ran = bench
        .drill(&[])
        .failed(1, "the drill server sees this container's files");
    assert!(
        ran.stdout.contains("may see this container's processes"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("--weak-wall"), "{ran:?}");
    bench.nothing_is_left();
    let report = result(&bench.drill(&["--weak-wall"]).ok());
    let walls = json!({"network": true, "files": false, "processes": false, "uid": true});
    assert_eq!(report["walls"], walls);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_waits_for_the_second_container_to_come_up() {
    let bench = Bench::new();
    let mut child = bench.command(&[]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    let _helper = second_container(bench.folder.path());
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn one_that_does_not_come_is_named_with_what_runs_there() {
    let folder = shared_folder();
    let socket = folder.path().join("lifeboat.sock");
    let wanted = ServerRequest {
        major: 15,
        logins: Logins::random().unwrap(),
        extensions: Vec::new(),
        database: "lifeboat_drill_x".to_owned(),
    };
    let error = Remote::start(&socket, wanted, Duration::from_secs(1)).await;
    let error = error.unwrap_err();
    let named = format!("no drill server answers on {} within 1 s", socket.display());
    assert!(error.chain().starts_with(&named), "{error}");
    assert!(
        error.advice().contains("`lifeboat drill-server`"),
        "{error:?}"
    );
    // The socket that a killed one left is no drill server either.
    drop(UnixListener::bind(&socket).unwrap());
    ask_walls(&socket).await.unwrap_err();
}

/// Answers whoever connects with these bytes, as long as the drill asks.
fn impostor(socket: &Path, answer: Vec<u8>) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let _ = BufReader::new(stream.try_clone().unwrap()).read_until(b'\n', &mut request);
            let _ = stream.write_all(&answer);
            let _ = stream.read(&mut [0]);
        }
    });
}

/// What a sound drill server would say, but for the folder's name.
fn ready(folder_name: &str, postgres: &str) -> Value {
    json!({
        "lifeboat": VERSION,
        "ready": {
            "container": {"mounts": "mnt:[1]", "processes": "pid:[1]", "root": [1, 1]},
            "walls": {"network": true, "files": true, "processes": true, "uid": true},
            "missing": [],
            "server": {"folder_name": folder_name, "postgres": postgres},
        },
    })
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn nothing_of_an_answer_leads_out_of_the_shared_folder() {
    let bench = Bench::new();
    let shared = bench.folder.path();
    let elsewhere = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(elsewhere.path().join(".s.PGSQL.5432")).unwrap());
    symlink(elsewhere.path(), shared.join("lifeboat-server-link")).unwrap();
    let folder = |name: &str| {
        fs::create_dir(shared.join(name)).unwrap();
        shared.join(name).join(".s.PGSQL.5432")
    };
    symlink(
        elsewhere.path().join(".s.PGSQL.5432"),
        folder("lifeboat-server-socketlink"),
    )
    .unwrap();
    drop(UnixListener::bind(folder("lifeboat-server-sound")).unwrap());
    drop(UnixListener::bind(folder("lifeboat-server-foreign")).unwrap());
    chown(shared.join("lifeboat-server-foreign"), Some(UID), None).unwrap();
    let absolute = elsewhere.path().to_str().unwrap();
    for (name, why) in [
        ("../", "names no folder"),
        ("..", "names no folder"),
        ("", "names no folder"),
        (".", "names no folder"),
        ("lifeboat-server-", "names no folder"),
        ("lifeboat-server-/../../etc", "names no folder"),
        ("lifeboat-server-a\n", "names no folder"),
        (absolute, "names no folder"),
        ("lifeboat-server-nothing", "none of its own"),
        ("lifeboat-server-link", "none of its own"),
        ("lifeboat-server-foreign", "none of its own"),
        ("lifeboat-server-socketlink", "no server's socket"),
    ] {
        impostor(&bench.socket(), line(&ready(name, "15.4")));
        let ran = bench.drill(&["--weak-wall"]).failed(1, why);
        assert!(ran.stdout.contains("cannot be believed"), "{name}: {ran:?}");
        fs::remove_file(bench.socket()).unwrap();
    }
    impostor(
        &bench.socket(),
        line(&ready("lifeboat-server-sound", "15\u{1b}[2J")),
    );
    bench
        .drill(&["--weak-wall"])
        .failed(1, "names no version of PostgreSQL");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_answer_that_is_too_long_unfinished_or_none_at_all_ends_the_drill() {
    let bench = Bench::new();
    let mut long = ready(&"x".repeat(20_000), "15.4").to_string().into_bytes();
    let refused =
        json!({"lifeboat": VERSION, "refused": {"error": "no\ninitdb", "hint": "get one"}});
    let lies = json!({"lifeboat": VERSION, "ready": {"walls": 7}});
    long.push(b'\n');
    for (answer, why) in [
        (long, "more than 16384 bytes"),
        (vec![b'x'; 100_000], "more than 16384 bytes"),
        (b"{}\n".to_vec(), "none that lifeboat"),
        (b"\xff\xfe\n".to_vec(), "none that lifeboat"),
        (line(&lies), "none that lifeboat"),
        (b"{}\n{}\n".to_vec(), "more than one line"),
        (
            line(&json!({"lifeboat": "0.0.9", "what": 1})),
            "is of lifeboat '0.0.9', this is",
        ),
        (line(&refused), r"starts no server: no\ninitdb"),
    ] {
        impostor(&bench.socket(), answer);
        bench.drill(&["--weak-wall"]).failed(1, why);
        fs::remove_file(bench.socket()).unwrap();
    }
    assert!(bench.attestations().is_empty());
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_that_is_killed_leaves_no_server_in_the_second_container() {
    let bench = Bench::new();
    let _helper = second_container(bench.folder.path());
    let (mut child, _stderr) = bench.stuck();
    child.kill().unwrap();
    child.wait().unwrap();
    bench.nothing_is_left();
    // And the next one is served.
    let text = fs::read_to_string(bench.lifeboat.folder().join("lifeboat.toml")).unwrap();
    let (without, _) = text.split_once("[[drill.assert]]").unwrap();
    fs::write(bench.lifeboat.folder().join("lifeboat.toml"), without).unwrap();
    bench.drill(&[]).ok();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_second_container_that_dies_ends_the_drill_without_a_verdict() {
    let bench = Bench::new();
    let helper = second_container(bench.folder.path());
    let (child, mut stderr) = bench.stuck();
    drop(helper);
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let mut ran = Ran::of(&child.wait_with_output().unwrap());
    ran.stderr = said;
    let ran = ran.failed(1, LOST);
    assert_eq!(ran.json()["error"]["message"], LOST);
    assert!(bench.attestations().is_empty());
    // The next container finds the socket and the folder of the one before.
    assert_eq!(servers(bench.folder.path()).len(), 1);
    let _helper = second_container(bench.folder.path());
    assert_eq!(servers(bench.folder.path()), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_server_that_is_asked_to_end_takes_its_servers_along() {
    let bench = Bench::new();
    let helper = beside(bench.folder.path());
    // Another one would take the socket away.
    let mut second = as_another_user();
    second
        .args([BINARY, "drill-server", "--folder"])
        .arg(bench.folder.path());
    let ran = Ran::of(&second.output().unwrap());
    ran.failed(1, "another drill server listens there");
    let (child, mut stderr) = bench.stuck();
    assert_eq!(helper.terminate(), Some(0));
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 0);
    stderr.read_to_string(&mut String::new()).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).failed(1, LOST);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn root_is_refused_and_requests_are_bounded() {
    let bench = Bench::new();
    let command = bench
        .lifeboat
        .command(["drill-server", "--folder", "/tmp"])
        .output();
    Ran::of(&command.unwrap()).failed(1, "does not run as root");
    let _helper = beside(bench.folder.path());
    let ask = |request: &[u8]| {
        let mut stream = std::os::unix::net::UnixStream::connect(bench.socket()).unwrap();
        let _ = stream.write_all(request);
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        answer
    };
    let logins = |reader: &str| {
        let logins =
            json!({"superuser": "lifeboat_su_1", "restorer": "lifeboat_r_1", "reader": reader});
        let server =
            json!({"major": 15, "logins": logins, "extensions": [], "database": "lifeboat_d"});
        line(&json!({"lifeboat": VERSION, "server": server}))
    };
    for (request, why) in [
        (vec![b' '; 10_000], "more than 4096 bytes"),
        (b"{}\n".to_vec(), "none that lifeboat"),
        (
            line(&json!({"lifeboat": "0.0.9", "server": null})),
            "is of lifeboat '0.0.9'",
        ),
        (
            line(&json!({"lifeboat": VERSION, "server": null, "base": "/"})),
            "none that lifeboat",
        ),
        (logins("all"), "a name that lifeboat would not send"),
        (
            logins("lifeboat_x trust\nlocal all all"),
            "a name that lifeboat would not send",
        ),
    ] {
        let answer = ask(&request);
        assert!(
            answer.contains(why) && answer.contains("\"hint\""),
            "{answer}"
        );
    }
    assert!(servers(bench.folder.path()).is_empty());
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn only_the_folder_of_the_socket_can_be_meant_beside_it() {
    let bench = Bench::new();
    let ran = bench.drill(&["--folder", "/var/tmp"]);
    ran.failed(2, "--folder is not where drill.server_socket lies");
    let _helper = second_container(bench.folder.path());
    bench
        .drill(&["--folder", bench.folder.path().to_str().unwrap()])
        .ok();
}

// ---- neither namespaces nor a second container ----------------------------------------------------

/// A program that answers as bubblewrap does where the kernel forbids namespaces.
fn hide_bubblewrap() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("bwrap");
    fs::write(
        &file,
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Runs what is added with that program over the machine's own, for itself alone.
fn in_place_of_bubblewrap(hidden: &TempDir) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg("mount --bind \"$0\" /usr/bin/bwrap && exec \"$@\"")
        .arg(hidden.path().join("bwrap"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn without_namespaces_and_a_second_container_a_drill_says_what_is_missing() {
    let source = Database::new(Major::Pg15);
    source.sql(TABLE);
    let bench = Bench {
        lifeboat: Lifeboat::init(),
        folder: shared_folder(),
    };
    bench.lifeboat.export(&source.url());
    let hidden = hide_bubblewrap();
    let drill = |flags: &[&str]| {
        let mut command = in_place_of_bubblewrap(&hidden);
        command
            .args([BINARY, "drill", "--json", "--identity"])
            .arg(bench.lifeboat.identity())
            .arg("--folder")
            .arg(bench.folder.path())
            .args(flags)
            .current_dir(bench.lifeboat.folder());
        Ran::of(&command.output().unwrap())
    };
    let ran = drill(&[]).failed(1, "No permissions to create new namespace");
    assert!(
        ran.stdout.contains("the server in a second container"),
        "{ran:?}"
    );
    assert!(bench.attestations().is_empty());
    drill(&["--weak-wall"]).ok();
    let walls = json!({"network": true, "files": false, "processes": false, "uid": true});
    let attestations = bench.attestations();
    assert_eq!((attestations.len(), &attestations[0]["walls"]), (1, &walls));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn doctor_tells_of_a_wall_where_something_drills_and_nowhere_else() {
    let bench = Bench::new();
    let wall = |command: &mut Command| {
        let document = Ran::of(&command.output().unwrap()).json();
        let findings = document["result"]["findings"].as_array().unwrap().clone();
        let mut of_wall = findings.into_iter().filter(|one| one["check"] == "wall");
        of_wall
            .next()
            .map(|one| format!("{}: {}", one["what"], one["mend"]))
    };
    let doctor = || bench.lifeboat.command(["doctor", "--json"]);
    let said = wall(&mut doctor()).unwrap();
    assert!(said.contains("no drill server answers on"), "{said}");
    let helper = second_container(bench.folder.path());
    assert_eq!(wall(&mut doctor()), None);
    drop(helper);
    fs::remove_file(bench.socket()).unwrap();
    impostor(&bench.socket(), line(&json!({"lifeboat": "0.0.9"})));
    let said = wall(&mut doctor()).unwrap();
    assert!(
        said.contains("lifeboat '0.0.9'") && said.contains("same image"),
        "{said}"
    );
    // Here, where namespaces are forbidden.
    let file = bench.lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.split_once("server_socket").unwrap().0).unwrap();
    let hidden = hide_bubblewrap();
    let without = |flags: &[&str]| {
        let mut command = in_place_of_bubblewrap(&hidden);
        command.args([BINARY, "doctor", "--json"]).args(flags);
        command.current_dir(bench.lifeboat.folder());
        wall(&mut command)
    };
    assert_eq!(without(&[]), None, "an exporter has no wall to lose");
    let said = without(&["--identity", bench.lifeboat.identity().to_str().unwrap()]).unwrap();
    assert!(said.contains("install bubblewrap"), "{said}");
}
