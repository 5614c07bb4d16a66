//! `lifeboat drill`

pub mod spare;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use super::globals::Access;
use super::output::{Answer, Outcome};
use super::point::{OfArgs, Point, PointArgs};
use super::run::Run;
use super::{connect, drilled, kms};
use crate::codec::Identities;
use crate::config::drill::{Assert, DrillSettings, Must};
use crate::config::{Config, Connection, Locks, MAX_JOBS, SigningKey, source};
use crate::drill::{self, Assertion, Means, Previous, Report, Where};
use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Verdict;
use crate::pg::local::tools::Dirs;
use crate::repository::{self, RestorePoint};
use crate::restore::Trouble;
use crate::sign::Trust;

use text::text;

/// Restore a restore point into a throwaway, and compare every row
///
/// Starts a PostgreSQL of its own from local programs, in a temporary folder, by its socket only, and
/// removes it afterwards; or makes a database of its own on a server. Reads every restored row again,
/// compares counts and digests with the exported ones, and asks the configured assertions. Where a
/// table, a key or a constraint cannot be made without a superuser, nothing is proven: exit code 3.
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
    /// Below which the throwaway server is made [default: as configured, else the folder for temporary
    /// files]
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
    pub own: OwnServer,
    pub superuser: bool,
    pub weak_wall: bool,
    pub time_limit: Duration,
    pub sample: Option<u8>,
    pub jobs: Option<u16>,
    pub pg_bin: Vec<PathBuf>,
    pub assertions: Vec<Assert>,
    /// By what the statement on the drill is signed, and how it is locked; `None`: no statement.
    pub attest: Option<(SigningKey, Locks)>,
}

/// Where the drill's own server runs.
#[derive(Debug, PartialEq, Eq)]
pub enum OwnServer {
    /// Here, below this folder.
    Below(PathBuf),
    /// In a second container, whose drill server listens on this socket.
    SecondContainer(PathBuf),
}

impl OwnServer {
    /// `folder`: as typed. A configured second container makes its servers in one folder only.
    fn resolve(folder: Option<PathBuf>, settings: &DrillSettings) -> Result<Self> {
        let absolute = |folder: PathBuf| -> Result<PathBuf> {
            std::path::absolute(&folder).context(|| "--folder".to_owned())
        };
        let folder = folder.map(absolute).transpose()?;
        let Some(socket) = settings.server_socket.clone() else {
            let folder = folder.or_else(|| settings.folder.clone());
            return Ok(Self::Below(absolute(
                folder.unwrap_or_else(std::env::temp_dir),
            )?));
        };
        if folder.is_some_and(|folder| socket.parent() != Some(&folder)) {
            let error = Error::usage("--folder is not where drill.server_socket lies");
            return Err(error.hint("leave --folder out: the second container makes the servers"));
        }
        Ok(Self::SecondContainer(socket))
    }
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
            own: OwnServer::resolve(self.folder, &settings)?,
            superuser: settings.superuser,
            time_limit: settings.time_limit,
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
    let place = place(&options, run)?;
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
    let assertions = options.assertions.iter().filter(meant).map(assertion);
    let assertions = assertions.collect::<Result<Vec<_>>>()?;
    let before = before(&point, &assertions, &trust, &identities).await?;
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
            assertions,
            previous: before.values,
            superuser: options.superuser,
            weak_wall: options.weak_wall,
            time_limit: options.time_limit,
            drilled_sound: drilled_sound.unwrap_or(false),
            sample: options.sample,
        },
    )
    .await?;
    if let Some(error) = before.unread {
        let finding = Trouble::new(drill::BEFORE, error.chain());
        report.findings.push(finding);
    }
    if let Some((key, locks)) = &options.attest {
        run.progress.phase("attestation", None);
        if let Err(error) = attest(&point, &mut report, key, *locks, &options.access, run).await {
            report.findings.push(Trouble::new(
                "the signed statement on this drill",
                format!("it was not stored: {}", error.chain()),
            ));
        }
    }
    Answer::new(&report, text(&report), outcome(&report))
}

