//! Small objects that open to ten gigabytes, in a signed restore point: an error, in bounded memory.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat::testing::model::names;
use lifeboat::testing::store::DirStore;
use serde_json::Value;

use super::small_point;
use crate::support::forge::{Draft, Forge, line};
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

const GIB: u64 = 1024 * 1024 * 1024;

/// Ten GiB of one byte: a zstd frame of blocks that each repeat it.
fn ten_gib(byte: u8) -> Bytes {
    // Magic number, no sizes, a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    let block = 128 * 1024_u32;
    let count = 10 * GIB / u64::from(block);
    for number in 1..=count {
        let header = block << 3 | 1 << 1 | u32::from(number == count);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(byte);
    }
    frame.into()
}

struct Scene {
    folder: tempfile::TempDir,
    forge: Forge,
    draft: Draft,
    identity: String,
    target: Database,
    _source: Database,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = DirStore::create(folder.path().join("repository")).unwrap();
        let forge = Forge::new(Arc::new(store)).await;
        let source = Database::new(Major::Pg15);
        // A directory has no locks to export with.
        let lender = Forge::new(Arc::new(MemoryStore::default())).await;
        let point = small_point(&lender, &source).await;
        let draft = lender.draft_for(&forge, &point).await;
        Self {
            identity: forge.write_identity(folder.path()),
            folder,
            forge,
            draft,
            target: Database::new(Major::Pg15),
            _source: source,
        }
    }

    /// Both commands end with an error that says `says`, and never hold more than 4 GiB.
    fn withstood(&self, what: &str, id: &str, says: &str) {
        self.withstood_by(&["verify", "restore"], what, id, says);
    }

    fn withstood_by(&self, commands: &[&str], what: &str, id: &str, says: &str) {
        let target = self.target.url();
        let verify = ["verify", id, "--data"];
        let bin = self.target.major.bin();
        let bin = bin.to_str().unwrap();
        let restore = ["restore", id, "--target", &target, "--pg-bin", bin];
        let all = [&verify[..], &restore[..]];
        for args in all.into_iter().filter(|args| commands.contains(&args[0])) {
            let output = bounded(self.folder.path())
                .args(args)
                .args(["--repository", "repository", "--identity", &self.identity])
                .args(["--trust", &self.forge.trust.fingerprints[0].to_string()])
                .output()
                .unwrap();
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(output.status.code(), Some(1), "{what}, {}: {text}", args[0]);
            assert!(text.contains(says), "{what}, {}: {text}", args[0]);
        }
        self.target.sql(
            "DROP SCHEMA IF EXISTS lifeboat_restore CASCADE;
             DROP TABLE IF EXISTS answer, other, single, empty CASCADE",
        );
    }

    fn part_of_answer(&self) -> (u32, String) {
        let mut tables = self.draft.catalog.tables.iter();
        let oid = tables.find(|one| one.name.name == "answer").unwrap().oid;
        (oid, format!("{oid}/9.copy.zst.age"))
    }
}

/// lifeboat, with no more than 4 GiB of address space.
fn bounded(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 4194304; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_lifeboat"))
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder.join("no-home"))
        .env("PATH", "/usr/bin:/bin");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_part_that_opens_to_ten_gigabytes_is_an_error_in_bounded_memory() {
    let scene = Scene::new().await;
    let (oid, name) = scene.part_of_answer();
    let zeros = ten_gib(0);
    let bomb = scene.forge.sealer.seal(&zeros).unwrap().bytes;
    for (what, copy_bytes, says) in [
        ("a size that is a lie", 1000, "1000 bytes"),
        ("its true size", 10 * GIB, "longer than any row"),
    ] {
        let mut forged = scene.forge.store_parts(&scene.draft).await;
        let part = scene.forge.put_part(&forged, &name, bomb.clone()).await;
        let rows = forged.lists[&oid]
            .iter()
            .map(|line| line["rows"].as_u64().unwrap());
        let rows = rows.sum();
        forged
            .lists
            .insert(oid, vec![line(&part, rows, copy_bytes)]);
        scene.forge.store_lists(&scene.draft, &mut forged).await;
        scene.forge.sign(&forged.manifest).await;
        let id = forged.manifest["id"].as_str().unwrap();
        scene.withstood(what, id, says);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_list_or_catalog_that_opens_to_gigabytes_is_an_error_in_bounded_memory() {
    let scene = Scene::new().await;
    let (oid, _) = scene.part_of_answer();
    let mut forged = scene.forge.store_parts(&scene.draft).await;
    scene.forge.store_lists(&scene.draft, &mut forged).await;
    let name = format!("{oid}/bomb.zst");
    let list = scene.forge.put_part(&forged, &name, ten_gib(b' ')).await;
    let tables = forged.manifest["tables"].as_array_mut().unwrap();
    let table: &mut Value = tables.iter_mut().find(|table| table["oid"] == oid).unwrap();
    table["list"] = serde_json::to_value(&list).unwrap();
    scene.forge.sign(&forged.manifest).await;
    let id = forged.manifest["id"].as_str().unwrap();
    scene.withstood("a list", id, "bomb.zst does not read");

    let mut draft = scene.draft.clone();
    let bomb = scene.forge.sealer.seal(&ten_gib(b' ')).unwrap();
    draft.objects.insert(names::CATALOG.to_owned(), bomb.bytes);
    let id = scene.forge.commit_with(&draft, |_| {}, |_| {}).await;
    // Both open it in the same way; reading a gigabyte takes a test's build a while.
    let says = "catalog.json.zst.age does not read";
    scene.withstood_by(&["verify"], "a catalog", id.as_str(), says);
}
