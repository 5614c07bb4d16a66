//! `lifeboat export`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::globals::Access;
use super::output::{Answer, Outcome};
use super::render::{self, Page, Table};
use super::run::Run;
use super::{connect, iam, kms};
use crate::codec::Sealer;
use crate::config::{
    Config, ExportSettings, Locks, MAX_JOBS, Recipient, SigningKey, Source, secret_free_text,
    source, units,
};
use crate::error::{Error, Result, ResultExt};
use crate::export::{self, DatabaseReport, Means, PlannedTable, Report};
use crate::humanize::first_names;
use crate::init;
use crate::pg::connect::conninfo::Passwords;
use crate::pg::local::tools::Dirs;

/// Public keys from age's documentation, used in the examples under `config/`.
const EXAMPLE_RECIPIENTS: [&str; 2] = [
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
];

/// Export databases into the repository
///
/// Reads every table at one moment without stopping writers, and stores it sealed, checksummed and
/// locked. A restore point appears only when all of it is stored and read back.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat export\n  \
       lifeboat export --source prod --database courses --dry-run\n  \
       lifeboat export --source postgresql://lifeboat@db.example.com/courses --rate-limit 50MiB/s"
))]
pub struct Args {
    /// A configured source, or the URL of one database; may be repeated [default: all configured]
    #[arg(long, value_name = "NAME|URL")]
    source: Vec<String>,
    /// Only this database, whatever the configuration lists; may be repeated
    #[arg(long, value_name = "DATABASE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    database: Vec<String>,
    /// Sessions that read at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    /// Read no faster than this, for example 50MiB/s; `none` lifts the configured limit
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate_limit: Option<String>,
    /// Only tell what would be done: tables, sizes, slices, the end of the locks, storage under
    /// lock
    #[arg(long)]
    dry_run: bool,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    /// At least one, names distinct.
    pub sources: Vec<Source>,
    /// At least one.
    pub recipients: Vec<Recipient>,
    pub signing_key: SigningKey,
    pub config_file: PathBuf,
    pub locks: Locks,
    pub settings: ExportSettings,
    pub dry_run: bool,
    /// Stored in every restore point.
    pub config_text: String,
}

impl Args {
    /// One configured source.
    pub fn of(source: &str) -> Self {
        Self {
            source: vec![source.to_owned()],
            ..Self::default()
        }
    }

    fn resolve(self, run: &Run) -> Result<Options> {
        let (access, config) = run.globals.access_and_config()?;
        let settings = ExportSettings {
            jobs: self.jobs.or(config.export.jobs),
            rate_limit: match &self.rate_limit {
                Some(text) => units::rate(text).context(|| "--rate-limit".to_owned())?,
                None => config.export.rate_limit,
            },
            ..config.export.clone()
        };
        let sources = self.sources(&config)?;
        let signing_key = ready_to_seal(&config)?;
        Ok(Options {
            config_text: secret_free_text(&config)?,
            access: access.with_trust()?,
            sources,
            recipients: config.recipients,
            signing_key,
            config_file: config.file,
            locks: config.lock,
            settings,
            dry_run: self.dry_run,
        })
    }

