//! The runbook: a template, filled with what is known when it is written, before the manifest.

use std::fmt::Write as _;

use jiff::SignedDuration;

use crate::escape;
use crate::humanize::counted;
use crate::model::digest::Sha256;
use crate::model::keys::KeyRing;
use crate::model::lock::{Lock, LockMode};
use crate::model::manifest::{Manifest, names};
use crate::quote::quote_shell;
use crate::repository::layout::PointPath;

/// `restore.sh`: the same for every restore point of one version of lifeboat, so that its SHA-256
/// can be printed on the break-glass sheet.
pub fn script() -> &'static str {
    include_str!("restore.sh")
}

/// What the commands to paste add to a lock.
const HOLD: SignedDuration = SignedDuration::from_hours(90 * 24);

const TEMPLATE: &str = include_str!("RESTORE.md");

/// `RESTORE.md` of a restore point. `manifest` is what is known of it by now; `fingerprint` is the
/// signing key's.
pub(crate) fn restore_md(
    manifest: &Manifest,
    reach: &RepositoryAccess<'_>,
    fingerprint: &str,
    key_ring: &KeyRing,
) -> String {
    let place = PointPath::of(manifest);
    // A name too long for a key has already failed the export.
    let manifest_key = place.manifest().map(|key| key.to_string());
    let page = Page {
        manifest,
        repository: reach.url,
        reach: reach.for_shell(),
        fingerprint,
        key_ring,
        manifest_key: manifest_key.unwrap_or_default(),
        parts: place.folder(),
    };
    fill(TEMPLATE, |name| page.value(name))
}

/// Where a repository is, and what a bare machine needs to get at it.
pub(crate) struct RepositoryAccess<'a> {
    pub url: &'a str,
    /// Options of every command with their values, such as `region`.
    pub options: &'a [(String, String)],
}

impl RepositoryAccess<'_> {
    /// The value of `--repository` and all that follows.
    fn for_shell(&self) -> String {
        let options = self.options.iter();
        let options = options.map(|(name, value)| format!(" --{name} {}", quote_shell(value)));
        quote_shell(self.url) + &options.collect::<String>()
    }
}

/// Replaces every `{{NAME}}` once: what a value holds is never looked at again.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        text.push_str(before);
        text.push_str(&value(name));
        rest = behind;
    }
    text.push_str(rest);
    text
}

struct Page<'a> {
    manifest: &'a Manifest,
    repository: &'a str,
    /// `s3://bucket/prefix --region …`, for a shell.
    reach: String,
    fingerprint: &'a str,
    key_ring: &'a KeyRing,
    /// `manifests/<source>/<database>/<id>.json`
    manifest_key: String,
    /// `parts/<source>/<database>/<id>/`
    parts: String,
}

/// Where the stock tools find a repository.
enum Location {
    S3 { bucket: String, prefix: String },
    Folder(String),
}

impl Location {
    fn of(url: &str) -> Self {
        match url.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_end_matches('/');
                let prefix = if prefix.is_empty() {
                    String::new()
                } else {
                    format!("{prefix}/")
                };
                Self::S3 {
                    bucket: quote_shell(bucket),
                    prefix,
                }
            }
            None => Self::Folder(url.strip_prefix("file://").unwrap_or(url).to_owned()),
        }
    }
}

