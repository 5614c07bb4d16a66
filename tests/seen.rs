//! A fleet is seen whole: few calls, small pages, the worst first, and nothing unchecked passes for checked.

mod bent;
mod fleet;
mod hourly;
mod told;

use std::sync::Arc;
use std::time::Instant;

use lifeboat::testing::list::{self, Listing};
use lifeboat::testing::model::{State, Verdict};
use lifeboat::testing::promote;
use lifeboat::testing::repository::Repository;
use lifeboat::testing::status;
use lifeboat::testing::{Context, Interrupt, Silent};
use serde_json::Value;

use self::fleet::{SMALL, Size, WHOLE, fill, name};
use crate::random::number;
use crate::report::made::{HOUR, Made, NOW, Spec, days, now};
use crate::report::{keep, section};
use crate::support::Lifeboat;
use crate::support::counted::{Calls, Counted};
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::quick::QuickDir;

const MEGABYTE: usize = 1_000_000;

async fn in_memory(size: &Size) -> Made {
    let clock = TestClock::at(NOW);
    fill(Arc::new(MemoryStore::new(clock.clone())), clock, size).await
}

async fn listing(repository: &Repository, made: &Made) -> Listing {
    let options = list::Options {
        source: None,
        database: None,
        all: false,
        now: now(),
    };
    let listing = list::list(repository, &made.forge.trust, &options).await;
    listing.unwrap()
}

/// Beside one for each thousand listed keys: the marker, a listing's last page, recipients that several readers ask
/// for at once.
const BESIDE: u64 = 40;

#[track_caller]
fn few(calls: Calls, size: &Size, of_each: u64, what: &str) {
    eprintln!("{what}: {calls:?}");
    let most = size.databases as u64 * of_each + calls.listed_keys / 1000 + BESIDE;
    assert!(calls.all() <= most, "{what}: {calls:?}, more than {most}");
}

#[tokio::test]
async fn a_healthy_fleet_takes_three_calls_a_database() {
    let made = in_memory(&WHOLE).await;
    let counted = Counted::over(made.forge.store.clone());
    let repository = Repository::new(counted.clone());

    // The two newest points, and the newest drill, of one of them.
    let report = made.status(&repository).await;
    few(counted.take(), &WHOLE, 3, "status");
    assert_eq!(report.findings, []);
    assert_eq!(report.databases.len(), 500);
    assert!(
        report
            .databases
            .iter()
            .all(|one| one.drilled.is_some() && one.points == 40)
    );

    // The newest point, and its drill.
    let listing = listing(&repository, &made).await;
    few(counted.take(), &WHOLE, 2, "list");
    assert_eq!(listing.findings, [""; 0]);
    assert_eq!((listing.points.len(), listing.not_opened), (500, 19_500));
    assert!(listing.points.iter().all(|one| one.trusted == Some(true)));

    // What status read, and the recipients of the newest point.
    let page = made.page_of(&repository, Vec::new()).await;
    few(counted.take(), &WHOLE, 4, "status and report");
    keep("fleet", &page);
    assert_eq!(page.findings, [""; 0]);
    assert_eq!((page.databases, page.points), (500, 20_000));
    assert_eq!((page.not_opened, page.drills), (19_250, 500));
    assert!(page.html.len() < 2 * MEGABYTE, "{} bytes", page.html.len());
    // Names lead to details where there are some.
    let linked = page.html.matches("<a href=\"#d1").count();
    let targets = page.html.matches("class=\"here\" id=\"d1").count();
    assert_eq!((linked, targets), (31, 31));
    let method = section(&page, "method");
    assert!(method.contains("19,250 others were not"), "{method}");
    let details = section(&page, "details");
    assert!(details.contains("lifeboat report --html FILE --source a --database tenant-000"));
}

