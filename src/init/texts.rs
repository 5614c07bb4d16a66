//! The files that `init` writes for people.

use std::fmt::Write as _;

use super::facts::{Options, Report};
use crate::model::lock::LockPolicy;

/// A commented configuration that works as it is, but for the sources. The keys as they are to be written there.
pub(super) fn config(
    report: &Report,
    options: &Options,
    [signing_key, reuse_key]: [&String; 2],
    made_on: &str,
) -> String {
    let Report {
        repository: url,
        fingerprint,
        recipient,
        ..
    } = report;
    let mut repository = String::new();
    for (key, value) in &options.repository_lines {
        let _ = writeln!(repository, "{key} = {}", quote(value));
    }
    let (mode, days) = match options.lock {
        LockPolicy::Explicit { mode, days } => (mode.to_string().to_lowercase(), days),
        LockPolicy::BucketDefault => ("bucket-default".to_owned(), 35),
        LockPolicy::None => ("none".to_owned(), 35),
    };
    let mut source = String::new();
    for one in &options.sources {
        let databases = match &one.database {
            Some(database) => format!("[{}]                # or \"all\"", quote(database)),
            None => "\"all\"                   # or a list: [\"courses\"]".to_owned(),
        };
        let _ = write!(
            source,
            "[[source]]\nname = {}                         # appears in keys; do not change it later\n\
             url = {}\ndatabases = {databases}\n\n",
            quote(&one.name),
            quote(&one.url)
        );
    }
    if options.sources.is_empty() {
        source =
            "# [[source]]\n# name = \"prod\"                       # appears in keys; do not change it later\n\
             # url = \"postgresql://backup@db.example.com/postgres\"\n\
             # password_file = \"/etc/lifeboat/prod.password\"\n# databases = \"all\"                   # or [\"courses\"]\n"
                .to_owned();
    }
    let signing_note = match options.kms_signing {
        Some(_) => "# Signs manifests: the exporter needs kms:Sign and kms:GetPublicKey on it.",
        None => "# Signs manifests. The exporter needs it; keep it readable for its user only.",
    };
    // A bucket policy may allow no longer locks than exports had before.
    let allowed = match options.lock {
        LockPolicy::None => "",
        _ => " Its parts are locked 8\n# days longer, which the bucket's policy must allow.",
    };
    format!(
        "# lifeboat configuration, written by `lifeboat init` on {made_on}.\n\
         # Every key is explained in config/lifeboat.toml of the project. No secrets belong here.\n\
         \n\
         [repository]\n\
         url = {url}\n\
         {repository}\
         # Verification keys that are believed, by fingerprint.\n\
         trust = [\"{fingerprint}\"]\n\
         \n\
         [keys]\n\
         {signing_note}\n\
         signing_key = {signing_key}\n\
         # Switched on, an export names rows that are stored already instead of storing them again.{allowed}\n\
         #reuse_key = {reuse_key}\n\
         \n\
         # Who can open the backups. The identity of this recipient is break-glass.key: take it off this\n\
         # machine and keep it offline, twice.\n\
         [[recipient]]\n\
         name = \"break-glass\"\n\
         key = \"{recipient}\"\n\
         \n\
         [lock]\n\
         mode = \"{mode}\"                      # compliance, governance, bucket-default; none for a directory\n\
         daily_days = {days}\n\
         max_lock_days = {max}\n\
         \n\
         # What to protect: one [[source]] an instance.\n\
         {source}",
        url = quote(url),
        signing_key = quote(signing_key),
        reuse_key = quote(reuse_key),
        max = options.max_lock_days,
    )
}

/// A TOML basic string: JSON's escapes are among TOML's.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// To print, and to keep where the identity is kept.
pub(super) fn sheet(report: &Report, options: &Options, made_on: &str) -> String {
    // A profile is this machine's; all else a bare machine needs too.
    let flags: String = options
        .repository_lines
        .iter()
        .filter(|(key, _)| key != "profile")
        .map(|(key, value)| format!(" --{} {value}", key.replace('_', "-")))
        .collect();
    let Report {
        repository: url,
        repository_id,
        fingerprint,
        recipient,
        script_sha256,
        ..
    } = report;
    let keep = match options.lock {
        LockPolicy::None => {
            "2. **Copy the repository to another disk**, as nothing is locked here. It holds:\n"
        }
        _ => {
            "2. **Hold the last good point**, so that it does not age out while nothing new is made:\n"
        }
    };
    let hold = match options.lock {
        LockPolicy::None => String::new(),
        _ => format!(
            "       lifeboat hold ID --until 90d --repository {url}{flags} --trust {fingerprint}\n"
        ),
    };
    format!(
        "# Break-glass sheet\n\
         \n\
         Made on {made_on} by `lifeboat init`. Print it twice; keep one copy with each copy of `break-glass.key`,\n\
         away from the accounts and machines that make the backups.\n\
         \n\
         | what | value |\n\
         |---|---|\n\
         | repository | `{url}` |\n\
         | repository id | `{repository_id}` |\n\
         | verification key (`--trust`) | `{fingerprint}` |\n\
         | break-glass recipient | `{recipient}` |\n\
         | SHA-256 of `restore.sh` (lifeboat {version}) | `{script_sha256}` |\n\
         | backup account, bucket owner, who to call | ______________________________ |\n\
         | where the copies of `break-glass.key` are | ______________________________ |\n\
         \n\
         ## The first ten minutes\n\
         \n\
         1. **Revoke the credentials that did it**: sign-in sessions, access keys, the agent's or pipeline's role.\n\
         {keep}\
         \n\
         \x20      lifeboat list --repository {url}{flags} --trust {fingerprint}\n\
         {hold}\
         \n\
         3. **Look for what AWS still has**: RDS console, *Automated backups*, tab *Retained*; *Snapshots*, manual and\n\
         \x20  system; AWS Backup vaults. In the backup account, too: copies of snapshots are called `lifeboat-…`, the\n\
         \x20  stopped spare of the last drill `lifeboat-drill-…` (start it, tag it `lifeboat:drill=false`); either may be\n\
         \x20  the fastest way back.\n\
         4. **Open a Business Support case** and name the instance: AWS once found a snapshot that no console showed.\n\
         5. **Restore** into a new, empty instance:\n\
         \n\
         \x20      lifeboat restore ID --create --verify --target postgresql://USER@HOST/NEWDB \\\n\
         \x20        --repository {url}{flags} --trust {fingerprint} --identity break-glass.key\n\
         \n\
         Without lifeboat: `RESTORE.md` and `restore.sh` lie beside the data of every restore point and need only\n\
         `aws`, `age`, `zstd`, `pg_restore` and `psql`. Compare the script's SHA-256 with the one above first: a thief\n\
         of the exporter's rights can plant another. He can also add points with a true signature, and alter none:\n\
         after a theft take one that the store received before it (`stored_at` in `lifeboat list --json`).\n\
         \n\
         Twice a year, so that the key is known to turn: `lifeboat drill --identity break-glass.key`, then put it back.\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}
