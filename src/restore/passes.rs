//! What failed is tried again as long as a pass brings at least one thing more: an entry of the
//! archive, or rows of a table.

use std::collections::BTreeSet;

use super::not_tried::without_leakproof;
use super::run::{Failed, Run};
use super::{set_aside, tables};
use crate::error::Result;
use crate::opaque;
use crate::pg::target::archive::{Complaint, Outcome};
use crate::pg::target::execute;
use crate::pg::target::existing::Existing;
use crate::pg::target::statements::Statement;
use crate::pg::target::toc::{Entry, Section};

/// Entries that are tried again together while all goes well.
const BATCH: usize = 100;

/// Those of the chosen entries that failed so far.
pub(super) async fn failed(run: &Run<'_>, chosen: impl Fn(&Entry) -> bool) -> Result<Vec<Failed>> {
    let suspects = run.state.suspects(&run.session).await?;
    let failed = |entry: &&Entry| chosen(entry) && suspects.contains(&entry.id);
    let entries = run.entries.iter().filter(failed).cloned();
    let untold = |entry| Failed {
        entry,
        complaints: Vec::new(),
    };
    Ok(entries.map(untold).collect())
}

/// Passes over entries and rows: what the rows need, the rows, what needs them. Once nothing helps, rows
/// come in without the checks that refuse them.
pub(super) async fn while_they_help(run: &mut Run<'_>, left: &mut Vec<Failed>) -> Result<()> {
    let before = |entry: &Entry| entry.section == Section::PreData;
    loop {
        let mut helped = again(run, left, before).await?;
        helped |= tables::load(run).await?;
        helped |= again(run, left, |entry| !before(entry)).await?;
        if !helped && !set_aside::load(run).await? {
            return Ok(());
        }
    }
}

/// Tries the chosen ones once more; those that succeed are no longer `left`. Whether one was made only
/// now.
pub(super) async fn again(
    run: &Run<'_>,
    left: &mut Vec<Failed>,
    chosen: impl Fn(&Entry) -> bool,
) -> Result<bool> {
    let (tried, others): (Vec<_>, Vec<_>) = std::mem::take(left)
        .into_iter()
        .partition(|failed| chosen(&failed.entry));
    let conflicts = match tried.is_empty() {
        true => Conflicts::default(),
        false => Conflicts::read(run).await?,
    };
    let mut helped = false;
    // pg_restore computes what an index holds under other settings than it reads definitions.
    let alike = |a: &Failed, b: &Failed| a.entry.makes_index() == b.entry.makes_index();
    let batches = tried.chunk_by(alike);
    for batch in batches.flat_map(|alike| alike.chunks(BATCH)) {
        // Which entry a complaint belongs to is certain only where there is one entry.
        let batch: Vec<&Entry> = batch.iter().map(|failed| &failed.entry).collect();
        let together = run.archive.restore(&batch, 1).await?;
        if still(&together.complaints, &batch, &conflicts).is_empty() {
            helped |= together.complaints.is_empty();
            continue;
        }
        for entry in batch {
            let mut outcome = run.archive.restore(&[entry], 1).await?;
            if run.inputs.options.is_powerless() && made_without_leakproof(run, &outcome).await? {
                outcome = run.archive.restore(&[entry], 1).await?;
            }
            helped |= outcome.complaints.is_empty();
            let complaints = still(&outcome.complaints, &[entry], &conflicts);
            if !complaints.is_empty() {
                left.push(Failed {
                    entry: entry.clone(),
                    complaints: complaints.into_iter().cloned().collect(),
                });
            }
        }
    }
    left.extend(others);
    left.sort_by_key(|failed| failed.entry.section);
    Ok(helped)
}

/// Makes a function that only a superuser may declare leakproof without that word.
async fn made_without_leakproof(run: &Run<'_>, outcome: &Outcome) -> Result<bool> {
    let mut complaints = outcome.complaints.iter();
    let Some(sql) = complaints.find_map(without_leakproof) else {
        return Ok(false);
    };
    let about = "a function that is leakproof in the backup";
    let refused = execute::each(&run.session, &[Statement::new(about, sql)]).await?;
    Ok(refused.is_empty())
}

/// Complaints that something exists which are to be reported: it is there, and we did not make it.
#[derive(Default)]
struct Conflicts {
    /// Statements that met such a thing at the very first attempt.
    statements: BTreeSet<String>,
    /// Entries whose names were taken: a restore that was killed had no time to say what its statements met.
    entries: BTreeSet<u32>,
}

impl Conflicts {
    async fn read(run: &Run<'_>) -> Result<Self> {
        let mut entries = BTreeSet::new();
        if run.report.resumed {
            entries = run.state.existed(&run.session).await?;
            let of_extensions = Existing::of_extensions(&run.session).await?;
            entries.extend(of_extensions.of(&run.entries));
        }
        Ok(Self {
            statements: run.state.conflicts(&run.session).await?,
            entries,
        })
    }
}