/// What stands in a repository of `SMALL` beside its healthy databases.
async fn trouble(made: &Made) {
    let spec = |database: &str, night: i64, rows: u64| Spec {
        source: "c".to_owned(),
        database: database.to_owned(),
        at: now() - days(night) - HOUR * 4,
        rows,
        lock_days: made.forge.store.promises().locks.then_some(50),
    };
    for (database, nights) in [("shrunk", 0..30), ("stale", 3..30), ("forged", 0..30)] {
        for night in nights.rev() {
            let rows = if database == "shrunk" && night == 0 {
                10
            } else {
                1000
            };
            let point = made.point(&spec(database, night, rows)).await;
            if night == 3 {
                made.drill(&point, HOUR, 9.0, Verdict::Sound, Vec::new())
                    .await;
            }
        }
    }
    made.clock.set(now() - HOUR);
    made.unsigned("c", "forged", "20261121T053000Z-k3v9q2")
        .await;
    for second in 0..9 {
        made.unsigned("c", "junk", &format!("20261121T05300{second}Z-k3v9q2"))
            .await;
    }
    made.clock.set(now());
}

#[tokio::test]
async fn the_worst_comes_first() {
    let made = in_memory(&SMALL).await;
    trouble(&made).await;
    let repository = &made.forge.repository;
    let report = made.status(repository).await;
    let named = report
        .databases
        .iter()
        .map(|one| (&*one.database, one.state));
    let named: Vec<_> = named.take(5).collect();
    let expected = [
        ("junk", State::Urgent),
        ("stale", State::Urgent),
        ("forged", State::Findings),
        ("shrunk", State::Findings),
        ("tenant-000", State::Ok),
    ];
    assert_eq!(named, expected);
    assert!(report.findings[0].what.contains("cannot be restored from"));

    let listing = listing(repository, &made).await;
    let named = listing
        .databases
        .iter()
        .map(|one| (&*one.database, one.state));
    let named: Vec<_> = named.take(3).collect();
    let (urgent, findings) = (Some(State::Urgent), Some(State::Findings));
    assert_eq!(named[..2], [("junk", urgent), ("forged", findings)]);
    assert_eq!(named[2].1, Some(State::Ok));

    let page = made.page(Vec::new()).await;
    keep("fleet-in-trouble", &page);
    let databases = section(&page, "databases");
    let at = |name: &str| databases.find(name).unwrap();
    let order = ["c/junk", "c/stale", "c/forged", "c/shrunk", "a/tenant-000"];
    assert!(order.is_sorted_by_key(|name| at(name)), "{databases}");
    for finding in &page.findings {
        assert!(section(&page, "findings").contains(finding), "{finding}");
    }
}

#[tokio::test]
async fn a_point_that_was_not_opened_is_called_so_and_a_forged_one_hides_nothing() {
    let made = in_memory(&SMALL).await;
    trouble(&made).await;
    let listing = listing(&made.forge.repository, &made).await;
    let of = |name: &str| -> Vec<_> {
        let points = listing.points.iter().filter(|one| one.database == name);
        points.map(|one| (one.trusted, one.rows)).collect()
    };
    assert_eq!(
        of("forged"),
        [(Some(true), Some(1000)), (Some(false), None)]
    );
    assert_eq!(of("junk"), [(Some(false), None); 9]);
    let line = listing
        .databases
        .iter()
        .find(|one| one.database == "forged");
    let line = line.unwrap();
    assert_eq!((line.points, line.not_opened, line.attested), (31, 29, 1));
    // Without a key nothing was checked, and no state is told.
    let options = list::Options {
        source: None,
        database: None,
        all: false,
        now: now(),
    };
    let nobody = lifeboat::testing::Trust {
        fingerprints: Vec::new(),
    };
    let listing = list::list(&made.forge.repository, &nobody, &options).await;
    let listing = listing.unwrap();
    assert!(listing.databases.iter().all(|one| one.state.is_none()));
    assert!(listing.points.iter().all(|one| one.trusted.is_none()));
}