fn place(options: &Options, run: &Run) -> Result<Where> {
    let Some(connection) = &options.server else {
        return Ok(match &options.own {
            OwnServer::Below(folder) => Where::Throwaway(folder.clone()),
            OwnServer::SecondContainer(socket) => Where::SecondContainer(socket.clone()),
        });
    };
    let server = connect::server(connection, run)?;
    if !server.database_named {
        return Err(Error::usage("--server names no database")
            .hint("one to enter by, mostly postgres: postgresql://user@host/postgres"));
    }
    Ok(Where::Server(Box::new(server)))
}

/// That something is unproven is a finding; that something was not tried, alone, is none.
fn outcome(report: &Report) -> Outcome {
    match (report.verdict(), report.findings.is_empty()) {
        (Verdict::Failed, _) => Outcome::Failed,
        (Verdict::Unproven, _) | (Verdict::Sound, false) => Outcome::Findings,
        (Verdict::Sound, true) => Outcome::Done,
    }
}

/// What assertions gave at the drill before, where any compares with it.
async fn before(
    point: &RestorePoint,
    assertions: &[Assertion],
    trust: &Trust,
    identities: &Identities,
) -> Result<Previous> {
    if !assertions.iter().any(Assertion::compares) {
        return Ok(Previous::default());
    }
    let manifest = &point.manifest;
    let of = (manifest.source.as_str(), manifest.database.as_str());
    drill::previous(point.repository(), of, trust, identities).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attestation::{NotTried, Walls};

    /// Of a drill that found nothing wrong.
    fn report() -> Report {
        Report {
            id: "20261121T020000Z-k3v9q2".parse().unwrap(),
            source: "prod".to_owned(),
            database: "courses".to_owned(),
            snapshot_at: jiff::Timestamp::UNIX_EPOCH,
            place: "a throwaway PostgreSQL 15.20".to_owned(),
            server_version: "15.20".to_owned(),
            opened_by: None,
            sample: None,
            tables: 1,
            rows: 1,
            seconds_to_first_query: None,
            seconds_to_restore: 1.0,
            seconds: 1.0,
            phases: Vec::new(),
            assertions: Vec::new(),
            failures: Vec::new(),
            unproven: Vec::new(),
            findings: Vec::new(),
            not_tried: Vec::new(),
            as_superuser: false,
            walls: None,
            attestation: None,
        }
    }

    #[test]
    fn only_what_may_be_lost_or_is_not_known_changes_the_exit_code() {
        let trouble = || vec![Trouble::new("table public.t", "a base type")];
        let (mut whole, mut unproven, mut failed) = (report(), report(), report());
        whole.not_tried = vec![NotTried {
            kind: "event trigger".to_owned(),
            name: "on_ddl".to_owned(),
        }];
        unproven.unproven = trouble();
        (failed.unproven, failed.failures) = (trouble(), trouble());
        for (report, expected, last) in [
            (&whole, Outcome::Done, "sound"),
            (&unproven, Outcome::Findings, "NOT PROVEN: it cannot be "),
            (&failed, Outcome::Failed, "NOT SOUND"),
        ] {
            assert_eq!(outcome(report), expected);
            let text = text(report);
            let text = text.as_str();
            assert!(text.lines().last().unwrap().starts_with(last), "{text}");
        }
        let shown = text(&unproven);
        assert!(
            shown
                .as_str()
                .contains("unproven: table public.t: a base type\n")
        );
    }

    #[test]
    fn a_drill_says_by_which_rights_and_behind_which_walls() {
        let mut one = report();
        let shown = text(&one);
        assert!(!shown.as_str().contains("superuser") && !shown.as_str().contains("walled"));
        one.as_superuser = true;
        one.walls = Some(Walls::default());
        let text = text(&one);
        let text = text.as_str();
        assert!(text.contains("\nas superuser: "), "{text}");
        assert!(
            text.contains("\nwalled: nothing; not walled: network, "),
            "{text}"
        );
    }
}
