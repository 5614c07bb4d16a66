//! Snapshot copies across two accounts, under the roles of the templates in `deploy/aws`.

mod cases;
mod expire;
mod faults;
mod restore;
mod spare;
pub mod world;

use lifeboat::testing::model::Kind;
use world::{Under, World};

const BOTH: [Kind; 2] = [Kind::Instance, Kind::Cluster];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_copy_lies_in_the_backup_account_under_its_key_and_nothing_stays_shared() {
    for kind in BOTH {
        let mut world = World::empty(kind).await;
        for under in [Under::Default, Under::Customer, Under::Nothing] {
            let label = format!("{kind} under {under:?}");
            world.next(under).await;
            let report = world.copy().await;
            assert_eq!(report.failures.len(), 0, "{label}: {report:#?}");
            let copy = world.assert_one(&label).await;
            let plain = kind == Kind::Cluster && under == Under::Nothing;
            assert_eq!(copy.encrypted, !plain, "{label}");
            assert_eq!(
                report.findings.len(),
                usize::from(plain),
                "{label}: {report:#?}"
            );
            if copy.encrypted {
                assert_eq!(copy.kms_key.as_deref(), Some(&*world.kms_key), "{label}");
            }
        }
        world.nothing_unknown();
    }
}
