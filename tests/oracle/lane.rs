//! Servers of the oracle's own, and one database on its way through all of them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use super::holdings::{self, Lines, lines, lost_data, worse};
use super::recipe::Recipe;
use crate::support::cluster::{Cluster, ClusterOptions, PASSWORD};
use crate::support::master;
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Source,
    /// Restored into by its superuser.
    Target,
    /// Its `postgres` is no superuser, as RDS has it.
    Rds,
}

struct Server {
    cluster: Cluster,
    superuser: &'static str,
    bin: std::path::PathBuf,
}

/// Servers that are started when first needed.
#[derive(Default)]
pub struct Lane {
    servers: BTreeMap<(Place, u32), Server>,
}

/// Ours beats what database and roles set, so that lines of all sides are printed alike.
const PRINTING: &str = "-c search_path=pg_catalog -c DateStyle=ISO,MDY -c IntervalStyle=postgres -c TimeZone=UTC \
    -c extra_float_digits=1 -c bytea_output=hex -c lc_monetary=C -c xmloption=content -c array_nulls=on \
    -c quote_all_identifiers=off -c standard_conforming_strings=on -c row_security=off -c statement_timeout=0 \
    -c lock_timeout=0 -c default_transaction_read_only=off -c client_min_messages=error -c jit=off \
    -c transform_null_equals=off -c default_transaction_isolation=read\\ committed";

/// Only what would keep the recipe from being made: what computes stays as database and roles set it.
const MAKING: &str = "-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off \
    -c client_min_messages=error -c default_transaction_isolation=read\\ committed -c quote_all_identifiers=off \
    -c standard_conforming_strings=on -c array_nulls=on -c xmloption=content";

impl Server {
    fn start(place: Place, major: Major) -> Self {
        let bin = major.bin();
        let settings = [
            ("shared_buffers", "16MB"),
            ("wal_level", "logical"),
            ("max_connections", "40"),
            ("max_locks_per_transaction", "256"),
        ];
        let options = ClusterOptions {
            settings: &settings,
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(bin.to_str().unwrap(), &options);
        if place != Place::Rds {
            return Self {
                cluster,
                superuser: "postgres",
                bin,
            };
        }
        let superuser = master::demote(&cluster);
        Self {
            cluster,
            superuser,
            bin,
        }
    }

    /// Runs a script and returns what it prints.
    fn psql(&self, user: &str, database: &str, options: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.cluster.client("psql");
        psql.args([
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            user,
            "-d",
            database,
            "-f",
            "-",
        ]);
        self.run(psql.env("PGOPTIONS", options), sql)
    }

    fn run(&self, command: &mut Command, input: &str) -> Result<String, String> {
        let input_file = self.cluster.file("input.sql", input);
        let output = command
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(std::fs::File::open(input_file).unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(said)
        }
    }

    fn admin(&self, sql: &str) -> Result<String, String> {
        self.psql(self.superuser, "postgres", "", sql)
    }

    /// As it was when it was started.
    fn clean(&self) {
        master::clean(&self.cluster, self.superuser, "app");
    }

    /// Sets the whole server's settings, and waits until new sessions have them.
    fn set(&self, settings: &[&str]) {
        let names = [
            "timezone",
            "datestyle",
            "intervalstyle",
            "default_text_search_config",
        ];
        let mut sql: String = names
            .iter()
            .map(|name| format!("ALTER SYSTEM RESET {name};\n"))
            .collect();
        sql.extend(
            settings
                .iter()
                .map(|setting| format!("ALTER SYSTEM SET {setting};\n")),
        );
        self.admin(&sql).unwrap();
        self.admin("SELECT pg_reload_conf();").unwrap();
        let wanted: Vec<(&str, String)> = settings
            .iter()
            .map(|one| one.split_once(" = ").unwrap())
            .map(|(name, value)| (name, value.trim_matches('\'').to_owned()))
            .collect();
        let until = Instant::now() + Duration::from_secs(10);
        let has = |(name, value): &(&str, String)| {
            self.admin(&format!("SHOW {name}")).unwrap().trim() == value
        };
        while !wanted.iter().all(has) {
            assert!(Instant::now() < until, "{settings:?} are not set");
        }
    }

    fn url(&self) -> String {
        format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/app",
            self.cluster.port
        )
    }

