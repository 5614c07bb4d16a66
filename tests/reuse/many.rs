//! Many points are verified together: what several name is read once, and each that damage hurts is named.

use lifeboat::testing::repository::{Repository, RestorePoint};
use lifeboat::testing::verify::{self, Report, Seen};
use lifeboat::testing::{Context, Interrupt, Silent};

use super::{Scene, lies_in};
use crate::support::counted::Counted;

async fn verified(scene: &Scene, points: &[RestorePoint]) -> Vec<Report> {
    let seen = Seen::default();
    let mut reports = Vec::new();
    for point in points {
        let options = verify::Options {
            data: true,
            jobs: Some(2),
        };
        let context = Context {
            clock: scene.clock.as_ref(),
            progress: &Silent,
            interrupt: &Interrupt::never(),
        };
        let identities = &scene.forge.identities;
        let verified = verify::verify_beside(point, identities, options, Some(&seen), context);
        reports.push(Box::pin(verified).await.unwrap());
    }
    reports
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_several_points_name_is_read_once_and_counts_for_each() {
    let mut scene = Scene::new().await;
    let counted = Counted::over(scene.store.clone());
    scene.forge.repository = Repository::new(counted.clone());
    let mut points = vec![scene.export().await];
    for hour in 0..3 {
        scene.hours(1);
        if hour == 2 {
            scene
                .source
                .sql("UPDATE answer SET text = 'x' WHERE id = 7");
        }
        points.push(scene.export().await);
    }
    let parts = points[0].manifest.parts();
    assert!(parts > 20);
    counted.take();
    let alone = verified(&scene, &points[..1]).await;
    let first = counted.take();
    assert!(first.gets > parts, "{first:?}");
    let reports = verified(&scene, &points).await;
    let all = counted.take();
    // Each has some ten objects of its own, and the last one a few parts and their list.
    assert!(
        all.gets < first.gets + 90,
        "{all:?} for four, {first:?} for one"
    );
    assert!(
        all.heads < first.heads + 60,
        "{all:?} for four, {first:?} for one"
    );
    assert_eq!(reports[0].rows, alone[0].rows);
    for (report, point) in reports.iter().zip(&points) {
        assert_eq!(
            (report.problems.len(), report.findings.len()),
            (0, 0),
            "{report:?}"
        );
        assert_eq!(report.rows, Some(point.manifest.rows()));
        let alone = verified(&scene, std::slice::from_ref(point)).await;
        assert_eq!(report.objects, alone[0].objects);
        assert_eq!(report.stored_bytes, alone[0].stored_bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn each_point_that_a_damaged_part_hurts_is_named() {
    let scene = Scene::new().await;
    let mut points = vec![scene.export().await];
    scene.hours(1);
    points.push(scene.export().await);
    scene
        .source
        .sql("UPDATE answer SET text = 'x' WHERE id = 7");
    scene.hours(1);
    points.push(scene.export().await);
    let first = &points[0].manifest;
    let table = points[2].manifest.tables.iter().max_by_key(|one| one.parts);
    let mut parts = points[2].parts(table.unwrap()).await.unwrap();
    let named = parts.find(|part| lies_in(part.as_ref().unwrap().object.key.as_str(), &first.id));
    let named = named.unwrap().unwrap().object;
    scene.store.flip(&named.key, &named.version, 300, 1);
    scene.source.sql("TRUNCATE answer");
    scene.hours(1);
    points.push(scene.export().await);
    let reports = verified(&scene, &points).await;
    let hurt: Vec<bool> = reports
        .iter()
        .map(|report| {
            report
                .problems
                .iter()
                .any(|one| one.contains(named.key.as_str()))
        })
        .collect();
    assert_eq!(hurt, [true, true, true, false]);
    assert_eq!(reports[3].problems, [""; 0]);
}

/// A lock that one point promises and another does not is a finding of the first alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lock_that_is_too_short_for_one_point_is_its_finding_though_it_was_seen_before() {
    let scene = Scene::of("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g").await;
    let first = scene.export().await;
    scene.hours(24 * 5);
    let second = scene.export().await;
    assert_eq!(
        second.manifest.parts_from,
        std::slice::from_ref(&first.manifest.id)
    );
    // As long as the first point promises, and no longer.
    let part = {
        let mut parts = first.parts(&first.manifest.tables[0]).await.unwrap();
        parts.next().unwrap().unwrap().object
    };
    scene
        .store
        .relock(&part.key, &part.version, first.manifest.lock);
    let reports = verified(&scene, &[first, second]).await;
    assert_eq!(reports[0].findings, [""; 0]);
    assert!(
        reports[1].findings[0].contains(part.key.as_str()),
        "{:?}",
        reports[1].findings
    );
}
