//! Exports every hour for five weeks: few calls, and older days are one line each.

use super::*;
use crate::seen::fleet::HOURLY;

#[tokio::test]
async fn hundreds_of_hours_take_no_more_calls_than_nights() {
    let made = in_memory(&HOURLY).await;
    let counted = Counted::over(made.forge.store.clone());
    let repository = Repository::new(counted.clone());

    let report = made.status(&repository).await;
    few(counted.take(), &HOURLY, 3, "status");
    assert_eq!(report.findings, []);
    let points = report.databases.iter().map(|one| one.points);
    assert!(points.eq([840; 20]));
    // Compared with the day before, not with the hour before.
    for one in &report.databases {
        let times = [&one.newest, &one.previous].map(|point| point.as_ref().unwrap().snapshot_at);
        assert_eq!(times, [now() - HOUR * 4, now() - HOUR * 24]);
    }

    let listing = listing(&repository, &made).await;
    few(counted.take(), &HOURLY, 2, "list");
    assert_eq!((listing.points.len(), listing.not_opened), (20, 16_780));

    let page = made.page_of(&repository, Vec::new()).await;
    few(counted.take(), &HOURLY, 4, "status and report");
    keep("hourly-fleet", &page);
    assert_eq!((page.databases, page.points), (20, 16_800));
    assert!(page.html.len() < 2 * MEGABYTE, "{} bytes", page.html.len());
}

/// The last hours, each point; of the days before the newest, and those that were drilled.
#[tokio::test]
async fn of_one_database_older_days_are_folded_until_all_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let size = Size {
        databases: 1,
        ..HOURLY
    };
    let made = in_directory(folder.path(), &size).await;
    let lifeboat = program(&made);
    let list = |args: &[&str]| lifeboat.run([&["list"], args].concat()).json()["result"].clone();
    let opened = |listing: &Value| listing["points"].as_array().unwrap().len() as u64;

    // 2026-11-21 has three points, 2026-11-20 has 24; of 34 days before it is the newest, and of all but the first that
    // of 02:30, which was drilled.
    let folded = list(&[]);
    let not_opened = folded["not_opened"].as_u64().unwrap();
    assert_eq!(opened(&folded) + not_opened, 840);
    assert_eq!(opened(&folded), 3 + 24 + 34 + 33);
    let drilled = |listing: &Value| -> Vec<String> {
        let points = listing["points"].as_array().unwrap().iter();
        let drilled = points.filter(|point| !point["drilled_at"].is_null());
        drilled.map(|point| point["id"].to_string()).collect()
    };
    let all = list(&["--all"]);
    assert_eq!((opened(&all), &all["not_opened"]), (840, &0.into()));
    assert_eq!(drilled(&folded), drilled(&all));
    assert_eq!(drilled(&all).len(), 35);

    let text = lifeboat.bare(["list"]).stdout;
    let rows = text.lines().filter(|line| line.starts_with("  a ")).count();
    assert_eq!(rows as u64, opened(&folded), "{text}");
    assert!(text.contains("of days with many, the newest was"), "{text}");

    let page = made.page(Vec::new()).await;
    keep("hourly", &page);
    assert_eq!((page.points, page.not_opened), (840, not_opened));
    let details = section(&page, "details");
    for words in [
        "Restore points and their locks",
        "of days with many, the newest was",
        "--all",
    ] {
        assert!(details.contains(words), "{words}: {details}");
    }
    assert!(!details.contains("not trusted"), "{details}");
}

/// Whoever may write could otherwise hide a day behind a point of it that nobody trusts.
#[tokio::test]
async fn a_forged_point_is_passed_over_for_the_newest_of_its_day() {
    let size = Size {
        databases: 1,
        ..HOURLY
    };
    let made = in_memory(&size).await;
    made.clock.set("2026-11-10T23:59:00Z".parse().unwrap());
    made.unsigned("a", "tenant-000", "20261110T235900Z-k3v9q2")
        .await;
    made.clock.set(now());
    let listing = listing(&made.forge.repository, &made).await;
    let of_the_day = listing
        .points
        .iter()
        .filter(|one| one.id.starts_with("20261110T"));
    let of_the_day: Vec<_> = of_the_day
        .map(|one| (&one.id[9..13], one.trusted))
        .collect();
    let (trusted, forged) = (Some(true), Some(false));
    assert!(
        of_the_day.ends_with(&[("2330", trusted), ("2359", forged)]),
        "{of_the_day:?}"
    );
    assert!(listing.findings[0].contains("20261110T235900Z-k3v9q2 cannot be restored from"));
}