/// A drill of another point than the newest ones, or one that failed since, is found all the same.
#[tokio::test]
async fn the_newest_sound_drill_counts_whatever_point_it_was_of() {
    let made = in_memory(&Size {
        databases: 0,
        points: 0,
        ..SMALL
    })
    .await;
    let mut points = Vec::new();
    for night in (0..10).rev() {
        let spec = Spec {
            source: "c".to_owned(),
            database: "x".to_owned(),
            at: now() - days(night) - HOUR * 4,
            rows: 1000,
            lock_days: Some(50),
        };
        points.push(made.point(&spec).await);
    }
    let drill = async |at: usize, hours: i32, verdict: Verdict| {
        made.drill(&points[at], HOUR * hours, 9.0, verdict, Vec::new())
            .await;
    };
    drill(9, 8, Verdict::Sound).await;
    drill(2, 6, Verdict::Sound).await;
    drill(8, 5, Verdict::Failed).await;
    drill(9, 4, Verdict::Unproven).await;
    drill(8, 9, Verdict::Failed).await;
    let counted = Counted::over(made.forge.store.clone());
    let report = made.status(&Repository::new(counted.clone())).await;
    let one = &report.databases[0];
    let drilled = one.drilled.clone().unwrap();
    assert_eq!(drilled.id, points[2].manifest.id);
    assert_eq!(drilled.at, now() - HOUR * 6);
    let of = |drill: &Option<status::PastDrill>| drill.as_ref().map(|one| (one.id.clone(), one.at));
    let expected =
        |at: usize, hours: i32| Some((points[at].manifest.id.clone(), now() - HOUR * hours));
    assert_eq!(of(&one.drill_failed), expected(8, 5));
    assert_eq!(of(&one.drill_unproven), expected(9, 4));
    // The marker, three points, three attestations, and that which found the newest point sound: no other point.
    assert_eq!(counted.take().gets, 8);
}

#[tokio::test]
async fn of_a_fleet_only_crowded_databases_are_read_for_contested_periods() {
    let made = in_memory(&SMALL).await;
    for hour in 0..7 {
        let spec = Spec {
            source: "c".to_owned(),
            database: "crowded".to_owned(),
            at: now() - days(2) - HOUR * hour,
            rows: 1000,
            lock_days: Some(50),
        };
        made.point(&spec).await;
    }
    let counted = Counted::over(made.forge.store.clone());
    let repository = Repository::new(counted.clone());
    let contested = async |only_crowded: bool| {
        let options = promote::Options {
            source: None,
            database: None,
            tiers: promote::Tiers {
                weekly_days: Some(60),
                monthly_days: Some(190),
                yearly_days: None,
            },
            daily_days: 35,
            export_every: HOUR * 24,
            contested_limit: 5,
            only_crowded,
            max_lock_days: 400,
            dry_run: true,
        };
        let context = Context {
            clock: made.clock.as_ref(),
            progress: &Silent,
            interrupt: &Interrupt::never(),
        };
        let told = promote::run(&repository, &made.forge.trust, &options, context).await;
        let contested = told.unwrap().contested;
        contested
            .into_iter()
            .map(|one| (one.database, one.claimed.ids.len()))
            .collect::<Vec<_>>()
    };
    let all = contested(false).await;
    let of_all = counted.take();
    assert_eq!(all, [("crowded".to_owned(), 7)]);
    assert_eq!(contested(true).await, all);
    let of_crowded = counted.take();
    assert!(
        of_crowded.gets < 20 && of_crowded.gets * 4 < of_all.gets,
        "{of_crowded:?} of {of_all:?}"
    );
}

/// One whose configuration names the directory and the key.
fn program(made: &Made) -> Lifeboat {
    let lifeboat = Lifeboat::empty();
    let repository = made.forge.repository.url();
    let config = format!(
        "[repository]\nurl = '{repository}'\ntrust = ['{}']\n\
         [[source]]\nname = 'a'\nurl = 'postgresql://reader@db.example/tenant-000'\n",
        made.forge.trust.fingerprints[0]
    );
    std::fs::write(lifeboat.folder().join("lifeboat.toml"), config).unwrap();
    lifeboat
}

async fn in_directory(folder: &std::path::Path, size: &Size) -> Made {
    let clock = TestClock::at(NOW);
    fill(Arc::new(QuickDir::at(folder, clock.clone())), clock, size).await
}

