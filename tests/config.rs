//! Promises about the configuration file and the examples under `config/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat::testing::Kind;
use lifeboat::testing::config::{
    Config, Databases, Location, SigningKey, secret_free_text, tables,
};
use lifeboat::testing::model::{LockMode, LockPolicy};

const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn reference() -> String {
    std::fs::read_to_string(examples().join("lifeboat.toml")).unwrap()
}

fn parse(text: &str) -> lifeboat::testing::Result<Config> {
    Config::parse(text, Path::new("/etc/lifeboat/lifeboat.toml"))
}

/// A minimal configuration with these lines added.
fn with(lines: &str) -> lifeboat::testing::Result<Config> {
    parse(&format!(
        "[repository]\nurl = 's3://bucket/prefix'\n{lines}"
    ))
}

#[track_caller]
fn refused(lines: &str, words: &[&str]) {
    let error = with(lines).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let text = format!(
        "{} | {}",
        error.chain(),
        error.find_hint().unwrap_or_default()
    );
    assert!(!text.contains('\n'), "{text}");
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
}

#[test]
fn every_example_is_valid() {
    let mut seen = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "toml", "{}", path.display());
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{}", error.chain()));
        assert!(!config.sources.is_empty() && !config.recipients.is_empty());
        assert!(config.signing_key.is_some() && !config.trust.is_empty());
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn the_reference_explains_every_known_key() {
    let text = reference();
    for table in tables() {
        if table.name.is_empty() {
            for name in table.keys {
                let header = [format!("[{name}]"), format!("[[{name}]]")];
                assert!(
                    text.lines().any(|line| header.iter().any(|h| h == line)),
                    "{name}"
                );
            }
            continue;
        }
        for key in table.keys {
            let mut current = "";
            let explained = text.lines().any(|line| {
                if line.starts_with('[') {
                    current = line.trim_matches(['[', ']']);
                }
                let line = line.strip_prefix('#').unwrap_or(line);
                current == table.name && line.starts_with(&format!("{key} = "))
            });
            let table_of_its_own = text.contains(&format!("\n[[{}.{key}]]\n", table.name));
            let explained = explained || table_of_its_own;
            assert!(explained, "[{}] {key} is not in the reference", table.name);
        }
    }
}

#[test]
fn the_reference_is_valid_with_every_key_set() {
    let text: String = reference()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = parse(&text).unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(config.export.rate_limit, Some(50 << 20));
    assert_eq!(
        config.repository.s3.profile.as_deref(),
        Some("lifeboat-exporter")
    );
}

#[test]
fn what_the_reference_calls_a_default_is_the_default() {
    let config = parse(&reference()).unwrap();
    assert_eq!(
        config.lock.policy,
        LockPolicy::Explicit {
            mode: LockMode::Compliance,
            days: 35
        }
    );
    assert_eq!(config.lock.max_lock_days, 400);
    assert_eq!(config.export.jobs, None);
    assert_eq!(config.export.rate_limit, None);
    assert_eq!(config.export.ddl_wait, Duration::from_secs(10));
    assert_eq!(config.export.full_every.as_hours(), 7 * 24);
    assert!(config.export.pg_bin.is_empty());
    assert_eq!(
        config.sources[0].databases,
        Databases::All { except: Vec::new() }
    );
    assert!(!config.repository.s3_options().path_style);
}

#[test]
fn an_unknown_key_is_answered_with_file_line_and_the_nearest_one() {
    refused(
        "[lock]\nmode = 'governance'\ndayly_days = 7",
        &[
            "/etc/lifeboat/lifeboat.toml:5",
            "'lock.dayly_days'",
            "'lock.daily_days'",
        ],
    );
    refused("[exports]\njobs = 3", &["'exports'", "'export'"]);
    refused("lock_mode = 'none'", &["'repository.lock_mode'", "nearest"]);
    refused("[a.\"b\\nc\"]\nx = 1", &["unknown key 'a'"]);
}