/// What remains to complain of the entries when things that an earlier attempt made are left aside.
fn still<'a>(
    complaints: &'a [Complaint],
    entries: &[&Entry],
    conflicts: &Conflicts,
) -> Vec<&'a Complaint> {
    let taken = entries
        .iter()
        .any(|entry| conflicts.entries.contains(&entry.id));
    let made_before = |one: &Complaint| {
        says_exists(&one.message)
            && !one.sql.is_empty()
            && !taken
            && !conflicts.statements.contains(&*opaque::shown(&one.sql))
    };
    complaints.iter().filter(|one| !made_before(one)).collect()
}

/// Whether the server refused to make something twice. Names stand between the first and the last
/// quote, as they are, quotes and line breaks included: only what is around them is read.
pub(super) fn says_exists(message: &str) -> bool {
    const WORDS: [&str; 4] = [
        " already exists",
        " is already a partition",
        " is already an identity column",
        "multiple primary keys for table ",
    ];
    // These show names without quotes, and could so contain the words above.
    const OTHERS: [&str; 3] = [" does not exist", "permission denied", "must be "];
    let more = |line: &&str| {
        ["LINE ", "DETAIL: ", "HINT: ", "CONTEXT: "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    let said: Vec<&str> = message.lines().take_while(|line| !more(line)).collect();
    let said = said.join("\n");
    let (before, rest) = said.split_once('"').unwrap_or((&said, ""));
    let after = rest.rsplit('"').next().unwrap_or_default();
    let around = |words: &str| before.contains(words) || after.contains(words);
    // These have words between two names; nothing else begins and ends as they do.
    const BETWEEN: [(&str, &str); 3] = [
        ("relation", "is already member of publication"),
        ("schema", "is already member of publication"),
        ("user mapping for", "already exists for server"),
    ];
    let is_between = |(kind, words): &(&str, &str)| {
        said.starts_with(&format!("ERROR:  {kind} \"")) && said.contains(&format!("\" {words} \""))
    };
    let between = after.is_empty() && BETWEEN.iter().any(is_between);
    // The text search commands leave it to the catalog's index.
    let text_search =
        said.starts_with("ERROR:  duplicate key value violates unique constraint \"pg_ts_");
    between
        || text_search
        || (WORDS.iter().any(|words| around(words)) && !OTHERS.iter().any(|words| around(words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::target::toc::parse_list;

    fn complaint(message: &str, sql: &str) -> Complaint {
        Complaint {
            message: message.to_owned(),
            sql: sql.to_owned(),
        }
    }

    #[test]
    fn what_an_earlier_attempt_made_is_left_aside() {
        let exists = complaint(
            "ERROR:  relation \"t\" already exists",
            "CREATE TABLE t ();",
        );
        let all = [
            exists,
            complaint("ERROR:  role", "ALTER TABLE t OWNER TO own;"),
        ];
        let entry = parse_list("1; 1259 1 TABLE public t postgres", Section::PreData).remove(0);
        let still = |conflicts| still(&all, &[&entry], &conflicts).len();
        assert_eq!(still(Conflicts::default()), 1);
        let statements = BTreeSet::from(["CREATE TABLE t ();".to_owned()]);
        assert_eq!(
            still(Conflicts {
                statements,
                ..Conflicts::default()
            }),
            2
        );
        let entries = BTreeSet::from([1]);
        assert_eq!(
            still(Conflicts {
                entries,
                ..Conflicts::default()
            }),
            2
        );
    }

    #[test]
    fn names_do_not_pretend_that_something_exists() {
        for message in [
            "ERROR:  relation \"t\" already exists",
            "ERROR:  constraint \"a\nb\" for relation \"t\nu\" already exists",
            "ERROR:  multiple primary keys for table \"t\" are not allowed",
            "ERROR:  relation \"t\" is already member of publication \"pub\"lic\"",
            "ERROR:  \"p1\" is already a partition",
            "ERROR:  relation \"a\"b\nc\" already exists\nHINT:  drop \"it\"",
            "ERROR:  function 1(integer) already exists in operator family \"x\"",
        ] {
            assert!(says_exists(message), "{message}");
        }
        for message in [
            "ERROR:  relation \"a already exists\" does not exist",
            "ERROR:  relation \"a\" already exists \"b\" does not exist",
            "ERROR:  permission denied for table a already exists",
            "ERROR:  syntax error at or near \"x\"\nDETAIL:  it already exists",
        ] {
            assert!(!says_exists(message), "{message}");
        }
    }
}