impl Page<'_> {
    fn value(&self, name: &str) -> String {
        let manifest = self.manifest;
        match name {
            "TITLE" => format!(
                "{} / {}",
                shown(&manifest.source),
                shown(&manifest.database)
            ),
            "ID" => manifest.id.to_string(),
            "SNAPSHOT_AT" => format!("{:.0}", manifest.snapshot_at),
            "ROWS" => manifest.rows().to_string(),
            "TABLES" => counted(manifest.user_tables().count() as u64, "table", "tables"),
            "TOOL" => shown(&manifest.tool),
            "SERVER_VERSION" => shown(&manifest.server_version),
            "REPOSITORY" => shown(self.repository),
            "LOCK" => self.lock(),
            "HOLD" if manifest.lock.is_none() => {
                "# nothing is locked here, so nothing can be held: copy it away".to_owned()
            }
            "HOLD" => format!(
                "lifeboat hold {} --until 90d --repository {} --trust KEY_ON_THE_SHEET",
                manifest.id, self.reach
            ),
            "RESTORE" => self.restore(),
            "HOLD_BY_HAND" => self.hold_by_hand(),
            "GET_SCRIPT" => self.get_script(),
            "RUN_SCRIPT" => self.run_script(),
            "OTHER_POINTS" => self.other_points(),
            "AWS_CLI" => match self.location() {
                Location::S3 { .. } => ", and the AWS CLI".to_owned(),
                Location::Folder(_) => String::new(),
            },
            "PG_DUMP_MAJOR" => manifest.pg_dump_major.to_string(),
            "FINGERPRINT" => self.fingerprint.to_owned(),
            "SCRIPT_SHA256" => Sha256::of(script().as_bytes()).to_string(),
            "RECIPIENTS" => {
                let each: Vec<String> = manifest
                    .recipients
                    .iter()
                    .map(|one| format!("`{}`", shown(one)))
                    .collect();
                each.join(", ")
            }
            "KMS" => self.kms(),
            "NOT_COVERED" => self.not_covered(),
            "MANIFEST_KEY" => self.manifest_key.clone(),
            "OBJECTS" => self.objects(),
            other => format!("{{{{{other}}}}}"),
        }
    }

    fn location(&self) -> Location {
        Location::of(self.repository)
    }

    fn lock(&self) -> String {
        let none = "**none**: anybody who may write there may delete it; copy it away now";
        self.manifest.lock.map_or(none.to_owned(), |lock| {
            format!("{} until {:.0}", lock.mode, lock.retain_until)
        })
    }

    fn restore(&self) -> String {
        format!(
            "lifeboat restore {} --repository {} --trust KEY_ON_THE_SHEET \\\n        \
             --identity break-glass.key --target postgresql://USER@HOST/DATABASE --create --verify",
            self.manifest.id, self.reach
        )
    }

    fn hold_by_hand(&self) -> String {
        let Location::S3 { bucket, prefix } = self.location() else {
            return "       # a folder has no locks: copy it to another disk and unmount that\n       \
                    cp -a FOLDER /another/disk/"
                .to_owned();
        };
        let lock = self.manifest.lock.unwrap_or(Lock {
            mode: LockMode::Compliance,
            retain_until: self.manifest.snapshot_at,
        });
        let (mode, held) = (lock.mode, lock.retain_until);
        let until = held.checked_add(HOLD).unwrap_or(held);
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
        let manifest = quote_shell(&format!("{prefix}{}", self.manifest_key));
        let place = PointPath::of(self.manifest);
        let others = self.manifest.parts_from.iter();
        let others = others.map(|id| PointPath::new(&place.source, &place.database, id).folder());
        let folders = std::iter::once(self.parts.clone()).chain(others);
        let folders = folders.map(|folder| quote_shell(&format!("{prefix}{folder}")));
        let parts = folders.collect::<Vec<_>>().join(" \\\n           ");
        indented(&format!(
            "until={until}   # or any later date\n\
             for prefix in {manifest} {parts}; do\n  \
               aws s3api list-object-versions --bucket {bucket} --prefix \"$prefix\" \\\n    \
                 --query 'Versions[].[Key,VersionId]' --output text |\n  \
               while read -r key version; do\n    \
                 aws s3api put-object-retention --bucket {bucket} --key \"$key\" --version-id=\"$version\" \\\n      \
                   --retention \"Mode={mode},RetainUntilDate=$until\" </dev/null || echo \"NOT HELD: $key\"\n  \
               done\n\
             done"
        ))
    }

    fn get_script(&self) -> String {
        let key = format!("{}{}", self.parts, names::SCRIPT);
        let get = match self.location() {
            Location::S3 { bucket, prefix } => {
                let object = self.manifest.object(names::SCRIPT);
                let key = quote_shell(&format!("{prefix}{key}"));
                match object.map(|object| quote_shell(&object.version)) {
                    Some(version) => format!(
                        "aws s3api get-object --bucket {bucket} --key {key} \\\n  \
                         --version-id={version} restore.sh"
                    ),
                    None => format!(
                        "aws s3api list-object-versions --bucket {bucket} --prefix {key}\n\
                         aws s3api get-object --bucket {bucket} --key {key} \\\n  \
                         --version-id=VERSION_ID_OF_THE_OLDEST restore.sh"
                    ),
                }
            }
            Location::Folder(folder) => {
                format!("cp {} restore.sh", quote_shell(&format!("{folder}/{key}")))
            }
        };
        indented(&format!("{get}\nsha256sum restore.sh"))
    }

    fn run_script(&self) -> String {
        indented(&format!(
            "bash restore.sh --repository {} \\\n  --manifest {} \\\n  \
             --identity break-glass.key --trust KEY_ON_THE_SHEET \\\n  \
             --target postgresql://USER@HOST/EMPTY_DATABASE",
            quote_shell(self.repository),
            quote_shell(&self.manifest_key)
        ))
    }

    fn other_points(&self) -> String {
        let all = self
            .manifest_key
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        indented(&match self.location() {
            Location::S3 { bucket, prefix } => format!(
                "aws s3api list-object-versions --bucket {bucket} --prefix {} \\\n  \
                 --query 'Versions[].[LastModified,Key,VersionId]' --output text | sort",
                quote_shell(&format!("{prefix}{all}/"))
            ),
            Location::Folder(folder) => {
                format!("ls -l {}", quote_shell(&format!("{folder}/{all}")))
            }
        })
    }

    /// How stock tools get the identities that KMS keeps.
    fn kms(&self) -> String {
        if self.key_ring.wrapped.is_empty() {
            return String::new();
        }
        let mut text = "   Is `break-glass.key` not at hand? A role that may `kms:Decrypt` gets another identity:\n"
            .to_owned();
        for (at, one) in self.key_ring.wrapped.iter().enumerate() {
            let region = one.kms_key.split(':').nth(3).unwrap_or_default();
            // Text to text: it cannot fail.
            let context = serde_json::to_string(&one.context).unwrap_or_default();
            let _ = write!(
                text,
                "\n       aws kms decrypt --region {} --key-id {} \\\n         --encryption-context {} \\\n         \
                 --ciphertext-blob fileb://<(echo {} | base64 -d) \\\n         \
                 --query Plaintext --output text | base64 -d >kms-{}.key\n",
                quote_shell(region),
                quote_shell(&one.kms_key),
                quote_shell(&context),
                quote_shell(&one.ciphertext),
                at + 1,
            );
        }
        text + "\n"
    }

    fn not_covered(&self) -> String {
        let mut text = String::new();
        for one in &self.manifest.not_covered {
            let _ = writeln!(text, "- {}: {}", shown(&one.kind), one.count);
        }
        for one in &self.manifest.excluded {
            let _ = writeln!(
                text,
                "- left out on request: {}: {}",
                shown(&one.kind),
                one.count
            );
        }
        if self.manifest.not_covered.is_empty() {
            text.push_str("- passwords of roles\n");
        }
        text + "- anything that changed after the moment above; other databases of the instance"
    }

    fn objects(&self) -> String {
        let mut text = String::new();
        for object in &self.manifest.objects {
            let _ = writeln!(
                text,
                "    {}\n      version {} sha256 {}",
                object.key, object.version, object.sha256
            );
        }
        text
    }
}