#[test]
fn a_wrong_value_is_answered_with_file_line_and_key() {
    for (lines, words) in [
        ("[lock]\ndaily_days = 'x'", &["toml:4: lock.daily_days"][..]),
        ("[lock]\ndaily_days = -1", &["lock.daily_days"]),
        (
            "[lock]\ndaily_days = 0",
            &["toml:4: lock.daily_days", "nothing would be locked"],
        ),
        ("[lock]\ndaily_days = 399", &["over max_lock_days = 400"]),
        (
            "[lock]\nmode = 'forever'",
            &["toml:4: lock.mode", "compliance"],
        ),
        ("[lock]\nmode = 'none'", &["lock.mode", "bucket"]),
        ("[export]\njobs = 'many'", &["export.jobs", "auto"]),
        ("[export]\njobs = 0", &["export.jobs", "1 to 128"]),
        ("[export]\njobs = 1.5", &["export.jobs"]),
        ("[export]\nrate_limit = '50'", &["export.rate_limit", "MiB"]),
        ("[export]\nrate_limit = '400Mbit/s'", &["in bits"]),
        ("[export]\nddl_wait = '10'", &["export.ddl_wait", "no unit"]),
        ("[export]\nddl_wait = '0s'", &["export.ddl_wait"]),
        ("trust = ['abc']", &["repository.trust", "fingerprint"]),
        (
            "bucket_owner = '12'",
            &["repository.bucket_owner", "12 digits"],
        ),
        (
            "bucket_owner = 111122223333",
            &["repository.bucket_owner", "string"],
        ),
        (
            "endpoint = 's3.example.com'",
            &["repository.endpoint", "https://"],
        ),
        (
            "[[recipient]]\nname = 'x'\nkey = 'age1x'",
            &["recipient.key"],
        ),
        ("[[recipient]]\nname = 'x'", &["key"]),
        (
            "[[source]]\nname = 'a b'\nhost = 'x'",
            &["source.name", "letters"],
        ),
        (
            "[[source]]\nname = 'a'",
            &["source.name", "names no server"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\nport = 70000",
            &["source.port"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\nsslmode = 'full'",
            &["source.sslmode", "verify-full"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\ndatabases = 'each'",
            &["source.databases", "all"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\ndatabases = []",
            &["source.databases"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\ndatabases = ['b', 'b']",
            &["'b' twice"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\ndatabases = ['b']\nexclude_databases = ['c']",
            &["source.exclude_databases"],
        ),
        (
            "[[source]]\nname = 'a'\nurl = 'mysql://x'",
            &["source.url", "postgresql://"],
        ),
        (
            "[[source]]\nname = 'a'\nurl = 'postgresql://x/y'\nport = 1",
            &["source.port", "beside url"],
        ),
        (
            "[[source]]\nname = 'a'\nhost = 'x'\n[[source]]\nhost = 'y'\nname = 'a'",
            &["toml:8: source.name", "two sources"],
        ),
        ("broken", &["toml:3", "not TOML"]),
    ] {
        refused(lines, words);
    }
}

#[test]
fn secrets_are_refused_without_being_repeated() {
    for lines in [
        "[[source]]\nname = 'a'\nurl = 'postgresql://me:hunter2@host/x'",
        "[[source]]\nname = 'a'\nurl = 'postgresql://me@host/x?password=hunter2'",
        "[[source]]\nname = 'a'\nhost = 'x'\npassword = 'hunter2'",
    ] {
        refused(lines, &["password_file"]);
        let error = with(lines).unwrap_err();
        assert!(!format!("{error:?} {}", error.chain()).contains("hunter2"));
    }
    let secret = "AGE-SECRET-KEY-1QQPQYQUYQ";
    let lines = format!("[[recipient]]\nname = 'x'\nkey = '{secret}'");
    refused(&lines, &["recipient.key", "secret key"]);
    assert!(!with(&lines).unwrap_err().chain().contains(secret));
}

#[test]
fn a_missing_repository_is_named() {
    let error = parse("[lock]\ndaily_days = 3").unwrap_err();
    assert!(error.chain().contains("repository"), "{}", error.chain());
    let error = parse("[repository]\nregion = 'x'").unwrap_err();
    assert!(error.chain().contains("url"), "{}", error.chain());
}

const BACKUP: &str = "[backup_account]\nid = '111122223333'\nregion = 'eu-central-1'\n";

#[test]
fn accounts_must_be_two_and_roles_their_own() {
    let source = "[source_account]\nregion = 'eu-central-1'\n";
    let one = format!("{BACKUP}{source}id = '111122223333'");
    refused(
        &one,
        &["backup_account.id", "second account", "allow_same_account"],
    );
    let allowed = format!("{BACKUP}allow_same_account = true\n{source}id = '111122223333'");
    assert!(with(&allowed).unwrap().accounts.allow_same);
    let foreign = "role_arn = 'arn:aws:iam::222233334444:role/x'";
    refused(
        &format!("{BACKUP}{foreign}"),
        &["backup_account.role_arn", "222233334444"],
    );
    refused(&format!("{BACKUP}role_arn = 'x'"), &["no role's ARN"]);
    refused(&format!("{BACKUP}session_name = 'a b'"), &["session name"]);
    refused("[backup_account]\nid = '1'\nregion = 'x'", &["12 digits"]);
}

#[test]
fn the_bucket_belongs_to_the_backup_account() {
    let s3 = with(BACKUP).unwrap().repository.s3;
    assert_eq!(s3.bucket_owner.as_deref(), Some("111122223333"));
    assert_eq!(s3.region.as_deref(), Some("eu-central-1"));
    refused(
        &format!("bucket_owner = '222233334444'\n{BACKUP}"),
        &["repository.bucket_owner", "backup_account.id"],
    );
    let directory = format!("[repository]\nurl = '/srv/x'\n{BACKUP}");
    assert!(
        parse(&directory)
            .unwrap()
            .repository
            .s3
            .bucket_owner
            .is_none()
    );
}

#[test]
fn keys_of_kms_are_named_by_their_arn() {
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1-2";
    let config = with(&format!("[keys]\nsigning_key = '{key}'")).unwrap();
    assert_eq!(config.signing_key, Some(SigningKey::Kms(key.to_owned())));
    let alias = "arn:aws:kms:eu-central-1:111122223333:alias/x";
    refused(
        &format!("[keys]\nsigning_key = '{alias}'"),
        &["keys.signing_key", "alias"],
    );
    let recipient = format!("[[recipient]]\nname = 'kms'\nkey = '{KEY}'\n");
    refused(
        &format!("{recipient}kms_key = '{key}'"),
        &["wrapped", "keys add"],
    );
    refused(&format!("{recipient}wrapped = 'AA=='"), &["kms_key"]);
    refused(
        &format!("{recipient}kms_key = '{key}'\nwrapped = '?'"),
        &["recipient.wrapped", "base64"],
    );
}

#[test]
fn a_source_is_one_thing_in_rds() {
    let source = "[[source]]\nname = 'a'\nhost = 'x'\n";
    refused(
        &format!("{source}instance = 'a'\ncluster = 'b'"),
        &["source.cluster"],
    );
    refused(
        &format!("{source}instance = 'a.b.rds.amazonaws.com'"),
        &["source.instance"],
    );
    refused(
        &format!("{source}auth = 'iam'\npassword_file = 'x'"),
        &["source.password_file", "iam"],
    );
    refused(
        &format!("{source}auth = 'iam'"),
        &["source.auth", "[source_account]"],
    );
    let account = "[source_account]\nid = '222233334444'\nregion = 'eu-central-1'\n";
    let iam = format!("{account}{source}auth = 'iam'\n");
    assert!(with(&iam).unwrap().sources[0].connection.iam);
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let lines = format!("{iam}sslmode = '{mode}'");
        refused(&lines, &["source.sslmode", "whoever answers"]);
    }
    refused("[snapshot]\nkeep_verified = 0", &["snapshot.keep_verified"]);
    refused("[snapshot]\nwait = '5s'", &["snapshot.wait"]);
    refused("[snapshot]\npoll = '0s'", &["snapshot.poll"]);
    refused(
        "[lock]\nyearly_days = 399",
        &["lock.yearly_days", "max_lock_days"],
    );
}

#[test]
fn locks_of_parts_that_are_named_again_stay_within_the_longest_that_is_allowed() {
    let key = "[keys]\nreuse_key = 'reuse.key'\n";
    let days = |days: u32| format!("{key}[lock]\ndaily_days = 35\nmax_lock_days = {days}\n");
    let words = ["export.full_every", "over max_lock_days = 44"];
    refused(&days(44), &words);
    let config = with(&days(45)).unwrap();
    assert_eq!(config.reuse_key, Some("/etc/lifeboat/reuse.key".into()));
    refused(
        &format!("{}[export]\nfull_every = '8d'", days(45)),
        &words[..1],
    );
    // Nothing that was configured before is refused for it.
    let before = with("[lock]\ndaily_days = 398\n").unwrap();
    assert_eq!((before.reuse_key, before.lock.hourly_days), (None, None));
    assert_eq!(before.export.hourly_budget, 2);
    refused(
        "[export]\nhourly_budget = 0",
        &["export.hourly_budget", "first of a day"],
    );
    refused(
        "[export]\ngb_month_price = -0.1",
        &["export.gb_month_price", "no price"],
    );
    refused("[lock]\nhourly_days = 0", &["lock.hourly_days", "nothing"]);
    refused(
        "[lock]\nhourly_days = 36",
        &["lock.hourly_days", "over daily_days = 35"],
    );
}

#[test]
fn relative_paths_begin_at_the_file() {
    let text = "[repository]\nurl = '../store'\n[keys]\nsigning_key = 'k.pem'\n\
                [[source]]\nname = 'a'\nhost = 'x'\npassword_file = '/p'\nsslrootcert = 'ca.pem'";
    let config = parse(text).unwrap();
    let location = Location::Dir(PathBuf::from("/etc/lifeboat/../store"));
    assert_eq!(config.repository.location, location);
    assert_eq!(
        config.signing_key,
        Some(SigningKey::File("/etc/lifeboat/k.pem".into()))
    );
    let connection = &config.sources[0].connection;
    assert_eq!(connection.password_file.as_deref(), Some(Path::new("/p")));
    assert_eq!(
        connection.sslrootcert.as_deref(),
        Some(Path::new("/etc/lifeboat/ca.pem"))
    );
}

#[test]
fn a_directory_has_no_locks_and_takes_none() {
    let of = |mode: &str| parse(&format!("[repository]\nurl = '/srv/x'\n[lock]\n{mode}"));
    assert_eq!(of("").unwrap().lock.policy, LockPolicy::None);
    assert_eq!(of("mode = 'none'").unwrap().lock.policy, LockPolicy::None);
    assert!(of("mode = 'compliance'").is_err());
    let error = parse("[repository]\nurl = '/srv/x'\nregion = 'eu-central-1'").unwrap_err();
    assert!(error.chain().contains("repository.region"));
}

#[test]
fn the_database_to_ask_first_is_known_or_left_to_the_connection() {
    let entry = |lines: &str| {
        let config = with(&format!("[[source]]\nname = 'a'\n{lines}")).unwrap();
        config.sources[0].entry_database.clone()
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(entry("host = 'x'"), named("postgres"));
    assert_eq!(entry("host = 'x'\ndatabases = ['b', 'c']"), named("b"));
    assert_eq!(entry("url = 'postgresql://x'"), named("postgres"));
    assert_eq!(entry("url = 'postgresql://x/main'"), None);
    assert_eq!(entry("service = 'x'"), None);
}

#[test]
fn a_misspelt_source_is_answered_with_the_nearest_one() {
    let config =
        with("[[source]]\nname = 'prod'\nhost = 'x'\n[[source]]\nname = 'test'\nhost = 'y'");
    let error = config.unwrap().source("prd").map(|_| ()).unwrap_err();
    assert!(error.find_hint().unwrap().contains("'prod'"));
}

#[test]
fn what_a_restore_point_stores_has_neither_secrets_nor_addresses() {
    let text = format!(
        "# hunter2\n[repository]\nurl = 's3://bucket/prefix'\nregion = 'eu-central-1'\n\
         profile = 'exporter-profile'\n[keys]\nsigning_key = '/secret/signing.pem'\n\
         [[recipient]]\nname = 'break-glass'\nkey = '{KEY}'\n\
         [[source]]\nname = 'prod'\nhost = 'db.internal'\nuser = 'master'\n\
         password_file = '/secret/pw'\nsslrootcert = '/secret/ca'\nexclude_databases = ['tmp']\n\
         [[source]]\nname = 'two'\nurl = 'postgresql://master@db.internal/x'\ndatabases = ['x']"
    );
    let stored = secret_free_text(&parse(&text).unwrap()).unwrap();
    for word in [
        "hunter2",
        "secret",
        "db.internal",
        "master",
        "exporter-profile",
    ] {
        let stored = stored.replace("without secrets", "");
        assert!(!stored.contains(word), "{word} is in {stored}");
    }
    for word in [
        "s3://bucket/prefix",
        "eu-central-1",
        KEY,
        "\"prod\"",
        "\"all\"",
        "\"tmp\"",
    ] {
        assert!(stored.contains(word), "{word} is not in {stored}");
    }
    // With what its first lines ask for it is a configuration again.
    let again = stored.replace("[[source]]", "[[source]]\nhost = 'x'");
    let again = parse(&again).unwrap_or_else(|error| panic!("{}\n{stored}", error.chain()));
    assert_eq!(again.sources.len(), 2);
    assert_eq!(again.lock, parse(&text).unwrap().lock);
}