    fn lines(&self, script: &str) -> Lines {
        match self.psql(self.superuser, "app", PRINTING, script) {
            Ok(text) => lines(&text),
            Err(error) => Lines::from([(format!("the database cannot be read: {error}"), 1)]),
        }
    }
}

impl Lane {
    fn server(&mut self, place: Place, major: Major) -> &Server {
        self.servers
            .entry((place, major as u32))
            .or_insert_with(|| Server::start(place, major))
    }

    /// Makes the database, brings it into both targets by stock tools and by lifeboat, and says where
    /// lifeboat's is worse.
    pub fn judge(&mut self, recipe: &Recipe) -> Vec<String> {
        for (place, major) in [
            (Place::Source, recipe.from),
            (Place::Target, recipe.to),
            (Place::Rds, recipe.to),
        ] {
            let server = self.server(place, major);
            server.clean();
            server.set(&recipe.server);
        }
        let source = &self.servers[&(Place::Source, recipe.from as u32)];
        if let Err(error) = make(source, recipe) {
            return vec![error];
        }
        let lifeboat = Lifeboat::init();
        lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", source.bin));
        let exported = run(&lifeboat, &["export", "--quiet", "--source", &source.url()]);
        if !matches!(exported.code, Some(0 | 3)) {
            return vec![format!("export: {}", short(&exported))];
        }
        let mut wrong = Vec::new();
        let mut failed = false;
        for place in [Place::Target, Place::Rds] {
            let target = &self.servers[&(place, recipe.to as u32)];
            let columns =
                |server: &Server| holdings::columns_of(&server.admin(holdings::COLUMNS).unwrap());
            let script = holdings::script(&columns(source), &columns(target));
            let there = source.lines(&script);
            assert!(there.len() > 50, "the oracle saw nothing: {there:?}");
            let said = stock(source, target);
            let by_stock = target.lines(&script);
            target.clean();
            let restored = restore(&lifeboat, target);
            let ours = target.lines(&script);
            let mut verdict: Vec<String> = worse(&there, &by_stock, &ours);
            verdict.retain(|line| !line.contains("lifeboat_restore") && !is_told(line, &restored));
            let lost = lost_data(&there, &ours);
            if restored.code == Some(0) {
                verdict.extend(lost.iter().map(|line| format!("unsaid  {line}")));
            }
            if recipe.from == recipe.to && there == ours {
                verdict.extend(alarms(&restored));
            }
            failed |= restored.code == Some(1);
            if !verdict.is_empty() {
                verdict.truncate(24);
                wrong.push(format!(
                    "  into {place:?}, exit {:?}\n    {}\n  lifeboat: {}\n  stock: {}",
                    restored.code,
                    verdict.join("\n    "),
                    short(&restored),
                    said.chars().take(1500).collect::<String>()
                ));
            }
        }
        wrong.extend(drilled(&lifeboat, source, failed));
        wrong
    }
}

/// What a restore says is wrong with a database in which nothing is.
fn alarms(restored: &Ran) -> Vec<String> {
    let result = &restored.json()["result"];
    let lists = [&result["failures"], &result["findings"]];
    let all = lists
        .into_iter()
        .filter_map(|list| list.as_array())
        .flatten();
    all.map(|one| format!("alarm  {one}")).collect()
}

/// Drills it without a superuser, as a night does. Such a drill proves less, but it calls nothing broken that a
/// restore brings back.
fn drilled(lifeboat: &Lifeboat, source: &Server, failed: bool) -> Option<String> {
    let identity = lifeboat.identity();
    let bin = source.bin.to_str().unwrap();
    let args = ["drill", "latest", "--json", "--pg-bin", bin, "--identity"];
    let ran = run(
        lifeboat,
        &[&args[..], &[identity.to_str().unwrap()]].concat(),
    );
    let is_sound = matches!(ran.code, Some(0 | 3));
    (!is_sound && !failed).then(|| format!("  drilled\n  lifeboat: {}", short(&ran)))
}

