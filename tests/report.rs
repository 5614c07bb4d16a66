//! The page of `lifeboat report`: what it tells, and what it never does.
//!
//! Pages are left in `target/tmp/report`, where `tests/report/run.sh` opens them in a browser.

pub mod made;

use std::path::PathBuf;

use lifeboat::testing::codec::Identities;
use lifeboat::testing::model::CopyStatus;
use lifeboat::testing::model::Id;
use lifeboat::testing::model::NotCovered;
use lifeboat::testing::model::Verdict;
use lifeboat::testing::report::{Options, Page};

use self::made::{HOUR, Made, Spec, assertion, days, healthy, now, two_ways, wave};
use crate::support::{Database, Lifeboat, Major};

/// Names that somebody might give a database.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "a\"b'c & d` onload=x",
    "photo\u{202e}gnp.exe",
    "קורסים-2026",
];

/// For the browser, and for whoever wants to look.
pub fn keep(name: &str, page: &Page) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.html")), &page.html).unwrap();
}

/// What the page says between two headings, without markup.
pub fn section(page: &Page, id: &str) -> String {
    let (_, rest) = page
        .html
        .split_once(&format!("<section id=\"{id}\">"))
        .unwrap();
    let inside = rest.split("</section>").next().unwrap();
    let mut text = String::new();
    for piece in inside.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, words)| words));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(page: &Page, id: &str, words: &[&str]) {
    let text = section(page, id);
    for words in words {
        assert!(text.contains(words), "no '{words}' in {id}: {text}");
    }
}

fn spec(database: &str, night: i64, rows: u64) -> Spec {
    Spec {
        source: "prod".to_owned(),
        database: database.to_owned(),
        at: now() - days(night) - HOUR * 4,
        rows,
        lock_days: Some(35),
    }
}

fn copies() -> Vec<CopyStatus> {
    vec![CopyStatus {
        source: "prod".to_owned(),
        newest_at: Some(now() - HOUR * 5),
        copies: 14,
    }]
}

#[tokio::test]
async fn a_page_about_a_healthy_repository() {
    let made = Made::new().await;
    for (database, rows, recovery) in [
        ("courses", 1_943_200, 1310.0),
        ("accounts", 88_120, 96.0),
        ("billing", 12_400_000, 4105.0),
    ] {
        healthy(&made, "prod", database, rows, recovery).await;
    }
    let page = made.page(copies()).await;
    keep("healthy", &page);
    assert_eq!(page.findings, [""; 0]);
    assert_eq!(
        (page.databases, page.points, page.drills),
        (3, 3 * 43, 3 * 14)
    );
    says(&page, "findings", &["None. Judged by", "26 h", "8 d"]);
    says(
        &page,
        "databases",
        &["prod/courses", "4 h", "2026-12-26, 34 d", "4 h ago", "43"],
    );
    says(
        &page,
        "drills",
        &[
            "prod/billing",
            "sound",
            "all 4 hold",
            "2026-11-21 02:30 UTC",
            "walled: network, files, processes; not walled: user id",
            "not tried: 2 × event trigger",
        ],
    );
    says(
        &page,
        "details",
        &[
            "Restore points and their locks",
            "Stored",
            "Recovery in drills",
            "the newest answer is of the last day",
            "2026-11-20 01:58:12+00",
            "compliance, until 2026-12-26 02:30 UTC",
            "lifeboat restore 20261121T023000Z",
        ],
    );
    says(&page, "coverage", &["role passwords", "4 in prod/courses"]);
    says(
        &page,
        "keys",
        &[
            "2 independent ways to open them",
            "break-glass",
            "people, offline",
            "key/1234abcd",
            "pinned",
            "129",
        ],
    );
    says(&page, "copies", &["prod", "5 h", "14"]);
    says(&page, "leftovers", &["None"]);
}

