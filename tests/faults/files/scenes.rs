//! Commands that need no server: what they write, and what is true of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Scene, undisturbed};
use crate::faults::disk::{Disk, Ended, Strike};
use crate::faults::tally::{Cases, Tally};
use crate::support::Lifeboat;
use crate::support::program::Ran;

pub fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

pub fn check(is: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    is.then_some(()).ok_or_else(wrong)
}

/// With or without findings: one recipient alone is one.
pub fn done(what: &str, ran: &Ran) -> Result<(), String> {
    check(matches!(ran.code, Some(0 | 3)), || {
        format!("{what}: {ran:?}")
    })
}

fn is_whole(file: &Path) -> Result<(), String> {
    let bytes = fs::read(file);
    check(bytes.is_ok_and(|bytes| bytes.ends_with(b"\n")), || {
        format!("{} is not whole", file.display())
    })
}

/// `lifeboat init` of a folder and its keys.
pub struct Init(pub Disk);

impl Init {
    pub fn new() -> Self {
        Self(Disk::of(Lifeboat::empty()))
    }

    fn run(&self, args: &[&str]) -> Ran {
        let config = ["--config", "conf/lifeboat.toml"];
        self.0.lifeboat.run([args, &config].concat())
    }

    /// What was written belongs together: the identity opens what is sealed, the signing key signs what is trusted.
    fn whole(&self) -> Result<(), String> {
        let identity = ["--identity", "conf/break-glass.key"];
        let tested = self.run(&[&["keys", "test"][..], &identity].concat());
        done("keys test", &tested)?;
        done("list", &self.run(&["list"]))?;
        is_whole(&self.0.lifeboat.folder().join("conf/break-glass-sheet.md"))?;
        is_whole(&self.0.lifeboat.folder().join("conf/reuse.key"))?;
        // The old signing key vouches for the new one.
        let rotated = self.run(&["keys", "rotate"]);
        check(rotated.code == Some(0), || {
            format!("keys rotate: {rotated:?}")
        })
    }
}

impl Scene for Init {
    fn disk(&self) -> &Disk {
        &self.0
    }

    fn args(&self) -> Vec<String> {
        let place =
            "init --repository deep/repository --config conf/lifeboat.toml --keys-dir conf --json";
        place.split(' ').map(str::to_owned).collect()
    }

    fn succeeded(&self, _: &Ended) -> Result<(), String> {
        self.whole()
    }

    /// A configuration that can be used has its keys.
    fn failed(&self) -> Result<(), String> {
        match self.run(&["keys", "list"]).code {
            Some(0 | 3) => self.whole(),
            _ => Ok(()),
        }
    }

    fn again(&self) -> Result<(), String> {
        // As its hint says.
        let folder = self.0.lifeboat.folder();
        let _ = fs::rename(folder.join("conf"), folder.join("moved"));
        done("init", &self.0.lifeboat.bare(self.args()))?;
        self.whole()
    }
}

/// `lifeboat keys add --file`.
pub struct KeysAdd(pub Disk);

impl KeysAdd {
    pub fn new() -> Self {
        Self(Disk::of(Lifeboat::init()))
    }

    fn recipients(&self) -> usize {
        let listed = self.0.lifeboat.run(["keys", "list"]);
        let recipients = match listed.code {
            Some(0 | 3) => listed.json()["result"]["recipients"]
                .as_array()
                .map(Vec::len),
            _ => None,
        };
        recipients.unwrap_or(0)
    }

    fn opens(&self) -> Result<(), String> {
        let identity = ["keys", "test", "--identity", "stick/third.key"];
        let tested = self.0.lifeboat.run(identity);
        done("the new recipient's identity", &tested)
    }
}

impl Scene for KeysAdd {
    fn disk(&self) -> &Disk {
        &self.0
    }

