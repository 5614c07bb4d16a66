//! The commands that ask a store, in this process.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::codec::ReuseKey;
use lifeboat::testing::hold;
use lifeboat::testing::list;
use lifeboat::testing::model::{
    Id, LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, Lock, LockMode, Verdict,
};
use lifeboat::testing::promote::{self, Tiers};
use lifeboat::testing::repository::{PointSelector, Repository, RestorePoint};
use lifeboat::testing::status::{self, Limits};
use lifeboat::testing::store::Store;
use lifeboat::testing::verify;
use lifeboat::testing::{Clock as _, Context, Interrupt, Result, Silent};
use serde::Serialize;
use serde_json::Value;

use crate::faults::reference::Reference;
use crate::support::drills::attest;
use crate::support::every_point;
use crate::support::forge::Forge;
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::{Database, Major};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Why there is none, as [`Scene::has_a_new_sound_point`] says it.
pub const NO_POINT: &str = "there is no new point";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Verify,
    List,
    Status,
    Promote,
    Hold,
    Export,
}

/// What a command said.
pub struct Said {
    /// As `--json` prints it, without what differs from run to run.
    pub result: Value,
    /// Problems, findings, failures: any of them makes the exit code another one than 0.
    pub wrong: Vec<String>,
}

impl Said {
    fn new(report: impl Serialize, wrong: Vec<String>) -> Self {
        let mut result = serde_json::to_value(report).unwrap();
        // Of two reports only what is read is compared.
        for name in ["seconds", "repository"] {
            result.as_object_mut().unwrap().remove(name);
        }
        Self { result, wrong }
    }
}

/// A repository with one point that a drill found sound.
pub struct Scene {
    pub store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
    forge: Forge,
    id: Id,
    /// What is exported.
    source: Option<Database>,
}

impl Scene {
    /// Two tables of a frozen point and its large objects, signed anew.
    pub async fn of_a_frozen_point() -> Self {
        let (clock, store, forge) = Self::empty().await;
        let reference = Reference::named().await;
        let (lender, point) = reference.lender().await;
        let mut draft = lender.draft_for(&forge, &point).await;
        let mut kept = vec![LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES];
        kept.extend(draft.manifest.user_tables().map(|table| table.oid).take(2));
        draft
            .manifest
            .tables
            .retain(|table| kept.contains(&table.oid));
        draft.manifest.parts_from.clear();
        draft.manifest.previous = None;
        draft.manifest.state = None;
        draft.manifest.stored_anew = None;
        draft.parts.retain(|oid, _| kept.contains(oid));
        draft
            .catalog
            .tables
            .retain(|table| kept.contains(&table.oid));
        draft.manifest.repository = forge.repository.marker().await.unwrap().repository;
        draft.manifest.lock = Some(Lock {
            mode: LockMode::Compliance,
            retain_until: clock.now() + DAY * 35,
        });
        let point = forge.commit(&draft).await;
        Self::drilled(clock, store, forge, point, None).await
    }

    /// An export of a small database, in which the next one can name parts.
    pub async fn of_a_database() -> Self {
        let (clock, store, mut forge) = Self::empty().await;
        forge.reuse = Some(ReuseKey::parse(&"a".repeat(64)).unwrap());
        let source = Database::new(Major::Pg15);
        source.sql(
            "CREATE TABLE answer (id int PRIMARY KEY, text text, at timestamptz);
             INSERT INTO answer SELECT g, md5(g::text), now() FROM generate_series(1, 400) g;
             CREATE TABLE empty (id int);
             CREATE SEQUENCE number; SELECT setval('number', 17);
             SELECT lo_from_bytea(777, '\\x0102030405');",
        );
        let point = forge.export(&source).await;
        // Some is named again, some is new.
        source.sql("CREATE TABLE later AS SELECT g AS id FROM generate_series(1, 9) g");
        Self::drilled(clock, store, forge, point, Some(source)).await
    }

    async fn empty() -> (Arc<TestClock>, Arc<MemoryStore>, Forge) {
        // Two days ago, so that nothing else can claim the point's periods.
        let clock = TestClock::at(&(Timestamp::now() - DAY * 2).to_string());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let mut forge = Forge::new(store.clone()).await;
        forge.clock = clock.clone();
        (clock, store, forge)
    }

    async fn drilled(
        clock: Arc<TestClock>,
        store: Arc<MemoryStore>,
        forge: Forge,
        point: RestorePoint,
        source: Option<Database>,
    ) -> Self {
        clock.set(Timestamp::now());
        attest(
            &point,
            &forge.signer,
            Verdict::Sound,
            SignedDuration::from_hours(1),
        )
        .await;
        Self {
            store,
            clock,
            id: point.manifest.id.clone(),
            forge,
            source,
        }
    }

    /// Runs a command on a store that knows nothing from before.
    pub async fn run(&self, command: Command, store: Arc<dyn Store>) -> Result<Said> {
        let repository = Repository::new(store.clone());
        match command {
            Command::Verify => self.verify(&repository, &self.id).await,
            Command::List => self.list(&repository).await,
            Command::Status => self.status(&repository).await,
            Command::Promote => self.promote(&repository).await,
            Command::Hold => self.hold(&repository).await,
            Command::Export => Box::pin(self.export(store)).await,
        }
    }

