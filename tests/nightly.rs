//! The schedules: `nightly` in the source account, `prove` in the backup account, each with no more
//! rights than the templates give its role.

use serde_json::Value;

use crate::support::deployed::Deployed;
use crate::support::program::Ran;
use crate::support::{Database, Major, cloud};

/// Names and exit codes of a run's steps.
fn steps(ran: &Ran) -> Vec<(String, u64)> {
    let document = ran.json();
    let steps = document["result"]["steps"].as_array();
    let steps = steps.unwrap_or_else(|| panic!("{ran:?}")).iter();
    let name = |step: &Value| step["name"].as_str().unwrap().to_owned();
    steps
        .map(|step| (name(step), step["exit_code"].as_u64().unwrap()))
        .collect()
}

fn small() -> Database {
    let database = Database::new(Major::Pg15);
    database.sql(
        "CREATE TABLE answer (id int PRIMARY KEY, said text);
         INSERT INTO answer SELECT g, 'said ' || g FROM generate_series(1, 3000) g;
         CREATE TABLE course (id int PRIMARY KEY); INSERT INTO course VALUES (1);",
    );
    database
}

#[tokio::test]
async fn with_the_rights_of_the_templates_alone_nights_are_exported_verified_and_proven() {
    let deployed = Deployed::new().await;
    let database = small();
    deployed.source("prod", &[&database]);
    let nightly = deployed.run_nightly();
    println!("{nightly:#?}");
    let name = format!("prod/{}", database.name);
    // The server has databases of other tests, and nobody exports them.
    assert_eq!(
        steps(&nightly),
        [("export prod".to_owned(), 3), (format!("verify {name}"), 0)]
    );
    let prove = deployed.run_prove();
    println!("{prove:#?}");
    assert_eq!(
        steps(&prove),
        [
            (format!("verify {name}"), 0),
            (format!("drill {name}"), 0),
            ("promote".to_owned(), 0),
            ("status".to_owned(), 0)
        ]
    );
    cloud::nothing_unknown(&[&deployed.source, &deployed.backup]);
}