    fn args(&self) -> Vec<String> {
        words(&[
            "keys",
            "add",
            "--file",
            "stick/third.key",
            "--name",
            "third",
            "--json",
        ])
    }

    fn succeeded(&self, _: &Ended) -> Result<(), String> {
        let recipients = self.recipients();
        check(recipients == 3, || format!("{recipients} recipients"))?;
        self.opens()
    }

    /// No recipient whose identity is lost.
    fn failed(&self) -> Result<(), String> {
        match self.recipients() {
            2 => Ok(()),
            3 => self.opens(),
            other => Err(format!("{other} recipients")),
        }
    }
}

/// `lifeboat keys rotate`, which announces the new key in the repository.
pub struct KeysRotate(pub Disk);

impl KeysRotate {
    pub fn new() -> Self {
        Self(Disk::of(Lifeboat::init()))
    }
}

impl Scene for KeysRotate {
    fn disk(&self) -> &Disk {
        &self.0
    }

    fn args(&self) -> Vec<String> {
        words(&["keys", "rotate", "--json"])
    }

    fn succeeded(&self, ended: &Ended) -> Result<(), String> {
        let said: Value = serde_json::from_str(&ended.ran.stdout).map_err(|why| why.to_string())?;
        let made = |name: &str| PathBuf::from(said["result"][name].as_str().unwrap_or("missing"));
        for name in ["reuse_key", "signing_key"] {
            is_whole(&self.0.lifeboat.folder().join(made(name)))?;
        }
        let announcement = said["result"]["announcement"].as_str().unwrap_or("missing");
        let repository = self.0.lifeboat.repository();
        is_whole(&repository.join(announcement))
    }

    /// The old keys go on working.
    fn failed(&self) -> Result<(), String> {
        done("list", &self.0.lifeboat.run(["list"]))
    }

    /// That the new key is not announced is a finding.
    fn fails_by(&self, code: i32) -> bool {
        matches!(code, 1..=3)
    }
}

/// A command that reads the frozen repository, and what it writes.
pub struct Reads {
    disk: Disk,
    args: Vec<String>,
    /// Files below `out`.
    written: BTreeMap<PathBuf, Vec<u8>>,
    end: &'static [u8],
}

impl Reads {
    /// `end`: how a file ends whose content is another each time; empty: it is the same.
    pub fn new(args: &str, end: &'static [u8]) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let lifeboat = Lifeboat::empty();
        let copied = Command::new("cp")
            .arg("-r")
            .args([fixtures.join("directory"), lifeboat.repository()])
            .status();
        assert!(copied.unwrap().success());
        let key = fixtures.join("keys/directory.key");
        fs::copy(key, lifeboat.folder().join("directory.key")).unwrap();
        let trust = fs::read_to_string(fixtures.join("keys/directory.trust")).unwrap();
        fs::create_dir(lifeboat.folder().join("out")).unwrap();
        let config = format!(
            "[repository]\nurl = {:?}\ntrust = [{:?}]\n",
            lifeboat.repository(),
            trust.trim()
        );
        fs::write(lifeboat.folder().join("lifeboat.toml"), config).unwrap();
        let args = args.split(' ');
        let args = args.chain(["--identity", "directory.key", "--json"]);
        let mut scene = Self {
            args: args.map(str::to_owned).collect(),
            disk: Disk::of(lifeboat),
            written: BTreeMap::new(),
            end,
        };
        scene.disk.run(&scene.args, Strike::NONE);
        scene.written = scene.read();
        scene
    }

    fn read(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.disk.lifeboat.folder().join("out")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                // Of one that ended early.
                if name.ends_with(".incomplete") || name.starts_with(".lifeboat-") {
                    continue;
                }
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
                }
            }
        }
        found
    }

    fn compare(&self, all: bool) -> Result<(), String> {
        let is = self.read();
        check(!all || is.len() == self.written.len(), || {
            format!("{} files", is.len())
        })?;
        for (path, bytes) in is {
            let equal = match self.end {
                [] => self.written.get(&path) == Some(&bytes),
                end => bytes.ends_with(end),
            };
            check(equal, || {
                format!("{} has {} bytes", path.display(), bytes.len())
            })?;
        }
        Ok(())
    }
}

