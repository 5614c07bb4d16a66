//! `lifeboat drill`

pub mod spare;

use std::path::PathBuf;
use std::time::Duration;

use super::globals::Access;
use super::output::{Answer, Outcome};
use super::point::{OfArgs, Point, PointArgs};
use super::{Run, connect, drilled, kms, render};
use crate::config::drill::{Assert, Must};
use crate::config::{Config, Connection, Locks, MAX_JOBS, SigningKey, source};
use crate::drill::{self, Assertion, Means, Report, Where};
use crate::error::{Context, Error, Result};
use crate::pg::tools::Dirs;
use crate::repository::{self, RestorePoint};
use crate::restore::Trouble;

/// Restore a restore point into a throwaway, and compare every row
///
/// Starts a PostgreSQL of its own from local programs, in a temporary folder, by its socket only, and
/// removes it afterwards; or makes a database of its own on a server. Reads every restored row again,
/// compares counts and digests with the exported ones, and asks the configured assertions.
///
/// With --snapshot it drills a snapshot copy: a new instance in the backup account that reaches nobody,
/// with no subscription and no job running, is asked the same assertions, and then kept, stopped, as
/// the warm spare in the place of the one before.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat drill --identity break-glass.key\n  \
       lifeboat drill latest --database courses --folder /mnt/large --json\n  \
       lifeboat drill latest --server postgresql://postgres@scratch.example.com/postgres\n  \
       lifeboat drill --snapshot --source prod"
))]
pub struct Args {
    /// The restore point: an id as `lifeboat list` shows it, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    id: String,
    #[command(flatten)]
    of: OfArgs,
    /// Drill a snapshot copy: the newest, or that of the id as `lifeboat snapshot list` shows it
    #[arg(long, conflicts_with_all = [
        "database", "server", "folder", "sample", "weak_wall", "no_attestation", "jobs", "pg_bin",
    ])]
    snapshot: bool,
    /// Restore into a database of the drill's own on this server, given with another database of it:
    /// postgresql://user@host/postgres
    #[arg(long, value_name = "URL", conflicts_with = "folder")]
    server: Option<String>,
    /// File with nothing but the server's password
    #[arg(long, value_name = "FILE", requires = "server")]
    server_password_file: Option<PathBuf>,
    /// Below which the throwaway server is made [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Restore whole tables of so many per cent of the data only, and say so: for databases that do
    /// not fit
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    sample: Option<u8>,
    /// Drill also where a wall around the drill's server is missing: strangers' code may then see more of
    /// this machine than it should
    #[arg(long, conflicts_with = "server")]
    weak_wall: bool,
    /// Store no signed statement on this drill, even where a signing key is configured
    #[arg(long)]
    no_attestation: bool,
    /// Sessions that load at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    /// Folder with PostgreSQL's programs, asked before PATH; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pg_bin: Vec<PathBuf>,
}

