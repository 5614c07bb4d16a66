//! A schema archive, restored by PostgreSQL's own `pg_restore` in chosen pieces. Its SQL goes from
//! pg_restore to the server alone: never through psql, which would run commands hidden in names.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use tempfile::{NamedTempFile, TempDir};

use crate::error::{Error, Kind, Result, ResultExt};
use crate::opaque;
use crate::pg::connect::server::{Server, option, session_options};
use crate::pg::connect::tool_env::{ToolEnv, database_argument};
use crate::pg::local::tools::{self, ToolPath};
use crate::pg::session::pinned::pinned;
use crate::pg::session::{Purpose, hint_for_words};
use crate::pg::target::statements::{Ownership, Rights};
use crate::pg::target::toc::{self, Entry, Section};

/// What pg_restore's sessions do not leave to server, database and role, beside what ends or hides:
/// definitions are read as pg_dump printed them.
const PGOPTIONS: &str = "-c lock_timeout=0 -c default_transaction_read_only=off \
    -c check_function_bodies=off -c array_nulls=on";

/// Definitions of text search dictionaries are stored as the server would print them.
const AS_PRINTED: &str = " -c quote_all_identifiers=off";

/// For definitions that hold money.
const MONEY_IN_C: &str = " -c lc_monetary=C";

/// The archive's name in its folder.
const FILE: &str = "schema.dump";

/// An archive in a temporary file that only this user can read, and where to restore it.
pub(crate) struct Archive {
    folder: TempDir,
    pg_restore: ToolPath,
    server: Server,
    env: ToolEnv,
    /// PGOPTIONS; a login's own come before them.
    options: String,
    own_options: String,
    money_in_c: bool,
    /// `--no-owner` and the like.
    flags: Vec<&'static str>,
}

pub(crate) struct Options {
    /// Becomes `application_name`, so that its sessions can be found.
    pub application: String,
    pub ownership: Ownership,
    /// Without them everything goes into the default one.
    pub tablespaces: bool,
    /// Only a superuser may make the server speak English.
    pub rights: Rights,
    /// The archive prints money under lc_monetary C.
    pub money_in_c: bool,
}

/// How one index is built.
pub(crate) struct IndexBuild {
    /// Beside the session's own process.
    workers: usize,
    memory_kb: u64,
}

/// PostgreSQL starts no process more of a build unless each of them gets so much of maintenance_work_mem.
const KB_OF_A_PROCESS: u64 = 32 * 1024;

impl IndexBuild {
    /// With so many processes, and at least the memory that the server gives anyway.
    pub(crate) fn with(processes: usize, memory_kb: u64) -> Self {
        let wanted = KB_OF_A_PROCESS * processes as u64;
        Self {
            workers: processes.saturating_sub(1),
            memory_kb: memory_kb.max(wanted),
        }
    }

    fn options(&self) -> String {
        let Self { workers, memory_kb } = self;
        format!(
            " -c max_parallel_maintenance_workers={workers} -c maintenance_work_mem={memory_kb}kB"
        )
    }
}

/// What pg_restore reported.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Entries that it named while complaining; a hostile name may add one, never hide one.
    pub suspects: BTreeSet<u32>,
    /// Errors that it reported, those that were expected among them.
    errors: usize,
    /// Its own count of them, where that is its last line: only then did it get to the end.
    counted: Option<usize>,
    pub complaints: Vec<Complaint>,
    pub ungranted: Vec<Ungranted>,
}

/// Privileges that a statement did not change, of which the server only warned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ungranted {
    /// As pg_restore says what it makes: `public.FUNCTION f(integer)`.
    pub on: String,
    /// The message of the server.
    pub message: String,
}

/// One statement that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The message of the server.
    pub message: String,
    /// The statement; empty where pg_restore named none.
    pub sql: String,
}

impl Complaint {
    /// Whether libpq says that the connection is gone: then nothing else that follows is about the
    /// entries.
    fn is_lost(&self) -> bool {
        const WORDS: [&str; 4] = [
            "server closed the connection unexpectedly",
            "no connection to the server",
            "FATAL:  terminating connection",
            "could not send data to server",
        ];
        let mut lines = self.message.lines();
        lines.any(|line| WORDS.iter().any(|words| line.starts_with(words)))
    }
}

impl Outcome {
    /// Whether it came to its end, and all errors that it counted were read. With workers it counts
    /// the errors of a worker again with each entry that follows: their sum says too much.
    fn is_counted(&self, workers: bool) -> bool {
        self.errors > 0
            && (self.counted == Some(self.errors)
                || (workers && self.counted.is_some_and(|count| count >= self.errors)))
    }
}

