//! Runs the program with file operations that fail, and with power cuts: `disk.c` does it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::Lifeboat;
use crate::support::program::Ran;

/// No command of these tests takes as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Which operation fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// From 1 on.
    pub at: usize,
    /// As disk.c names it.
    pub fault: &'static str,
    /// 0: this one and all that follow.
    pub times: usize,
    /// What of the unsynced is lost.
    pub lost: u64,
}

impl Strike {
    pub const NONE: Self = Self {
        at: 0,
        fault: "none",
        times: 0,
        lost: 0,
    };

    /// What a message must say.
    pub fn cause(self) -> &'static str {
        match self.fault {
            "ENOSPC" => "No space left on device",
            "EINTR" => "Interrupted system call",
            _ => "Input/output error",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub what: String,
    pub path: String,
}

impl Operation {
    pub fn takes_space(&self) -> bool {
        let all = ["create", "write", "sync", "link", "rename", "mkdir"];
        all.contains(&self.what.as_str())
    }

    pub fn changes(&self) -> bool {
        self.takes_space() || ["unlink", "truncate", "chmod"].contains(&self.what.as_str())
    }

    pub fn can_be_interrupted(&self) -> bool {
        ["open", "create", "read", "write", "sync"].contains(&self.what.as_str())
    }

    pub fn can_be_short(&self) -> bool {
        ["read", "write"].contains(&self.what.as_str())
    }
}

pub struct Ended {
    pub ran: Ran,
    /// All that the program did below the folder.
    pub operations: Vec<Operation>,
    /// The one that was struck first.
    pub struck: Option<Operation>,
    /// What a power cut took.
    pub lost: Vec<String>,
    pub hung: bool,
}

impl Ended {
    /// Of one that ran without faults.
    pub fn of(ran: &Ran) -> Self {
        Self {
            ran: Ran {
                code: ran.code,
                stdout: ran.stdout.clone(),
                stderr: ran.stderr.clone(),
            },
            operations: Vec::new(),
            struck: None,
            lost: Vec::new(),
            hung: false,
        }
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/disk.c");
        let folder = Path::new(env!("CARGO_BIN_EXE_lifeboat")).parent().unwrap();
        // Another process of tests may build it, too.
        let new = folder.join(format!("disk-{}", std::process::id()));
        let built = Command::new("cc")
            .args(["-O1", "-Wall", "-Wno-format-truncation", "-o"])
            .arg(&new)
            .arg(source)
            .status();
        assert!(built.unwrap().success(), "cc {source}");
        let program = folder.join("disk");
        fs::rename(&new, &program).unwrap();
        program
    })
}

/// A folder in which programs run, and how it is at the beginning of each run.
pub struct Disk {
    pub lifeboat: Lifeboat,
    aside: TempDir,
}

impl Disk {
    /// The folder as it is now is how each run finds it.
    pub fn of(lifeboat: Lifeboat) -> Self {
        let disk = Self {
            lifeboat,
            aside: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(disk.lifeboat.folder().join("tmp")).unwrap();
        disk.keep();
        disk
    }

    fn kept(&self) -> PathBuf {
        self.aside.path().join("kept")
    }

    pub fn keep(&self) {
        let _ = fs::remove_dir_all(self.kept());
        copy(self.lifeboat.folder(), &self.kept());
    }

    pub fn reset(&self) {
        for found in fs::read_dir(self.lifeboat.folder()).unwrap() {
            let path = found.unwrap().path();
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        for found in fs::read_dir(self.kept()).unwrap() {
            let found = found.unwrap();
            copy(
                &found.path(),
                &self.lifeboat.folder().join(found.file_name()),
            );
        }
    }

    /// Runs the program once.
    pub fn run(&self, args: &[String], strike: Strike) -> Ended {
        let plain = self.lifeboat.command(args);
        let report = self.aside.path().join("report");
        let (stdout, stderr) = (self.aside.path().join("out"), self.aside.path().join("err"));
        let mut command = Command::new(program());
        command
            .arg(self.lifeboat.folder())
            .arg(&report)
            .args([strike.at.to_string(), strike.fault.to_owned()])
            .args([strike.times.to_string(), strike.lost.to_string()])
            .arg("--")
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(self.lifeboat.folder())
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("TMPDIR", self.lifeboat.folder().join("tmp"))
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        let mut status = child.try_wait().unwrap();
        while status.is_none() && begun.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(3));
            status = child.try_wait().unwrap();
        }
        if status.is_none() {
            // All that it traces ends with it.
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let text = |file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        let report = fs::read_to_string(&report).unwrap();
        let told = report.lines().find_map(|line| line.strip_prefix("ended "));
        assert!(
            told.is_some() || status.is_none(),
            "disk.c failed: {}",
            text(&stderr)
        );
        Ended {
            ran: Ran {
                code: told.map(|code| code.parse().unwrap()),
                stdout: text(&stdout),
                stderr: text(&stderr),
            },
            struck: struck(&report),
            operations: report.lines().filter_map(operation).collect(),
            lost: report
                .lines()
                .filter(|line| line.starts_with("lost "))
                .map(str::to_owned)
                .collect(),
            hung: status.is_none(),
        }
    }
}

fn operation(line: &str) -> Option<Operation> {
    let mut words = line.splitn(3, ' ');
    words.next()?.parse::<usize>().ok()?;
    Some(Operation {
        what: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
    })
}

fn struck(report: &str) -> Option<Operation> {
    let lines: Vec<&str> = report.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("struck "))?;
    operation(lines[at - 1])
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}