impl Args {
    /// A point, an id or `latest`, as configured.
    pub fn of(source: &str, database: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            of: OfArgs::only(source, database),
            snapshot: false,
            server: None,
            server_password_file: None,
            folder: None,
            sample: None,
            weak_wall: false,
            no_attestation: false,
            jobs: None,
            pg_bin: Vec::new(),
        }
    }
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub point: Point,
    pub server: Option<Connection>,
    pub folder: PathBuf,
    pub superuser: bool,
    pub weak_wall: bool,
    pub sample: Option<u8>,
    pub jobs: Option<u16>,
    pub pg_bin: Vec<PathBuf>,
    pub assertions: Vec<Assert>,
    /// By what the statement on the drill is signed, and how it is locked; `None`: no statement.
    pub attest: Option<(SigningKey, Locks)>,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        let point = PointArgs {
            id: self.id,
            of: self.of,
        }
        .resolve()?;
        if let Some(server) = &self.server {
            source::check_url(server).context(|| "--server".to_owned())?;
        }
        let (access, config) = run.globals.access_and_maybe_config()?;
        let access = access.with_trust()?;
        let attest = config
            .as_ref()
            .filter(|_| !self.no_attestation)
            .and_then(|config| Some((config.signing_key.clone()?, config.lock)));
        let settings = config
            .map(|config: Config| config.drill)
            .unwrap_or_default();
        Ok(Options {
            pg_bin: self
                .pg_bin
                .into_iter()
                .chain(access.pg_bin.clone())
                .collect(),
            access,
            point,
            server: self.server.map(|address| Connection {
                address,
                password_file: self.server_password_file,
                ..Connection::default()
            }),
            folder: self
                .folder
                .or(settings.folder)
                .unwrap_or_else(std::env::temp_dir),
            superuser: settings.superuser,
            weak_wall: self.weak_wall || settings.weak_wall,
            sample: self.sample,
            jobs: self.jobs,
            assertions: settings.assertions,
            attest,
        })
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    if args.snapshot {
        return spare::run(&args.id, args.of.source.as_deref(), run).await;
    }
    let options = args.resolve(run)?;
    let point = connect::restore_point(&options.access, &options.point, run).await?;
    let given = connect::identities(&options.access)?;
    let identities = kms::identities(given, &options.access, &point, run)
        .await?
        .needed("drill")?;
    let place = match &options.server {
        Some(connection) => {
            let server = connect::server(connection, run)?;
            if !server.database_named {
                return Err(Error::usage("--server names no database")
                    .hint("one to enter by, mostly postgres: postgresql://user@host/postgres"));
            }
            Where::Server(Box::new(server))
        }
        None => Where::Throwaway(
            std::path::absolute(&options.folder).context(|| "--folder".to_owned())?,
        ),
    };
    let manifest = &point.manifest;
    let meant = |one: &&Assert| {
        let of =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|name| name == is);
        of(&one.source, &manifest.source) && of(&one.database, &manifest.database)
    };
    let trust = connect::trust(&options.access);
    let drilled_sound = drilled::is_sound(&point, &trust).await;
    if options.superuser && options.server.is_none() {
        run.progress.warn(
            "[drill] superuser = true: whoever could write a schema in the source runs code as the drill's \
             superuser, behind its wall",
        );
    }
    let mut report = drill::run(
        &Means {
            point: &point,
            identities: &identities,
            progress: run.progress.as_ref(),
            interrupt: &run.interrupt,
        },
        &drill::Options {
            place,
            jobs: options.jobs.map(usize::from),
            tool_dirs: Dirs::system(options.pg_bin),
            assertions: options
                .assertions
                .iter()
                .filter(meant)
                .map(assertion)
                .collect::<Result<_>>()?,
            previous: drill::previous(
                point.repository(),
                (&manifest.source, &manifest.database),
                &trust,
            )
            .await?,
            superuser: options.superuser,
            weak_wall: options.weak_wall,
            drilled_sound: drilled_sound.unwrap_or(false),
            sample: options.sample,
        },
    )
    .await?;
    if let Some((key, locks)) = &options.attest {
        run.progress.phase("attestation", None);
        if let Err(error) = attest(&point, &mut report, key, *locks, &options.access, run).await {
            report.findings.push(Trouble::new(
                "the signed statement on this drill",
                format!("it was not stored: {}", error.chain()),
            ));
        }
    }
    let outcome = match (report.is_sound(), report.findings.is_empty()) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::Findings,
        (true, true) => Outcome::Done,
    };
    Answer::new(&report, text(&report), outcome)
}

async fn attest(
    point: &RestorePoint,
    report: &mut Report,
    key: &SigningKey,
    locks: Locks,
    access: &Access,
    run: &Run,
) -> Result<()> {
    let signer = kms::signer(key, access, run).await?;
    let (now, repository) = (run.clock.now(), point.repository());
    let posture = repository.posture().await?;
    let locks = repository::Locks::settle(
        locks.policy,
        &posture,
        repository.has_locks(),
        now,
        locks.max_lock_days,
    )?;
    drill::attest(point, report, now, &locks, &signer).await
}

fn assertion(one: &Assert) -> Result<Assertion> {
    Ok(Assertion {
        name: one.name.clone(),
        sql: one.sql.clone(),
        must: match &one.must {
            Must::Equal(value) => drill::Must::Equal(value.clone()),
            Must::AtLeast(least) => drill::Must::AtLeast(*least),
            Must::WithinPercent(percent) => drill::Must::Within { percent: *percent },
            Must::NotOlder(age) => drill::Must::NotOlder(
                jiff::SignedDuration::try_from(*age)
                    .context(|| format!("assertion '{}'", one.name))?,
            ),
        },
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for assertion in &report.assertions {
        text += &match (assertion.ok, &assertion.value) {
            (true, value) => format!(
                "holds: {} ({})\n",
                assertion.name,
                value.as_deref().unwrap_or_default()
            ),
            (false, _) => format!("DOES NOT HOLD: {}: {}\n", assertion.name, assertion.why),
        };
    }
    for failure in &report.failures {
        text += &format!("missing: {}: {}\n", failure.what, failure.why);
    }
    for finding in &report.findings {
        text += &format!("finding: {}: {}\n", finding.what, finding.why);
    }
    let seconds = |seconds| render::duration(Duration::from_secs_f64(seconds));
    text += &format!(
        "{} of {}/{} in {}: {}, {} counted and digested again{}\n",
        report.id,
        report.source,
        report.database,
        report.place,
        render::counted(report.tables, "table", "tables"),
        render::counted(report.rows, "row", "rows"),
        report
            .sample
            .as_ref()
            .map_or_else(String::new, |sample| format!(", a sample: {sample}")),
    );
    if let Some(first) = report.seconds_to_first_query {
        text += &format!("first query after {}, ", seconds(first));
    }
    text += &format!(
        "whole and compared after {}, removed again after {}\n",
        seconds(report.seconds_to_restore),
        seconds(report.seconds)
    );
    if let Some(key) = &report.attestation {
        text += &format!("attested: {key}\n");
    }
    text += if report.is_sound() {
        "sound\n"
    } else {
        "NOT SOUND: hold and drill another point\n"
    };
    text
}
