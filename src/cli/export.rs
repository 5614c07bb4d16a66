//! `lifeboat export`

mod text;

use super::at_once::AtOnceArgs;
use super::run::{Access, Answer, ChoiceArgs, Run};
use super::{connect, iam, kms, reuse_key};
use crate::codec::Sealer;
use crate::config::{
    Config, MAX_JOBS, Recipient, SigningKey, Source, secret_free_text, source, units,
};
use crate::error::{Error, Result, ResultExt};
use crate::export::{self, Report};
use crate::init;
use crate::model::choice::Choice;
use crate::model::databases::Databases;
use crate::model::pattern::{Exclude, Pattern};
use crate::pg::connect::server::Passwords;
use crate::pg::local::tools::Dirs;
use crate::repository::ReusePolicy;
use crate::schedule::Export;
use crate::turns::Turns;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Public keys from age's documentation, used in the examples under `config/`.
const EXAMPLE_RECIPIENTS: [&str; 2] = [
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
];

/// Export databases into the repository
///
/// Reads every table at one moment without stopping writers, and stores it sealed, checksummed and
/// locked. A restore point appears only when all of it is stored, and what this export stored was read
/// back; of what it names again, that it is there.
#[derive(Debug, clap::Args)]
#[command(mut_arg("source", |source| source.value_name("NAME|URL").help(
    "A configured source, where `*` stands for any text, or the URL of one database; may be repeated [default: all configured]"
)))]
#[command(mut_arg("database", |database| database.help(
    "Only this database, whatever the configuration lists; `*` stands for any text, among those that it lists; may be repeated"
)))]
#[command(after_help = with_exit_codes!(
    "  lifeboat export\n  \
       lifeboat export --source prod --database courses --dry-run\n  \
       lifeboat export --source 'prod-*' --database 'app_*'\n  \
       lifeboat export --source postgresql://lifeboat@db.example.com/courses --rate-limit 50MiB/s"
))]
pub(super) struct Args {
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Sessions that read at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    #[command(flatten)]
    at_once: AtOnceArgs,
    /// Read no faster than this, for example 50MiB/s; `none` lifts the configured limit
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate_limit: Option<String>,
    /// Leave out tables, views and sequences that this pattern of psql matches, partitions of a table with it, and
    /// what cannot be made without them; besides those that are configured; may be repeated
    #[arg(long, value_name = "PATTERN")]
    exclude_table: Vec<String>,
    /// Leave out schemas that this pattern matches with all that is in them, in the same way; may be repeated
    #[arg(long, value_name = "PATTERN")]
    exclude_schema: Vec<String>,
    /// Leave out the rows of tables that this pattern of psql matches, besides those that are configured: of a
    /// partitioned table those of its partitions; may be repeated
    #[arg(long, value_name = "PATTERN")]
    exclude_table_data: Vec<String>,
    /// Store everything anew, whatever earlier exports stored, and whatever `hourly_budget` allows
    #[arg(long)]
    full: bool,
    /// Only show what would be done: tables, sizes, slices, the end of the locks, what could be named again, storage
    /// under lock
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    fn sources(&self, config: &Config) -> Result<Vec<Source>> {
        let exclude = self.exclude()?;
        let mut sources = self.named_sources(config)?;
        for source in &mut sources {
            source.exclude.add(&exclude);
        }
        Ok(sources)
    }

    fn exclude(&self) -> Result<Exclude> {
        let patterns = |option: &str, texts: &[String], parse: fn(&str) -> Result<Pattern>| {
            let patterns: Result<Vec<Pattern>> = texts.iter().map(|text| parse(text)).collect();
            patterns.context(|| option.to_owned())
        };
        let (relation, schema) = (Pattern::of_relation, Pattern::of_schema);
        Ok(Exclude {
            tables: patterns("--exclude-table", &self.exclude_table, relation)?,
            table_data: patterns("--exclude-table-data", &self.exclude_table_data, relation)?,
            schemas: patterns("--exclude-schema", &self.exclude_schema, schema)?,
        })
    }

    fn named_sources(&self, config: &Config) -> Result<Vec<Source>> {
        let ChoiceArgs { source, database } = &self.choice;
        let (urls, names): (Vec<String>, Vec<String>) =
            (source.iter().cloned()).partition(|text| source::is_url(text));
        let mut sources = Vec::new();
        for url in &urls {
            let source = Source::from_url(url).context(|| "--source".to_owned())?;
            sources.push(self.of_url(source)?);
        }
        if urls.is_empty() || !names.is_empty() {
            let choice = Choice::new(&names, database)?;
            sources.extend(config.chosen(&choice)?);
        }
        check_sources(&sources, config)?;
        let mut names = BTreeSet::new();
        match sources.iter().find(|source| !names.insert(&source.name)) {
            None => Ok(sources),
            Some(twice) => Err(
                Error::usage(format!("--source: '{}' is given twice", twice.name))
                    .hint("for two databases of one server name both by --database"),
            ),
        }
    }

    /// A URL may lead nowhere without the name of a database.
    fn of_url(&self, source: Source) -> Result<Source> {
        let names = &self.choice.database;
        Ok(match names.iter().any(|name| name.contains('*')) {
            _ if names.is_empty() => source,
            false if self.choice.source.len() == 1 => source.only(names),
            _ => {
                let databases = Databases::All { except: Vec::new() };
                Source {
                    databases,
                    ..source
                }
                .chosen(&Choice::new(&[], names)?)
            }
        })
    }
}