/// Where rows break a constraint, stock loses them or the constraint, and where a statement fails, stock
/// goes on, too: what lifeboat does there may be something third, if it names the object.
fn is_told(line: &str, restored: &Ran) -> bool {
    let fields: Vec<&str> = line.split(' ').filter(|field| !field.is_empty()).collect();
    let object = match fields[..] {
        [_, "pg_constraint", name, .., "convalidated", _] => name,
        [_, "pg_class", name, "relacl" | "relam", ..] => name,
        ["strange", "rows", name, ..] => name,
        _ => return false,
    };
    let name = object
        .trim_matches(['[', '"', ','])
        .rsplit('.')
        .next()
        .unwrap();
    let result = &restored.json()["result"];
    let told = format!("{}{}", result["failures"], result["findings"]);
    told.contains(name)
}

fn make(source: &Server, recipe: &Recipe) -> Result<(), String> {
    let run = |database: &str, options: &str, sql: &str, what: &str| {
        let made = source.psql("postgres", database, options, sql);
        made.map_err(|error| format!("a recipe that cannot be made: {what}: {error}\n{sql}"))
    };
    run("postgres", "", &recipe.roles, "roles")?;
    run("postgres", "", &recipe.database, "database")?;
    for (name, sql) in &recipe.contents {
        run("app", MAKING, sql, name)?;
    }
    run("postgres", "", &recipe.last, "last")?;
    Ok(())
}

fn stock(source: &Server, target: &Server) -> String {
    let mut dumpall = target.cluster.program("pg_dumpall");
    let uri = |database: &str| source.url().replace("/app", &format!("/{database}"));
    let globals = target
        .run(
            dumpall.args(["-g", "--no-role-passwords", "-d", &uri("postgres")]),
            "",
        )
        .unwrap();
    let globals = globals
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .filter(|line| {
            *line != "CREATE ROLE postgres;" && !line.starts_with("ALTER ROLE postgres WITH")
        })
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let mut psql = target.cluster.client("psql");
    let mut said = String::new();
    if let Err(error) = target.run(
        psql.args(["-Xq", "-U", "postgres", "-d", "postgres", "-f", "-"]),
        &globals,
    ) {
        said.push_str(&error);
    }
    let file = target.cluster.file("stock.dump", "");
    let mut dump = target.cluster.program("pg_dump");
    dump.args(["-Fc", "-C", "-d", &source.url(), "-f"])
        .arg(&file);
    target
        .run(&mut dump, "")
        .unwrap_or_else(|error| panic!("pg_dump: {error}"));
    let mut restore = target.cluster.client("pg_restore");
    // A database that is read-only by its settings would stop stock at its first statement, and show nothing.
    restore
        .env("PGOPTIONS", "-c default_transaction_read_only=off")
        .args(["-C", "-U", "postgres", "-d", "postgres"])
        .arg(&file);
    if let Err(error) = target.run(&mut restore, "") {
        said.push_str(&error);
    }
    said
}

fn restore(lifeboat: &Lifeboat, target: &Server) -> Ran {
    let identity = lifeboat.identity();
    run(
        lifeboat,
        &[
            "restore",
            "latest",
            "--json",
            "--create",
            "--verify",
            "--target",
            &target.url(),
            "--pg-bin",
            target.bin.to_str().unwrap(),
            "--identity",
            identity.to_str().unwrap(),
        ],
    )
}

/// Ends what does not end by itself.
fn run(lifeboat: &Lifeboat, args: &[&str]) -> Ran {
    let ran = lifeboat.command(args);
    let mut command = Command::new("timeout");
    command
        .arg("180")
        .arg(ran.get_program())
        .args(ran.get_args());
    command.env_clear().envs(
        ran.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    Ran::of(&command.current_dir(lifeboat.folder()).output().unwrap())
}

fn short(ran: &Ran) -> String {
    let text = format!("{}{}", ran.stdout, ran.stderr);
    text.lines()
        .filter(|line| !line.contains("to do"))
        .take(30)
        .map(|line| line.chars().take(300).collect::<String>() + "\n    ")
        .collect()
}