impl Archive {
    /// Writes the archive into a temporary folder.
    pub(crate) fn unpack(
        mut plain: impl Read,
        pg_restore: ToolPath,
        server: &Server,
        options: &Options,
    ) -> Result<Self> {
        let what = || "cannot write the schema archive into a temporary folder".to_owned();
        let folder = private_folder().context(what)?;
        let mut file = File::create_new(folder.path().join(FILE)).context(what)?;
        std::io::copy(&mut plain, &mut file)
            .map_err(|source| Error::damaged("the schema archive does not open").because(source))?;
        file.flush().context(what)?;
        // It sets search_path itself.
        let pinned = pinned(Purpose::Compute, options.rights.version_num)
            .filter(|(name, _)| *name != "search_path")
            .map(|(name, value)| option(name, value));
        let mut pgoptions = PGOPTIONS.to_owned();
        pgoptions.extend(pinned.map(|option| format!(" {option}")));
        if options.rights.superuser {
            pgoptions.push_str(" -c lc_messages=C");
        }
        let env = server.tool_env()?.with("PGAPPNAME", &options.application);
        let mut flags = Vec::new();
        if !options.ownership.owners {
            flags.push("--no-owner");
        }
        if !options.ownership.privileges {
            flags.push("--no-privileges");
        }
        if !options.tablespaces {
            flags.push("--no-tablespaces");
        }
        Ok(Self {
            folder,
            pg_restore,
            server: server.clone(),
            env,
            options: pgoptions,
            own_options: session_options(options.rights.version_num),
            money_in_c: options.money_in_c,
            flags,
        })
    }

    /// Takes what new sessions are to have of their own.
    pub(crate) fn use_own_options(&mut self, own_options: &str) {
        own_options.clone_into(&mut self.own_options);
    }

    /// Definitions are read with the money that they were printed with; indexes hold what functions
    /// make of values, which only the database's own settings say.
    fn pgoptions(&self, entries: &[&Entry]) -> String {
        let mut options = format!("{} {}", self.own_options, self.options);
        if entries.iter().all(|entry| entry.makes_index()) {
            return options;
        }
        options.push_str(AS_PRINTED);
        if self.money_in_c {
            options.push_str(MONEY_IN_C);
        }
        options
    }

    /// All entries in the order in which they can be restored, but those of objects that were left out on request,
    /// by class and OID.
    pub(crate) async fn list(&self, left_out: &BTreeSet<(u32, u32)>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (section, name) in Section::ALL {
            let list = self.print_list(&format!("--section={name}")).await?;
            entries.extend(toc::parse_list(&list, section));
        }
        if left_out.is_empty() {
            return Ok(entries);
        }
        // It says what needs what, and knows no sections then.
        let all = toc::parse_list(&self.print_list("--verbose").await?, Section::PreData);
        let needs = all.into_iter().map(|entry| (entry.id, entry.needs));
        Ok(toc::without(entries, left_out, &needs.collect()))
    }

    async fn print_list(&self, option: &str) -> Result<String> {
        let what = "pg_restore --list of the schema archive";
        let mut command = tools::command(&self.pg_restore, &ToolEnv::none());
        command
            .env("LC_ALL", "C")
            .args(["--list", option])
            .arg(self.folder.path().join(FILE));
        let output = tools::run(&mut command, what).await?;
        Ok(opaque::text(&output.stdout))
    }

    /// Restores these entries, `jobs` at a time, going on after errors. A failure of pg_restore
    /// itself, such as a lost connection, is an error.
    pub(crate) async fn restore(&self, entries: &[&Entry], jobs: usize) -> Result<Outcome> {
        if entries.is_empty() {
            return Ok(Outcome::default());
        }
        let options = self.pgoptions(entries);
        self.restore_under(entries, jobs, &options).await
    }

    /// Restores one entry that makes an index.
    pub(crate) async fn build_index(&self, entry: &Entry, how: IndexBuild) -> Result<Outcome> {
        let options = self.pgoptions(&[entry]) + &how.options();
        self.restore_under(&[entry], 1, &options).await
    }