/// `LIFEBOAT_SEEN_CASES` sets how many databases, 100 unless told.
#[tokio::test]
async fn what_the_program_says_of_a_fleet_is_below_two_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let size = Size {
        databases: number("LIFEBOAT_SEEN_CASES").unwrap_or(100) as usize,
        ..WHOLE
    };
    let lifeboat = program(&in_directory(folder.path(), &size).await);
    let run = |args: &[&str], code: i32| {
        let begun = Instant::now();
        let ran = lifeboat.bare(args);
        eprintln!(
            "{args:?}: {:?}, {} bytes",
            begun.elapsed(),
            ran.stdout.len()
        );
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(
            ran.stdout.len() < 2 * MEGABYTE,
            "{} bytes",
            ran.stdout.len()
        );
        ran.stdout
    };
    // The points are of another year than the clock, and a directory has no locks: all is urgent.
    let status = run(&["status", "--prometheus", "lifeboat.prom"], 3);
    let last = name(size.databases - 1);
    assert!(status.contains(&format!("urgent  {}       {}", last.0, last.1)));
    let list = run(&["list"], 0);
    let not_opened = size.databases * 39;
    let not_opened = format!("{},{:03}", not_opened / 1000, not_opened % 1000);
    let told = "restore points more were not opened, and nothing of them was checked";
    let told = format!("{not_opened} {told}");
    assert!(list.contains(&told), "{}", &list[list.len() - 400..]);
    run(&["status", "--json"], 3);
    run(&["list", "--json"], 0);
    let report = run(&["report", "--html", "report.html"], 0);
    assert!(report.contains("not opened"), "{report}");
    for file in ["lifeboat.prom", "report.html"] {
        let bytes = std::fs::read(lifeboat.folder().join(file)).unwrap().len();
        eprintln!("{file}: {bytes} bytes");
        let least = size.databases * 200;
        assert!(
            (least..2 * MEGABYTE).contains(&bytes),
            "{file}: {bytes} bytes"
        );
    }
}

#[tokio::test]
async fn one_database_is_opened_whole_and_states_choose_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let made = in_directory(folder.path(), &SMALL).await;
    trouble(&made).await;
    let lifeboat = program(&made);
    let result = |args: &[&str], code: i32| -> Value {
        let ran = lifeboat.run(args);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran.json()["result"].clone()
    };
    let count = |value: &Value, field: &str| value[field].as_array().unwrap().len();
    let (source, database) = name(0);
    let one = ["list", "--source", &source, "--database", &database];
    let one = result(&one, 0);
    assert_eq!((count(&one, "points"), &one["not_opened"]), (30, &0.into()));
    let all = result(&["list", "--all"], 3);
    assert_eq!(
        (&all["not_opened"], count(&all, "databases")),
        (&0.into(), 12)
    );
    assert_eq!(count(&all, "points"), 8 * 30 + 30 + 27 + 31 + 9);

    let urgent = result(&["list", "--state", "urgent"], 3);
    assert_eq!(urgent["databases"][0]["database"], "junk");
    assert_eq!(
        (count(&urgent, "databases"), count(&urgent, "points")),
        (1, 9)
    );
    assert_eq!(
        (count(&urgent, "findings"), &urgent["findings_not_shown"]),
        (9, &1.into())
    );
    let both = result(&["list", "--state", "urgent,findings"], 3);
    assert_eq!(
        (count(&both, "databases"), &both["findings_not_shown"]),
        (2, &0.into())
    );
    // What is not shown is still found.
    let none = result(&["status", "--state", "ok"], 3);
    assert_eq!(
        (count(&none, "databases"), count(&none, "findings")),
        (0, 0)
    );
    assert!(none["findings_not_shown"].as_u64().unwrap() >= 12);
    let text = lifeboat.bare(["list", "--state", "ok"]);
    assert_eq!(text.code, Some(3));
    assert!(
        text.stdout
            .contains("--state leaves out 2 databases with 10 findings"),
        "{text:?}"
    );
    let unknown = lifeboat.bare(["list", "--state", "good"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown
            .stderr
            .contains("possible values: ok, findings, urgent"),
        "{unknown:?}"
    );

    let args = ["report", "--html", "report.html", "--state", "ok"];
    let page = result(&args, 0);
    assert_eq!(
        (&page["databases"], &page["points"]),
        (&0.into(), &0.into())
    );
    let args = [
        "report",
        "--html",
        "report.html",
        "--source",
        "c",
        "--database",
        "stale",
    ];
    let page = result(&args, 0);
    assert_eq!(
        (&page["points"], &page["not_opened"]),
        (&27.into(), &0.into())
    );
    let page = result(&["report", "--html", "report.html", "--all"], 0);
    assert_eq!(
        (&page["databases"], &page["not_opened"]),
        (&12.into(), &0.into())
    );
}