/// For reading: no control characters, and nothing that Markdown would take for its own.
fn shown(text: &str) -> String {
    let visible = escape::name(text).replace('`', "");
    visible.replace('|', "\\|").replace('<', "\\<")
}

/// As a code block inside a list.
fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("       {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_read_as_a_template() {
        let value = |name: &str| format!("<{name} {{{{A}}}}>");
        assert_eq!(
            fill("{{A}} {{B}} }} {{", value),
            "<A {{A}}> <B {{A}}> }} {{"
        );
    }

    #[test]
    fn hostile_names_are_one_word_for_a_shell_and_text_for_a_reader() {
        assert_eq!(quote_shell("s3://bucket/a%20b"), "s3://bucket/a%20b");
        assert_eq!(quote_shell("/a b/$(x)'"), r"'/a b/$(x)'\'''");
        assert_eq!(quote_shell(""), "''");
        assert_eq!(quote_shell("a\n1'\\\u{85}"), r"$'a\0121\'\\\302\205'");
        assert_eq!(shown("a`b\n|<c>"), r"ab\n\|\<c>");
    }

    #[test]
    fn every_placeholder_is_known() {
        let names = TEMPLATE.split("{{").skip(1);
        let names = names.map(|rest| rest.split("}}").next().unwrap_or_default());
        let page = include_str!("page.rs");
        for name in names {
            assert!(page.contains(&format!("\"{name}\" =>")), "{name}");
        }
    }
}