    async fn restore_under(
        &self,
        entries: &[&Entry],
        jobs: usize,
        pgoptions: &str,
    ) -> Result<Outcome> {
        let jobs = jobs.min(entries.len());
        let what = || "cannot write a list for pg_restore".to_owned();
        let mut list = NamedTempFile::new_in(&self.folder).context(what)?;
        let ids = toc::list_file(entries.iter().copied());
        list.write_all(ids.as_bytes()).context(what)?;
        let password = self.server.for_login().await?.password;
        let mut command = tools::command(&self.pg_restore, &self.env);
        command
            .envs(password.map(|password| ("PGPASSWORD", password)))
            .env("LC_ALL", "C")
            .env("PGOPTIONS", pgoptions)
            // Only then does it say which entry an error belongs to.
            .arg("--verbose")
            .arg(database_argument(&self.server.database))
            .arg(format!("--use-list={}", list.path().display()))
            .args(&self.flags);
        if jobs > 1 {
            command.arg(format!("--jobs={jobs}"));
        }
        let output = command
            .arg(self.folder.path().join(FILE))
            .output()
            .await
            .context(|| "cannot start pg_restore".to_owned())?;
        let stderr = opaque::text(&output.stderr);
        let mut outcome = read_complaints(&stderr);
        if let Some(lost) = outcome.complaints.iter().find(|one| one.is_lost()) {
            let said = lost.message.lines().next().unwrap_or_default();
            let what = "pg_restore lost its connection";
            return Err(Error::new(Kind::Unavailable, what)
                .because(Error::new(Kind::Unavailable, said))
                .hint("the same command with --resume goes on; the server's log says why"));
        }
        if output.status.success() {
            return Ok(outcome);
        }
        let counted = outcome.is_counted(jobs > 1);
        if output.status.code() == Some(1) && (counted || entries.len() > 1) {
            // Workers write into each other's lines, and one that died took its words along: that
            // some entries failed is certain, which ones is not. Any may have, and is tried again.
            if jobs > 1 || !counted {
                let all = entries.iter().map(|entry| entry.id);
                outcome.suspects.extend(all);
            }
            if !counted {
                outcome.complaints.push(Complaint {
                    message: format!("pg_restore ended early: {}", output.status),
                    sql: String::new(),
                });
            }
            return Ok(outcome);
        }
        // The verbose lines between would hide what it complained of.
        let complaints = outcome.complaints.iter().map(|one| one.message.as_str());
        let complaints = complaints.collect::<Vec<_>>().join("\n");
        let said = match complaints.as_bytes() {
            [] => tools::last_lines(&output.stderr),
            complaints => tools::last_lines(complaints),
        };
        let hint = hint_for_words(&said);
        let error = Error::failed(format!("pg_restore: {}", output.status));
        Err(error.because(Error::failed(said)).hint_if_any(hint))
    }
}

/// The archive's names are sealed where it is stored: here they are for this user only, also if a killed
/// restore leaves them behind.
fn private_folder() -> std::io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("lifeboat-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
}

/// pg_restore of 17 and later sets this in older servers, which do not know it.
const EXPECTED: &str = "could not execute query: ERROR:  unrecognized configuration parameter \
    \"transaction_timeout\"\nCommand was: SET transaction_timeout = 0;";

/// The last word of one that went on after errors.
const IGNORED: &str = "warning: errors ignored on restore: ";

/// How the warning of a GRANT or REVOKE begins whose user may not grant.
const UNGRANTED: [&str; 2] = ["WARNING:  no privileges ", "WARNING:  not all privileges "];

