//! What a program behind the wall finds, were it let do anything there.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat::testing::{Wall, unprivileged};
use serde_json::Value;

use super::{As, Canaries, Refusing, SECRET, Stage, as_nobody, is_root, result, value};
use crate::support::{Database, Lifeboat, Major, unique};

/// Tries each of them and says what came of it.
const PROBE: &str = r#"
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    got = libc.syscall(number, *args)
    return 0 if got >= 0 else ctypes.get_errno()
def tcp(family, kind=socket.SOCK_STREAM):
    try:
        socket.socket(family, kind).close()
        return 0
    except OSError as error:
        return error.errno
def text(path):
    try:
        return open(path, 'rb').read().decode('utf8', 'replace')
    except OSError:
        return ''
x86 = os.uname().machine == 'x86_64'
parent, secret = int(sys.argv[1]), sys.argv[2]
ids = [int(name) for name in os.listdir('/proc') if name.isdigit()]
try:
    open(sys.argv[3], 'w').close()
    wrote = True
except OSError:
    wrote = False
print(json.dumps({
    'status': dict(line.split(':\t', 1) for line in text('/proc/self/status').splitlines() if ':\t' in line),
    'environ': dict(os.environ),
    'refused': {
        'inet': tcp(socket.AF_INET), 'inet6': tcp(socket.AF_INET6), 'netlink': tcp(socket.AF_NETLINK, socket.SOCK_RAW),
        'ptrace': call(101 if x86 else 117, 16, parent, 0, 0),
        'process_vm_readv': call(310 if x86 else 270, os.getpid(), 0, 0, 0, 0, 0),
        'io_uring_setup': call(425, 1, 0),
        'unshare': call(272 if x86 else 97, 0x10000000),
        'ioctl TIOCSTI': call(16 if x86 else 29, 0, 0x5412, b'x'),
    },
    'unix': tcp(socket.AF_UNIX),
    'others': [text('/proc/%d/cmdline' % one) for one in ids if one != os.getpid()],
    'environs': ''.join(text('/proc/%d/environ' % one) for one in ids if one != os.getpid()),
    'secret': text(secret), 'wrote': wrote,
    'files': sorted(os.listdir('/')),
}))
"#;

/// Builds a wall as drills do, and prints what [`PROBE`] prints behind it: in a process of its own,
/// whose environment is another.
#[test]
#[ignore = "run by others with an environment of their own"]
fn probe() {
    let folder = tempfile::tempdir().unwrap();
    let user = unprivileged().unwrap();
    if let Some(user) = user {
        std::os::unix::fs::chown(folder.path(), Some(user.uid), Some(user.gid)).unwrap();
    }
    let wall = Wall::build(user, folder.path(), &[]).unwrap();
    let mut walled = wall.command(Path::new("/usr/bin/python3")).unwrap();
    let (secret, canary) = (std::env::var("SECRET_FILE"), std::env::var("CANARY_FILE"));
    walled
        .command
        .args(["-c", PROBE, &std::process::id().to_string()])
        .args([secret.unwrap(), canary.unwrap()])
        .stdout(Stdio::piped());
    let mut child = wall.spawn(walled).unwrap();
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success());
    println!("walls: {}", serde_json::to_string(&wall.walls).unwrap());
    println!("probe: {said}");
}

fn probed(canaries: &Canaries, refusing: Option<&Refusing>) -> (Value, Value) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "drill_hostile::walled::probe",
            "--ignored",
            "--nocapture",
        ])
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("SECRET_FILE", canaries.folder.path().join("secret"))
        .env("CANARY_FILE", canaries.folder.path().join("canary/file"));
    if let Some(refusing) = refusing {
        command = refusing.around(&command);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let after = |word: &str| -> Value {
        let line = text.lines().find_map(|line| line.split_once(word));
        let (_, json) = line.unwrap_or_else(|| panic!("no {word} in {text}"));
        serde_json::from_str(json).unwrap()
    };
    (after("walls: "), after("probe: "))
}

