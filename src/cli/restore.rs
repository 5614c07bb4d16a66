//! `lifeboat restore`

use std::path::PathBuf;

use super::globals::Access;
use super::output::Answer;
use super::point::{Point, PointArgs};
use super::{Run, not_yet};
use crate::config::{Connection, MAX_JOBS, source};
use crate::error::{Context, Error, Result};

/// Restore a restore point into an empty database
///
/// Looks at everything first and reports all problems at once. Writes only into an empty database
/// or its own unfinished restore; no flag makes it overwrite. Compares the server's own row counts
/// with the exported ones.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat restore latest --identity break-glass.key \\\n      \
           --target postgresql://postgres@db.example.com/courses --create\n  \
       lifeboat restore latest --target postgresql:///scratch --identity key --table public.answer\n  \
       lifeboat restore ID --repository s3://backup-bucket/prod --trust FINGERPRINT \\\n      \
           --identity break-glass.key --target postgresql://postgres@host/courses --dry-run"
))]
pub struct Args {
    #[command(flatten)]
    point: PointArgs,
    /// The database to restore into, as postgresql://user@host:port/database
    #[arg(long, value_name = "URL")]
    target: String,
    /// File with nothing but the target's password
    #[arg(long, value_name = "FILE")]
    target_password_file: Option<PathBuf>,
    /// Only this schema, with what it needs; may be repeated
    #[arg(long, value_name = "SCHEMA", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    schema: Vec<String>,
    /// Only this table (schema.table; quotes where a name holds a dot), with what it needs; may be
    /// repeated
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// Make the target database first
    #[arg(long)]
    create: bool,
    /// Go on with a restore that was interrupted
    #[arg(long)]
    resume: bool,
    /// Only look: report every problem, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Everything belongs to the user who restores
    #[arg(long)]
    no_owner: bool,
    /// Leave out GRANT and REVOKE
    #[arg(long)]
    no_privileges: bool,
    /// Read the restored tables again and compare their digests
    #[arg(long)]
    verify: bool,
    /// Sessions that load at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    /// Folder with pg_restore, asked before PATH; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pg_bin: Vec<PathBuf>,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub point: Point,
    pub target: Connection,
    pub schemas: Vec<String>,
    pub tables: Vec<TableName>,
    pub create: bool,
    pub resume: bool,
    pub dry_run: bool,
    pub owners: bool,
    pub privileges: bool,
    pub verify: bool,
    pub jobs: Option<u16>,
    pub pg_bin: Vec<PathBuf>,
}

/// A table as typed; without a schema it must be the only one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub schema: Option<String>,
    pub name: String,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        let point = self.point.resolve()?;
        source::check_url(&self.target).context(|| "--target".to_owned())?;
        let tables = self
            .table
            .iter()
            .map(|text| table_name(text))
            .collect::<Result<_>>()?;
        let access = run.globals.access()?.with_trust()?;
        if access.identities.is_empty() {
            return Err(Error::usage("restore needs an identity to open the backup")
                .hint("pass --identity FILE: break-glass.key, as the break-glass sheet says"));
        }
        Ok(Options {
            pg_bin: self
                .pg_bin
                .into_iter()
                .chain(access.pg_bin.clone())
                .collect(),
            access,
            point,
            target: Connection {
                address: self.target,
                password_file: self.target_password_file,
                ..Connection::default()
            },
            schemas: self.schema,
            tables,
            create: self.create,
            resume: self.resume,
            dry_run: self.dry_run,
            owners: !self.no_owner,
            privileges: !self.no_privileges,
            verify: self.verify,
            jobs: self.jobs,
        })
    }
}

/// `table`, `schema.table`, `"odd.schema"."table"`; names are taken as they stand, not folded.
fn table_name(text: &str) -> Result<TableName> {
    let wrong = || {
        Error::usage(format!(
            "--table: '{}' is no name of a table",
            text.escape_debug()
        ))
        .hint("write schema.table, with \"quotes\" around a name that holds a dot")
    };
    let (first, rest) = name_part(text).ok_or_else(wrong)?;
    let (schema, name) = match rest {
        "" => (None, first),
        rest => {
            let (name, end) = rest
                .strip_prefix('.')
                .and_then(name_part)
                .ok_or_else(wrong)?;
            if !end.is_empty() {
                return Err(wrong());
            }
            (Some(first), name)
        }
    };
    Ok(TableName { schema, name })
}

/// The first name, and what follows it.
fn name_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        // Two quotes stand for one.
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return (!name.is_empty()).then_some((name, rest)),
        }
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let _options: Options = args.resolve(run)?;
    not_yet("restore")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_as_they_are_stored() {
        let named = |text: &str| {
            let table = table_name(text).unwrap();
            (table.schema, table.name)
        };
        let of = |schema: &str, name: &str| (Some(schema.to_owned()), name.to_owned());
        assert_eq!(named("answer"), (None, "answer".to_owned()));
        assert_eq!(named("public.Answer"), of("public", "Answer"));
        assert_eq!(named(r#""a.b"."c""d""#), of("a.b", "c\"d"));
        for wrong in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"\"", "\"a\"b"] {
            assert!(table_name(wrong).is_err(), "{wrong}");
        }
    }
}