    fn sources(&self, config: &Config) -> Result<Vec<Source>> {
        let sources = if self.source.is_empty() {
            config.sources.clone()
        } else {
            let named = self.source.iter().map(|text| one(text, config));
            named
                .collect::<Result<Vec<_>>>()
                .context(|| "--source".to_owned())?
        };
        if sources.is_empty() {
            return Err(
                Error::usage(format!("{} names no [[source]]", config.file.display()))
                    .hint("add one, or pass --source postgresql://user@host/database"),
            );
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = sources.iter().find(|source| !names.insert(&source.name)) {
            return Err(
                Error::usage(format!("--source: '{}' is given twice", twice.name))
                    .hint("for two databases of one server name both by --database"),
            );
        }
        if self.database.is_empty() {
            return Ok(sources);
        }
        if sources.len() > 1 {
            return Err(Error::usage("--database: of which source?").hint("name it: --source NAME"));
        }
        let only = |source: Source| source.only(&self.database);
        Ok(sources.into_iter().map(only).collect())
    }
}

/// The signing key of a configuration by which someone will be able to open what is exported.
fn ready_to_seal(config: &Config) -> Result<SigningKey> {
    let file = config.file.display();
    if config.recipients.is_empty() {
        return Err(Error::usage(format!("{file} names no [[recipient]]"))
            .hint("without one nobody could open the backup; `lifeboat init` makes one"));
    }
    let example = |recipient: &&Recipient| EXAMPLE_RECIPIENTS.contains(&recipient.key.as_str());
    if let Some(example) = config.recipients.iter().find(example) {
        return Err(Error::usage(format!(
            "{file}: recipient '{}' is the key of an example: nobody could open the backup",
            example.name
        ))
        .hint("put in your own: `age-keygen -y break-glass.key` prints it"));
    }
    config.signing_key.clone().ok_or_else(|| {
        Error::usage(format!("{file} names no keys.signing_key"))
            .hint("manifests must be signed; `lifeboat init` makes a key")
    })
}

fn one(text: &str, config: &Config) -> Result<Source> {
    if source::is_url(text) {
        Source::from_url(text)
    } else {
        config.source(text).cloned()
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let options = args.resolve(run)?;
    warn_of_identity(&options, run);
    let repository = connect::repository(&options.access, run).await?;
    let signer = kms::signer(&options.signing_key, &options.access, run).await?;
    let sealer = Sealer::new(options.recipients.iter().map(|one| one.key.as_str()))?;
    let trust = connect::trust(&options.access);
    let means = Means {
        repository: &repository,
        sealer: &sealer,
        signer: &signer,
        trust: &trust,
        clock: run.clock.as_ref(),
        progress: run.progress.as_ref(),
        interrupt: &run.interrupt,
    };
    let tokens = iam::tokens(&options.access, &options.sources, run).await?;
    let report = export::run(&means, &options.meant(tokens.as_ref(), run)?).await?;
    let outcome = match (report.failures.len(), report.findings.len()) {
        (0, 0) => Outcome::Done,
        (0, _) => Outcome::Findings,
        _ => Outcome::Failed,
    };
    Answer::new(&report, text(&report), outcome)
}

impl Options {
    /// What the use case takes.
    fn meant(self, tokens: Option<&Arc<dyn Passwords>>, run: &Run) -> Result<export::Options> {
        let sources = self.sources.iter();
        let sources = sources.map(|source| meant_source(source, tokens, run));
        Ok(export::Options {
            sources: sources.collect::<Result<_>>()?,
            jobs: self.settings.jobs.map(usize::from),
            rate_limit: self.settings.rate_limit,
            ddl_wait: self.settings.ddl_wait,
            lock: self.locks.policy,
            max_lock_days: self.locks.max_lock_days,
            tool_dirs: Dirs::system(self.settings.pg_bin),
            recipients: self.recipients,
            config_text: self.config_text,
            reach: reach(&self.access),
            dry_run: self.dry_run,
        })
    }
}

/// A profile is this machine's; all else a bare machine needs too.
fn reach(access: &Access) -> Vec<(String, String)> {
    let s3 = &access.repository.s3;
    let options = [
        ("region", &s3.region),
        ("endpoint", &s3.endpoint),
        ("bucket-owner", &s3.bucket_owner),
    ];
    let given = options.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
}

fn meant_source(
    source: &Source,
    tokens: Option<&Arc<dyn Passwords>>,
    run: &Run,
) -> Result<export::Source> {
    let server = connect::source(&source.connection, tokens, run)
        .context(|| format!("source {}", source.name))?;
    Ok(export::Source {
        name: source.name.clone(),
        server: match &source.entry_database {
            Some(database) => server.with_database(database),
            None => server,
        },
        databases: source.databases.clone(),
        uncovered_is_finding: source.uncovered_is_finding,
    })
}

/// Whoever takes this machine over must not be able to read the backups.
fn warn_of_identity(options: &Options, run: &Run) {
    let beside_key = match &options.signing_key {
        SigningKey::File(path) => path.parent(),
        SigningKey::Kms(_) => None,
    };
    let folders = [options.config_file.parent(), beside_key];
    let found = folders
        .into_iter()
        .flatten()
        .map(|folder| folder.join(init::IDENTITY_FILE))
        .find(|path| path.exists());
    if let Some(path) = found {
        run.progress.warn(&format!(
            "{} lies on the machine that exports: move it offline, as the break-glass sheet says",
            path.display()
        ));
    }
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for database in &report.databases {
        match &database.plan {
            Some(plan) => show_plan(&mut page, report, database, plan),
            None => show_done(&mut page, report, database),
        }
        for left_out in &database.not_covered {
            let names = first_names(&left_out.names, 8);
            page.line(format_args!("  not covered: {}: {names}", left_out.kind));
        }
    }
    for uncovered in &report.uncovered {
        let databases = first_names(&uncovered.databases, 8);
        page.line(format_args!(
            "{}: not exported: {databases}",
            uncovered.source
        ));
    }
    for finding in &report.findings {
        page.line(format_args!("finding: {finding}"));
    }
    for failure in &report.failures {
        let database = failure
            .database
            .as_ref()
            .map_or_else(String::new, |name| format!("/{name}"));
        page.line(format_args!(
            "FAILED {}{database}: {}",
            failure.source, failure.error
        ));
        page.line(format_args!("hint: {}", failure.hint));
    }
    page
}

fn lock_text(report: &Report) -> String {
    report.lock.map_or_else(
        || "not locked".to_owned(),
        |lock| {
            format!(
                "locked {} until {}",
                lock.mode,
                render::time(lock.retain_until)
            )
        },
    )
}

fn show_done(page: &mut Page, report: &Report, database: &DatabaseReport) {
    let id = database
        .id
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    page.line(format_args!(
        "{id} of {}/{}: {}, {}, {} of text, {} stored in {}, {}",
        database.source,
        database.database,
        render::counted(database.tables, "table", "tables"),
        render::counted(database.rows, "row", "rows"),
        render::bytes(database.copy_bytes),
        render::bytes(database.stored_bytes.unwrap_or(0)),
        render::counted(database.parts, "part", "parts"),
        lock_text(report),
    ));
    page.line(format_args!(
        "  {} with {}; the snapshot held back vacuum for {}",
        render::duration(Duration::from_secs_f64(database.seconds)),
        render::counted(database.jobs as u64, "session", "sessions"),
        render::duration(Duration::from_secs_f64(database.snapshot_seconds)),
    ));
}

/// S3 Standard in most regions, US dollars a GB and month; other classes and stores differ.
const DOLLARS_A_GB_MONTH: f64 = 0.023;

/// Compressed to about this share of its size in the database, by experience.
const COMPRESSED: f64 = 0.25;

fn show_plan(page: &mut Page, report: &Report, database: &DatabaseReport, plan: &[PlannedTable]) {
    page.line(format_args!(
        "{}/{}: would export {}, {} in the source, with {}; nothing was stored",
        database.source,
        database.database,
        render::counted(database.tables, "table", "tables"),
        render::bytes(database.copy_bytes),
        render::counted(database.jobs as u64, "session", "sessions"),
    ));
    if !plan.is_empty() {
        // A name never stands in front, where it could pass for a line of ours.
        let mut table = Table::new(&[">size", ">slices", "table"]);
        for one in plan {
            table.row([
                render::bytes(one.table_bytes),
                render::count(one.slices as u64),
                one.table.clone(),
            ]);
        }
        page.table(&table);
    }
    let stored = database.copy_bytes as f64 * COMPRESSED;
    let cost = report.lock.map_or_else(String::new, |lock| {
        let seconds = lock.retain_until.as_second() - database.snapshot_at.as_second();
        let months = seconds as f64 / (30.0 * 86_400.0);
        format!(
            ", about ${:.2} until it unlocks at S3 Standard's {DOLLARS_A_GB_MONTH} $/GB and month",
            stored / 1e9 * months * DOLLARS_A_GB_MONTH
        )
    });
    page.line(format_args!(
        "{}; about {} stored{cost}",
        lock_text(report),
        render::bytes(stored as u64),
    ));
}