/// The signing key of a configuration by which someone will be able to open what is exported.
fn ready_to_seal(config: &Config) -> Result<SigningKey> {
    if config.recipients.is_empty() {
        let error = config.lacks("[[recipient]]");
        return Err(
            error.hint("without one nobody could open the backup; `lifeboat init` makes one")
        );
    }
    let example = |recipient: &&Recipient| EXAMPLE_RECIPIENTS.contains(&recipient.key.as_str());
    if let Some(example) = config.recipients.iter().find(example) {
        return Err(Error::usage(format!(
            "{}: recipient '{}' is the key of an example: nobody could open the backup",
            config.file.display(),
            example.name
        ))
        .hint("put in your own: `age-keygen -y break-glass.key` prints it"));
    }
    config.signing_key.clone().ok_or_else(|| {
        let error = config.lacks("keys.signing_key");
        error.hint("manifests must be signed; `lifeboat init` makes a key")
    })
}

pub(super) fn check_sources(sources: &[Source], config: &Config) -> Result<()> {
    if sources.is_empty() {
        let error = config.lacks("[[source]]");
        return Err(error.hint("add one, or pass --source postgresql://user@host/database"));
    }
    Ok(())
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let rate_limit = match &args.rate_limit {
        Some(text) => units::rate(text).context(|| "--rate-limit".to_owned())?,
        None => config.export.rate_limit,
    };
    let sources = args.sources(&config)?;
    let jobs = args.jobs.or(config.export.jobs).map(usize::from);
    let turns = Arc::new((args.at_once).of_export(&config.export, &sources, jobs));
    let mut export = inputs(&access, &config, &sources, &turns, run).await?;
    export.options.jobs = jobs;
    export.options.rate_limit = rate_limit;
    export.options.dry_run = args.dry_run;
    export.options.full = args.full;
    let sources: Vec<_> = export.options.sources.iter().collect();
    export::check_databases(&sources, run.context()).await?;
    answer(&export.run(turns.any().await, run.context()).await?)
}

pub(super) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text::text(report), report.outcome())
}

/// An export of these sources as it is configured.
pub(super) async fn inputs(
    access: &Access,
    config: &Config,
    sources: &[Source],
    turns: &Arc<Turns>,
    run: &Run,
) -> Result<Export> {
    let signing_key = ready_to_seal(config)?;
    let config_text = secret_free_text(config)?;
    let access = access.clone().with_trust()?;
    warn_of_identity(&signing_key, config, run);
    let repository = connect::repository(&access, run).await?;
    let signer = kms::signer(&signing_key, &access, run).await?;
    let reuse_key = reuse_key::configured(config);
    let sealer = Sealer::new(config.recipients.iter().map(|one| one.key.as_str()))?;
    let tokens = iam::tokens(&access, sources, run).await?;
    let sources = sources.iter();
    let sources = sources.map(|source| resolve_source(source, tokens.as_ref(), run));
    let settings = &config.export;
    let options = export::Options {
        sources: sources.collect::<Result<_>>()?,
        turns: Arc::clone(turns),
        jobs: settings.jobs.map(usize::from),
        rate_limit: settings.rate_limit,
        ddl_wait: settings.ddl_wait,
        lock: config.lock.policy,
        max_lock_days: config.lock.max_lock_days,
        reuse: ReusePolicy {
            full_every: settings.full_every,
            hourly_days: config.lock.hourly_days,
            hourly_budget: settings.hourly_budget,
        },
        gb_month_price: settings.gb_month_price,
        full: false,
        tool_dirs: Dirs::system(settings.pg_bin.clone()),
        recipients: config.recipients.clone(),
        config_text,
        reach: reach(&access),
        dry_run: false,
    };
    Ok(Export {
        repository,
        sealer,
        signer,
        trust: access.trust.clone(),
        reuse_key,
        options,
    })
}

/// A profile is this machine's; all else a bare machine needs too.
fn reach(access: &Access) -> Vec<(String, String)> {
    let given = access.repository.s3.given();
    let options = given.filter(|(key, _)| !["profile", "path_style"].contains(key));
    (options.map(|(key, value)| (key.replace('_', "-"), value))).collect()
}

fn resolve_source(
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
        elsewhere: Vec::new(),
        uncovered_is_finding: source.uncovered_is_finding,
        exclude: source.exclude.clone(),
        at_once: usize::from(source.at_once),
    })
}

/// A stranger who takes this machine over must not be able to read the backups.
fn warn_of_identity(signing_key: &SigningKey, config: &Config, run: &Run) {
    let beside_key = match signing_key {
        SigningKey::File(path) => path.parent(),
        SigningKey::Kms(_) => None,
    };
    let folders = [config.file.parent(), beside_key].into_iter().flatten();
    let mut files = folders.map(|folder| folder.join(init::IDENTITY_FILE));
    if let Some(path) = files.find(|path| path.exists()) {
        run.progress.warn(&format!(
            "{} lies on the machine that exports: move it offline, as the break-glass sheet says",
            path.display()
        ));
    }
}