#[tokio::test]
async fn a_page_that_tells_what_is_wrong() {
    let made = Made::new().await;
    healthy(&made, "prod", "courses", 1_943_200, 1310.0).await;
    // Exports stopped, the lock is about to end, and the last drill failed.
    let alone = made.keys("prod/reports", &two_ways()[..1]).await;
    for night in (34..60).rev().filter(|night| night % 5 != 0) {
        let mut of_night = spec("reports", night, 40_000 - night as u64 * 30);
        of_night.lock_days = Some(36);
        let point = made
            .point_with(&of_night, |manifest| {
                manifest.objects.push(alone.clone());
                manifest.not_covered.push(NotCovered {
                    kind: "foreign table rows".to_owned(),
                    count: 2,
                });
            })
            .await;
        let answers = |ok: bool, value| {
            vec![
                assertion("rows of yesterday", ok, value),
                assertion("the schema is of this release", true, Some("20261101")),
            ]
        };
        match night {
            36 => {
                let failed = answers(false, None);
                made.drill(&point, days(9), 71.0, Verdict::Failed, failed)
                    .await;
            }
            41 | 46 | 51 => {
                let sound = answers(true, Some("1718"));
                made.drill(
                    &point,
                    days(night - 1),
                    64.0 + wave(night, 8.0),
                    Verdict::Sound,
                    sound,
                )
                .await;
            }
            _ => {}
        }
    }
    // A third of the rows is gone, and nothing is locked.
    for (night, rows) in [(2, 9000), (1, 9100), (0, 2800)] {
        let mut of_night = spec("billing", night, rows);
        of_night.lock_days = None;
        made.point(&of_night).await;
    }
    made.unsigned("prod", "billing", "20261120T120000Z-k3v9q2")
        .await;
    made.left("prod", "courses", "20261119T020000Z-k3v9q2", 1 << 20)
        .await;
    let late = CopyStatus {
        source: "prod".to_owned(),
        newest_at: Some(now() - days(3)),
        copies: 14,
    };
    let none = CopyStatus {
        source: "reporting".to_owned(),
        newest_at: None,
        copies: 0,
    };
    let page = made.page(vec![late, none]).await;
    keep("trouble", &page);
    assert!(page.findings.len() >= 8, "{:#?}", page.findings);
    for finding in &page.findings {
        let words = finding.replace('\'', "&#39;").replace('<', "&lt;");
        assert!(page.html.contains(&words), "{finding}");
    }
    let count = format!("▲ {} findings", page.findings.len());
    assert!(page.html.contains(&count));
    says(
        &page,
        "databases",
        &["▲ not locked", "▲ never", "▲ 34 d 4 h", "▲ 5 findings"],
    );
    says(
        &page,
        "drills",
        &["▲ failed", "▲ 1 of 2 hold", "all 4 hold"],
    );
    says(
        &page,
        "details",
        &["▲ not ok", "1718", "▲ not trusted", "▲ failed 2026-11-12"],
    );
    says(
        &page,
        "coverage",
        &["foreign table rows", "2 in prod/reports"],
    );
    says(
        &page,
        "keys",
        &[
            "▲ One way to open them",
            "Recipients are not known",
            "prod/billing",
        ],
    );
    says(&page, "copies", &["▲ 3 d", "▲ none"]);
    says(
        &page,
        "leftovers",
        &[
            "1 export left 1.0 MiB",
            "20261119T020000Z-k3v9q2",
            "2026-12-22",
        ],
    );
}

