//! Databases: what an export of tonight would stumble over.

use super::{configured, of, posture, short};
use crate::support::{Database, Lifeboat, Major, unique};

/// A role that is dropped with this value: declare it before databases.
struct Role(String);

impl Role {
    fn new() -> Self {
        let name = unique("reader");
        Major::Pg15.sql("postgres", &format!("CREATE ROLE {name} LOGIN"));
        Self(name)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.0);
        if let Err(error) = Major::Pg15.try_sql("postgres", "postgres", &drop) {
            eprintln!("{drop}: {error}");
        }
    }
}

fn with_source(url: &str, databases: &[&str], pg_bin: bool) -> Lifeboat {
    let bin = match pg_bin {
        true => format!("[export]\npg_bin = [{:?}]\n", Major::Pg18.bin()),
        false => String::new(),
    };
    let lifeboat = configured(&format!("[repository]\nurl = \"repository\"\n{bin}"));
    lifeboat.configure(&format!(
        "[[source]]\nname = \"prod\"\nurl = \"{url}\"\ndatabases = {databases:?}"
    ));
    lifeboat
}

/// Findings about databases.
fn found(lifeboat: &Lifeboat) -> Vec<(String, String, String)> {
    let mut found = posture(&lifeboat.run(["doctor"]));
    found.retain(|(_, check, _)| {
        ["database", "readable", "pg_dump", "uncovered"].contains(&check.as_str())
    });
    found
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_that_can_be_exported_is_no_finding_and_each_reason_why_not_is() {
    let role = Role::new();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE answer (id int); SELECT lo_create(4711)");
    let as_reader = || with_source(&database.url_as(&role.0), &[&database.name], false);
    let hurdles = || {
        let mut found = found(&as_reader());
        found.retain(|(_, check, _)| check != "uncovered");
        found
    };
    let all = hurdles();
    assert_eq!(short(&all), ["critical readable", "critical readable"]);
    assert!(all[0].2.contains("answer"), "{all:?}");
    assert!(all[1].2.contains("1 large objects"), "{all:?}");
    database.sql(&format!(
        "GRANT SELECT ON answer TO {0}; GRANT SELECT ON LARGE OBJECT 4711 TO {0}",
        role.0
    ));
    assert_eq!(hurdles(), []);
    database.sql("ALTER TABLE answer ENABLE ROW LEVEL SECURITY");
    let all = hurdles();
    assert_eq!(short(&all), ["critical readable"]);
    assert!(all[0].2.contains("row-level security"), "{all:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn one_that_is_not_there_or_not_in_reach_is_told_beside_the_others() {
    let database = Database::new(Major::Pg15);
    let lifeboat = with_source(&database.url(), &[&database.name, "no_such"], false);
    // Nobody listens there, and the password stays out of the answer.
    lifeboat.configure(
        "[[source]]\nname = \"gone\"\nurl = \"postgresql://u@127.0.0.1:1/d\"\npassword_file = \"pw\"",
    );
    let pw = lifeboat.folder().join("pw");
    std::fs::write(&pw, "hunter2").unwrap();
    std::fs::set_permissions(&pw, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let ran = lifeboat.run(["doctor"]);
    assert!(!format!("{ran:?}").contains("hunter2"));
    let all = posture(&ran);
    let unreachable = of(&all, "database");
    assert_eq!(unreachable.len(), 2, "{all:#?}");
    assert!(unreachable[0].contains("prod/no_such"), "{unreachable:?}");
    assert!(unreachable[1].contains("gone/*"), "{unreachable:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn databases_that_nobody_exports_are_named_unless_left_out_on_purpose() {
    let (database, other) = (Database::new(Major::Pg15), Database::new(Major::Pg15));
    let all = found(&with_source(&database.url(), &[&database.name], false));
    assert!(of(&all, "uncovered")[0].contains(&other.name), "{all:#?}");
    assert!(!of(&all, "uncovered")[0].contains("postgres,"), "{all:#?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pg_dump_older_than_the_server_is_critical_until_a_newer_one_is_named() {
    let database = Database::new(Major::Pg18);
    let url = database.url();
    let bin = with_source(&url, &[&database.name], true);
    assert_eq!(of(&found(&bin), "pg_dump"), [""; 0]);
    let all = found(&with_source(&url, &[&database.name], false));
    assert_eq!(of(&all, "pg_dump").len(), 1, "{all:#?}");
}