    async fn open(&self, repository: &Repository, id: &Id) -> Result<RestorePoint> {
        let which = PointSelector::Id(id.clone());
        let found = repository.choose(&which, None, None).await?;
        repository.open(&found, &self.forge.trust).await
    }

    async fn verify(&self, repository: &Repository, id: &Id) -> Result<Said> {
        let options = verify::Options {
            data: true,
            jobs: Some(2),
        };
        let point = self.open(repository, id).await?;
        let interrupt = Interrupt::never();
        let context = self.context(&interrupt);
        let report = verify::verify(&point, &self.forge.identities, options, context).await?;
        let wrong = [&report.problems[..], &report.findings].concat();
        Ok(Said::new(report, wrong))
    }

    async fn list(&self, repository: &Repository) -> Result<Said> {
        let options = every_point(self.clock.now());
        let listing = list::list(repository, &self.forge.trust, &options).await?;
        let wrong = listing.findings.clone();
        Ok(Said::new(listing, wrong))
    }

    async fn status(&self, repository: &Repository) -> Result<Said> {
        let options = status::Options {
            limits: Limits {
                export_age: DAY * 9,
                copy_age: DAY * 9,
                drill_age: DAY * 9,
                shrink_percent: 50,
            },
            source: None,
            database: None,
            expected: Vec::new(),
            copies: Ok(Vec::new()),
        };
        let clock = self.clock.as_ref();
        let report = status::status(repository, &self.forge.trust, clock, options).await?;
        let wrong = report.findings.iter().map(ToString::to_string).collect();
        Ok(Said::new(report, wrong))
    }

    async fn promote(&self, repository: &Repository) -> Result<Said> {
        let options = promote::Options {
            source: None,
            database: None,
            tiers: Tiers {
                weekly_days: Some(60),
                monthly_days: Some(190),
                yearly_days: Some(398),
            },
            daily_days: 35,
            export_every: DAY,
            contested_limit: 5,
            only_crowded: false,
            max_lock_days: 400,
            dry_run: false,
        };
        let interrupt = Interrupt::never();
        let context = self.context(&interrupt);
        let report = promote::run(repository, &self.forge.trust, &options, context).await?;
        let wrong = [&report.failures[..], &report.findings].concat();
        Ok(Said::new(report, wrong))
    }

    async fn hold(&self, repository: &Repository) -> Result<Said> {
        let point = self.open(repository, &self.id).await?;
        let until = self.clock.now() + DAY * 100;
        let until = Timestamp::from_second(until.as_second()).unwrap();
        let interrupt = Interrupt::never();
        let report = hold::hold(&point, until, 400, self.context(&interrupt)).await?;
        let wrong = report.failures.clone();
        Ok(Said::new(report, wrong))
    }

    async fn export(&self, store: Arc<dyn Store>) -> Result<Said> {
        let source = self.source.as_ref().unwrap();
        let report = self.forge.export_through(store, source).await?;
        let failures = report.failures.iter();
        let wrong: Vec<String> = failures.map(|one| one.error.clone()).collect();
        let done = report.databases.iter();
        let done: Vec<_> = done
            .map(|one| (one.tables, one.rows, one.large_objects, one.parts))
            .collect();
        Ok(Said::new(serde_json::json!({ "databases": done }), wrong))
    }

    /// One point more than before, every byte and row of which is as the source has it.
    pub async fn has_a_new_sound_point(&self, store: &Arc<MemoryStore>) -> Result<(), String> {
        let told = |error: lifeboat::testing::Error| error.chain();
        let repository = Repository::new(store.clone());
        let found = repository.find(None, None).await.map_err(told)?;
        let new: Vec<_> = found.into_iter().filter(|one| one.id != self.id).collect();
        let [new] = &new[..] else {
            return Err(match new.len() {
                0 => NO_POINT.to_owned(),
                more => format!("{more} new points"),
            });
        };
        let said = self.verify(&repository, &new.id).await.map_err(told)?;
        if !said.wrong.is_empty() {
            return Err(format!("the new point: {:?}", said.wrong));
        }
        let source = self.source.as_ref().unwrap();
        let tables = source.sql("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace");
        let rows =
            source.sql("SELECT (SELECT count(*) FROM answer) + (SELECT count(*) FROM later)");
        let point = self.open(&repository, &new.id).await.map_err(told)?;
        let has = (
            point.manifest.user_tables().count().to_string(),
            point.manifest.rows().to_string(),
        );
        match has == (tables.clone(), rows.clone()) {
            true => Ok(()),
            false => Err(format!(
                "the new point has {has:?}, the source {tables} tables, {rows} rows"
            )),
        }
    }

    fn context<'a>(&'a self, interrupt: &'a Interrupt) -> Context<'a> {
        Context {
            clock: self.clock.as_ref(),
            progress: &Silent,
            interrupt,
        }
    }
}