impl Scene for Reads {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn args(&self) -> Vec<String> {
        self.args.clone()
    }

    fn succeeded(&self, _: &Ended) -> Result<(), String> {
        self.compare(true)
    }

    fn failed(&self) -> Result<(), String> {
        self.compare(false)
    }
}

pub fn all() -> Vec<Box<dyn Scene>> {
    let (first, second) = ("20261129T012820Z-b0zd9z", "20261129T012821Z-29zq2r");
    let reads = [
        (format!("verify {first} --data"), &b""[..]),
        (
            format!("extract {first} --table visit --table person --format copy -o out/rows"),
            b"",
        ),
        (
            format!("extract {first} --table visit --format sql -o out/visit.sql"),
            b"",
        ),
        (format!("diff {first} {second} --rows --table visit"), b""),
        ("report --html out/report.html".to_owned(), b"</html>\n"),
    ];
    let mut all: Vec<Box<dyn Scene>> = vec![
        Box::new(Init::new()),
        Box::new(KeysAdd::new()),
        Box::new(KeysRotate::new()),
    ];
    for (args, end) in reads {
        all.push(Box::new(Reads::new(&args, end)));
    }
    all
}

#[test]
fn no_file_operation_that_fails_makes_a_false_success() {
    let (mut tally, cases) = (Tally::new("files"), Cases::of("files", 64));
    super::run(&mut tally, cases, &all(), super::strikes);
    tally.end();
}

/// A power cut takes what was not synced; the keys that `init` told of are synced.
#[test]
fn the_keys_of_init_survive_a_power_cut() {
    let init = Init::new();
    undisturbed(&init);
    let cut = Strike {
        fault: "crash-end",
        ..Strike::NONE
    };
    init.0.reset();
    let ended = init.0.run(&init.args(), cut);
    assert_eq!(ended.ran.code, Some(0), "{:?}", ended.ran);
    init.whole().unwrap();
}

#[test]
fn the_identity_of_keys_add_survives_a_power_cut() {
    let add = KeysAdd::new();
    let cut = Strike {
        fault: "crash-end",
        ..Strike::NONE
    };
    add.0.reset();
    let ended = add.0.run(&add.args(), cut);
    assert_eq!(ended.ran.code, Some(0), "{:?}", ended.ran);
    add.succeeded(&ended).unwrap();
}

#[test]
fn the_folder_of_extracted_rows_survives_a_power_cut() {
    let args = "extract 20261129T012820Z-b0zd9z --table visit --table person -o out/rows";
    let extract = Reads::new(args, b"");
    let cut = Strike {
        fault: "crash-end",
        ..Strike::NONE
    };
    extract.disk.reset();
    let ended = extract.disk.run(&extract.args, cut);
    assert_eq!(ended.ran.code, Some(0), "{:?}", ended.ran);
    extract.succeeded(&ended).unwrap();
}

/// A disk that does not answer for the configuration is no disk without one.
#[test]
fn a_configuration_that_cannot_be_looked_at_is_not_passed_over() {
    let add = KeysAdd::new();
    let strike = Strike {
        at: 1,
        fault: "EIO",
        times: 1,
        lost: 0,
    };
    add.0.reset();
    let ended = add.0.run(&add.args(), strike);
    assert!(ended.struck.unwrap().path.ends_with("/lifeboat.toml"));
    // It is read after all: the disk answers again.
    assert_eq!(ended.ran.code, Some(0), "{:?}", ended.ran);
    add.0.reset();
    let ended = add.0.run(&add.args(), Strike { times: 0, ..strike });
    ended.ran.failed(2, "Input/output error");
}