#[track_caller]
fn has_no_rights(seen: &Value) {
    let status = |name: &str| seen["status"][name].as_str().unwrap().trim().to_owned();
    assert_eq!(status("NoNewPrivs"), "1");
    assert_eq!(status("Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(set), "0000000000000000", "{set}");
    }
    if is_root() {
        assert_eq!(status("CapBnd"), "0000000000000000");
        assert!(!status("Uid").starts_with("0\t"), "{}", status("Uid"));
        assert_eq!(status("Groups"), "", "groups");
    }
    let names: Vec<&String> = seen["environ"].as_object().unwrap().keys().collect();
    let known = ["LC_ALL", "PATH", "PWD"];
    assert!(
        names.iter().all(|name| known.contains(&name.as_str())),
        "{names:?}"
    );
    for (what, errno) in seen["refused"].as_object().unwrap() {
        assert_eq!(errno, rustix::io::Errno::PERM.raw_os_error(), "{what}");
    }
    assert_eq!(seen["unix"], 0, "PostgreSQL needs these");
}

#[test]
fn a_program_behind_the_whole_wall_sees_nothing_of_this_machine() {
    let canaries = Canaries::new();
    let (walls, seen) = probed(&canaries, None);
    for wall in ["network", "files", "processes"] {
        assert_eq!(walls[wall], true, "{wall}");
    }
    has_no_rights(&seen);
    assert_eq!(
        (&seen["secret"], &seen["wrote"]),
        (&"".into(), &false.into())
    );
    let others = seen["others"].to_string();
    assert!(
        !others.contains("drill_hostile") && !others.contains("postgres"),
        "{others}"
    );
    assert!(!seen["environs"].as_str().unwrap().contains(SECRET));
    for name in ["root", "home", "work", "var", "run", "boot"] {
        let files = seen["files"].as_array().unwrap();
        assert!(!files.contains(&name.into()), "{files:?}");
    }
    canaries.are_untouched();
}

#[test]
fn a_program_without_namespaces_has_neither_rights_nor_network() {
    let canaries = Canaries::new();
    let (walls, seen) = probed(&canaries, Some(&Refusing::new()));
    assert_eq!(walls["network"], true);
    assert_eq!(
        (&walls["files"], &walls["processes"]),
        (&false.into(), &false.into())
    );
    assert_eq!(walls["uid"], is_root());
    has_no_rights(&seen);
    if is_root() {
        assert!(!seen["environs"].as_str().unwrap().contains(SECRET));
    }
}

/// With a superuser's rights it may do anything inside.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_superusers_shell_finds_no_secret_and_leaves_nothing() {
    let canaries = Canaries::new();
    let (source, role) = (Database::new(Major::Pg15), unique("shell"));
    let _roles = super::Roles(vec![role.clone()]);
    source.sql(&canaries.place(
        "CREATE FUNCTION run() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN
           IF current_database() NOT LIKE 'lifeboat\\_drill\\_%' THEN RETURN 1; END IF;
           CREATE TABLE public.seen (line text);
           COPY public.seen FROM PROGRAM $$(id; env; cat {secret}; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\000' '\\n';
             echo x > {canary}/file; echo x | head -c 1 > /dev/tcp/127.0.0.1/{port}; ls -a / /home /root /work) 2>&1 | tr -d '\\\\'; true$$;
           RETURN 1;
         END $f$;
         CREATE MATERIALIZED VIEW m AS SELECT run()",
        &role,
    ));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let stage = Stage::new(lifeboat);
    stage.lifeboat.configure("[drill]\nsuperuser = true");
    stage.ask("seen", "SELECT string_agg(line, chr(10)) FROM seen", "");
    let mut drillers = vec![As::Ourselves];
    drillers.extend(is_root().then_some(As::Nobody));
    for as_whom in drillers {
        let report = result(&stage.drill(as_whom, &[]));
        let seen = value(&report, "seen");
        assert!(
            seen.contains("uid="),
            "{as_whom:?}: it did not run: {report}"
        );
        for secret in [
            SECRET,
            "break-glass",
            "AWS_",
            "HOME=",
            "lifeboat.toml",
            "setpriv",
        ] {
            assert!(!seen.contains(secret), "{as_whom:?}: {secret} in {seen}");
        }
        canaries.are_untouched();
    }
    let refused = stage.drill(As::WithoutNamespaces, &[]);
    refused.failed(1, "is not walled off");
}

#[test]
fn the_same_user_cannot_read_lifeboats_environment() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgresql://x@127.0.0.1:{}/x",
        silent.local_addr().unwrap().port()
    );
    let lifeboat = Lifeboat::init();
    let mut command = lifeboat.command(["export", "--source", &url]);
    command.env("AWS_SECRET_ACCESS_KEY", SECRET);
    if is_root() {
        super::give_to_nobody(lifeboat.folder());
        command = as_nobody(&command);
    }
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for a server that does not answer.
    let _held = silent.accept().unwrap();
    let mut cat = Command::new("/bin/cat");
    cat.arg(format!("/proc/{}/environ", child.id()))
        .current_dir("/");
    if is_root() {
        cat = as_nobody(&cat);
    }
    let read = cat.output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!read.status.success(), "{read:?}");
    assert!(!String::from_utf8_lossy(&read.stdout).contains(SECRET));
}