/// Reads what `pg_restore --verbose` wrote to stderr.
fn read_complaints(stderr: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut chunks: Vec<String> = Vec::new();
    for line in stderr.lines() {
        match (line.strip_prefix("pg_restore: "), chunks.last_mut()) {
            (Some(said), _) => chunks.push(said.to_owned()),
            // A line that begins otherwise goes on with what came before.
            (None, Some(chunk)) => chunk.extend(["\n", line]),
            (None, None) => chunks.push(line.to_owned()),
        }
    }
    outcome.counted = chunks
        .last()
        .and_then(|last| last.strip_prefix(IGNORED))
        .and_then(|count| count.trim_end().parse().ok());
    let mut on = String::new();
    for chunk in chunks {
        if let Some(made) = chunk.strip_prefix("creating ") {
            let first = made.lines().next().unwrap_or_default();
            let name = first.split_once(' ').map_or(first, |(_, name)| name);
            name.trim_matches('"').clone_into(&mut on);
        }
        let warnings = chunk.lines().filter(|line| {
            let mut words = UNGRANTED.iter();
            words.any(|words| line.starts_with(words))
        });
        outcome.ungranted.extend(warnings.map(|line| Ungranted {
            on: on.clone(),
            message: line.to_owned(),
        }));
        if let Some(entry) = chunk.strip_prefix("from TOC entry ") {
            let id: Option<u32> = entry.split(';').next().and_then(|id| id.parse().ok());
            outcome.suspects.extend(id);
        } else if let Some(error) = chunk.strip_prefix("error: ") {
            outcome.errors += 1;
            if EXPECTED == error.trim_end() {
                continue;
            }
            let error = error
                .strip_prefix("could not execute query: ")
                .unwrap_or(error);
            let (message, sql) = error.split_once("\nCommand was: ").unwrap_or((error, ""));
            outcome.complaints.push(Complaint {
                message: message.trim().to_owned(),
                sql: sql.trim().to_owned(),
            });
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDERR: &str = "\
pg_restore: connecting to database for restore
pg_restore: creating TABLE \"public.t\"
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 217; 1259 17480 TABLE new
line postgres
pg_restore: error: could not execute query: ERROR:  relation \"new
line\" already exists
HINT:  look
Command was: CREATE TABLE public.\"new
line\" (
    a integer
);


pg_restore: from TOC entry 218; 1259 17488 TABLE t x rst_own
pg_restore: error: could not execute query: ERROR:  role \"rst_own\" does not exist
Command was: ALTER TABLE \"ACL\".\"t x\" OWNER TO rst_own;

pg_restore: warning: errors ignored on restore: 2
";

    #[test]
    fn complaints_come_with_entry_message_and_statement() {
        let outcome = read_complaints(STDERR);
        assert_eq!(outcome.suspects, BTreeSet::from([217, 218]));
        let complaint = |message: &str, sql: &str| Complaint {
            message: message.to_owned(),
            sql: sql.to_owned(),
        };
        assert_eq!(
            outcome.complaints,
            [
                complaint(
                    "ERROR:  relation \"new\nline\" already exists\nHINT:  look",
                    "CREATE TABLE public.\"new\nline\" (\n    a integer\n);",
                ),
                complaint(
                    "ERROR:  role \"rst_own\" does not exist",
                    "ALTER TABLE \"ACL\".\"t x\" OWNER TO rst_own;",
                ),
            ]
        );
    }

    #[test]
    fn warnings_about_privileges_come_with_their_object() {
        let warning = "WARNING:  no privileges were granted for \"f\"";
        let outcome = read_complaints(&format!(
            "pg_restore: creating ACL \"public.TABLE t\"\n\
             pg_restore: creating ACL \"public.FUNCTION f(integer)\"\n{warning}\n\
             WARNING:  something else\n"
        ));
        let expected = Ungranted {
            on: "public.FUNCTION f(integer)".to_owned(),
            message: warning.to_owned(),
        };
        assert_eq!(outcome.ungranted, [expected]);
    }

    #[test]
    fn a_lost_connection_is_not_taken_for_a_failed_entry() {
        let lost = read_complaints(
            "pg_restore: from TOC entry 217; 1259 17480 TABLE t own\n\
             pg_restore: error: could not execute query: FATAL:  terminating connection due to \
             administrator command\nserver closed the connection unexpectedly\n\
             Command was: CREATE TABLE t ();\n",
        );
        assert!(lost.complaints[0].is_lost());
        assert!(
            !read_complaints(STDERR)
                .complaints
                .iter()
                .any(Complaint::is_lost)
        );
    }

    #[test]
    fn a_newer_pg_restore_may_set_what_an_older_server_does_not_know() {
        let outcome = read_complaints(
            "pg_restore: error: could not execute query: ERROR:  unrecognized configuration \
             parameter \"transaction_timeout\"\nCommand was: SET transaction_timeout = 0;\n\
             pg_restore: warning: errors ignored on restore: 1\n",
        );
        assert_eq!((outcome.errors, outcome.complaints.len()), (1, 0));
        // Another statement that says the same is not expected.
        let hidden = read_complaints(
            "pg_restore: error: could not execute query: ERROR:  unrecognized configuration \
             parameter \"transaction_timeout\"\nCommand was: CREATE INDEX i ON t (f(a));\n",
        );
        assert_eq!(hidden.complaints.len(), 1);
    }

    #[test]
    fn only_a_full_count_of_errors_is_a_pg_restore_that_got_through() {
        assert!(read_complaints(STDERR).is_counted(false));
        let fewer = STDERR.replace("restore: 2", "restore: 3");
        assert!(!read_complaints(&fewer).is_counted(false));
        assert!(read_complaints(&fewer).is_counted(true));
        let died = "pg_restore: error: a worker process died unexpectedly\n";
        assert!(!read_complaints(&format!("{STDERR}{died}")).is_counted(true));
    }

    #[test]
    fn nobody_else_can_look_into_the_folder_of_the_archive() {
        let folder = private_folder().unwrap();
        let mode = folder.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_database_name_cannot_end_its_quotes() {
        let argument = database_argument(r"a' host=x \").into_string().unwrap();
        assert!(
            argument.starts_with(r"--dbname=dbname='a\' host=x \\' "),
            "{argument}"
        );
    }
}