#[tokio::test]
async fn what_assertions_gave_is_shown_to_who_could_open_it() {
    let made = Made::new().await;
    let point = made.point(&spec("courses", 0, 1000)).await;
    let asked = vec![
        assertion("users are there", true, Some("47 eleven")),
        assertion("none is late", false, Some("47 twelve")),
    ];
    made.drill(&point, HOUR, 9.0, Verdict::Failed, asked).await;
    let page = made.report(made.options()).await.unwrap();
    says(
        &page,
        "details",
        &["users are there", "47 eleven", "▲ 47 twelve"],
    );
    let (stranger, _) = lifeboat::testing::codec::new_identity();
    let stranger = Identities::from_secret(stranger.as_bytes()).unwrap();
    for identities in [Identities::default(), stranger] {
        let options = Options {
            identities,
            ..made.options()
        };
        let page = made.report(options).await.unwrap();
        says(&page, "details", &["users are there ok", "▲ not ok"]);
        for answer in ["47 eleven", "47 twelve"] {
            assert!(!page.html.contains(answer), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_changed_between_the_points_of_the_last_two_sound_drills_is_shown() {
    let made = Made::new().await;
    for (night, rows, result) in [
        (3, 1200, Verdict::Sound),
        (2, 1000, Verdict::Sound),
        (1, 6, Verdict::Failed),
        (0, 900, Verdict::Sound),
    ] {
        let point = made.point(&spec("courses", night, rows)).await;
        let age = days(night) + HOUR;
        made.drill(&point, age, 9.0, result, Vec::new()).await;
    }
    let page = async |contested: Option<Vec<Id>>| {
        let options = Options {
            contested,
            // Without one, names are sealed.
            identities: Identities::default(),
            ..made.options()
        };
        made.report(options).await.unwrap()
    };
    let changed = |rows: &str| format!("{rows} rows, now 900; 2 tables, now 2");
    says(
        &page(Some(Vec::new())).await,
        "details",
        &[&changed("1,000")],
    );
    // What is contested may be a thief's.
    let at = spec("courses", 2, 1000).at;
    let contested = Id::new(at, at.as_second() as u32 ^ 1000);
    says(
        &page(Some(vec![contested])).await,
        "details",
        &[&changed("1,200")],
    );
    let unknown = section(&page(None).await, "details");
    assert!(!unknown.contains("now 900"), "{unknown}");
}

#[tokio::test]
async fn an_unproven_drill_is_shown_as_neither_sound_nor_failed() {
    let made = Made::new().await;
    let point = made.point(&spec("courses", 0, 1000)).await;
    made.drill(&point, HOUR, 9.0, Verdict::Unproven, Vec::new())
        .await;
    let page = made.page(Vec::new()).await;
    says(&page, "drills", &["▲ not proven"]);
    says(&page, "databases", &["▲ never"]);
    says(&page, "details", &["▲ not proven 2026-11-21"]);
    says(&page, "findings", &["cannot be proven without a superuser"]);
    assert!(!section(&page, "drills").contains("failed"));
}

#[tokio::test]
async fn names_and_answers_are_text_and_nothing_else() {
    let made = Made::new().await;
    let long = "x".repeat(63);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        let keys = made
            .keys(&lifeboat::testing::model::segment(name), &two_ways())
            .await;
        for night in [2, 1, 0] {
            let point = made
                .point_with(&spec(name, night, 1000), |manifest| {
                    manifest.objects.push(keys.clone());
                    manifest.server_version = "15 <img src=x onerror=alert(1)>".to_owned();
                    manifest.tool = "</code><script>".to_owned();
                    manifest.not_covered[0].kind = "<b>\u{202e}".to_owned();
                })
                .await;
            let answer = assertion("<style>*{}</style>", true, Some("</td><iframe src=//x>"));
            made.drill(
                &point,
                days(night) + HOUR * 2,
                9.0,
                Verdict::Sound,
                vec![answer],
            )
            .await;
        }
        made.left("prod", name, "20261119T020000Z-k3v9q2", 10).await;
    }
    let page = made.page(Vec::new()).await;
    keep("hostile", &page);
    for never in [
        "<script",
        "<img",
        "<iframe",
        "<b>\u{202e}",
        "onerror=alert(1)>",
        "\u{202e}",
        "http-equiv=\"refresh",
    ] {
        assert!(!page.html.contains(never), "{never}");
    }
    assert_eq!(page.html.matches("<style").count(), 1);
    says(
        &page,
        "databases",
        &[
            "prod/&lt;script&gt;alert(1)&lt;/script&gt;",
            "prod/a&quot;b&#39;c &amp; d` onload=x",
            r"prod/photo\u{202e}gnp.exe",
            "prod/קורסים-2026",
            &long,
        ],
    );
    // What cannot be seen is not offered to be copied into a shell; what can, is one word there.
    let details = section(&page, "details");
    assert!(details.contains("--database &#39;&lt;script&gt;alert(1)&lt;/script&gt;&#39;"));
    assert!(details.contains(r"--database &#39;a&quot;b&#39;\&#39;&#39;c &amp; d` onload=x&#39;"));
    assert_eq!(details.matches("lifeboat restore").count(), 4);
}

#[tokio::test]
async fn a_page_loads_nothing_and_runs_nothing() {
    let made = Made::new().await;
    healthy(&made, "prod", "courses", 1000, 60.0).await;
    let page = made.page(copies()).await;
    let head = page.html.split("</head>").next().unwrap();
    assert!(head.contains(
        "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'"
    ));
    for never in [
        "<script", "src=", "url(", "@import", "<link", "http://", "https://", "<form",
    ] {
        assert!(!page.html.contains(never), "{never}");
    }
}

#[tokio::test]
async fn an_empty_repository_has_a_page() {
    let made = Made::new().await;
    let mut options = made.options();
    options.databases = vec![("prod".to_owned(), "courses".to_owned())];
    options.findings = vec!["prod/courses: there is no restore point".to_owned()];
    let page = made.report(options).await.unwrap();
    keep("empty", &page);
    assert_eq!((page.databases, page.points, page.drills), (1, 0, 0));
    says(&page, "databases", &["prod/courses", "▲ 1 finding", "none"]);
    says(&page, "details", &["It has no restore point"]);
    says(&page, "drills", &["no restore point was ever restored"]);
}

#[tokio::test]
async fn what_the_credentials_may_not_read_is_said_to_be_unknown() {
    let made = Made::new().await;
    healthy(&made, "prod", "courses", 1000, 60.0).await;
    let page = async |denied| {
        *made.store.denied.lock().unwrap() = Some(denied);
        made.report(made.options()).await
    };
    let without_drills = page("attestations/").await.unwrap();
    assert_eq!((without_drills.drills, without_drills.points), (0, 43));
    says(&without_drills, "databases", &["not known"]);
    says(&without_drills, "drills", &["may not read attestations"]);
    assert!(!section(&without_drills, "databases").contains("never"));
    let without_parts = page("parts/").await.unwrap();
    says(
        &without_parts,
        "keys",
        &["Recipients are not known", "prod/courses"],
    );
    // Nothing at all is known then, and a page would be a lie.
    assert!(page("manifests/").await.is_err());
}

#[tokio::test]
async fn a_hundred_databases_of_four_hundred_points_fit_into_five_megabytes() {
    let made = Made::new().await;
    for number in 0..100 {
        let name = format!("tenant-{number:03}");
        let keys = made.keys(&format!("prod/{name}"), &two_ways()).await;
        for night in (0..400).rev() {
            let mut of_night = spec(&name, night, 100_000 * (number + 1) - night as u64 * 37);
            of_night.lock_days = Some(410);
            let point = made
                .point_with(&of_night, |manifest| manifest.objects.push(keys.clone()))
                .await;
            if night % 8 == 0 {
                let answers =
                    (0..5).map(|at| assertion(&format!("question {at}"), true, Some("1943200")));
                let age = days(night) + HOUR;
                made.drill(
                    &point,
                    age,
                    60.0 + wave(night, 9.0),
                    Verdict::Sound,
                    answers.collect(),
                )
                .await;
            }
        }
    }
    let options = Options {
        all: true,
        ..made.options()
    };
    let page = made.report(options).await.unwrap();
    keep("large", &page);
    assert_eq!(
        (page.databases, page.points, page.drills),
        (100, 40_000, 5000)
    );
    assert_eq!(page.findings, [""; 0]);
    let megabytes = page.html.len() as f64 / 1e6;
    assert!(megabytes < 5.0, "{megabytes} MB");
    says(&page, "databases", &["tenant-000", "tenant-099"]);
    says(
        &page,
        "details",
        &[
            "tenant-099",
            "400 restore points",
            "Older, by month",
            "2025-11",
        ],
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_command_replaces_the_file_in_one_step_and_is_done_whatever_it_says() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t AS SELECT 1 AS id");
    let lifeboat = Lifeboat::init();
    lifeboat
        .run(["export".to_owned(), "--source".to_owned(), source.url()])
        .ok();
    let file = lifeboat.folder().join("report.html");
    std::fs::write(&file, "what was there before").unwrap();
    let args = ["report", "--html", "report.html"].map(str::to_owned);
    let ran = lifeboat.run(args).ok();
    let result = &ran.json()["result"];
    let html = std::fs::read_to_string(&file).unwrap();
    assert_eq!(result["file"], "report.html");
    assert_eq!(result["bytes"], html.len());
    assert_eq!(
        (&result["points"], &result["databases"]),
        (&1.into(), &1.into())
    );
    // A directory has no locks, and nothing was drilled.
    let findings = result["findings"].as_array().unwrap();
    assert!(findings.len() >= 2, "{findings:?}");
    for finding in findings {
        let finding = finding.as_str().unwrap();
        assert!(html.contains(finding), "{finding}");
    }
    let left = std::fs::read_dir(lifeboat.folder()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.filter(|name| name.starts_with(".lifeboat-")).count(),
        0
    );

    let args = ["report", "--html", "nowhere/report.html"].map(str::to_owned);
    lifeboat.run(args).failed(1, "nowhere/report.html");
}
