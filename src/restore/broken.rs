//! Keys and constraints that the rows of the backup break: the rows are there, the constraint is NOT
//! VALID or left out, which is a failure. A later run recognises what a person has mended.

use super::not_tried::{Judgement, is_failure};
use super::run::{Failed, Run};
use crate::error::Result;
use crate::model::catalog::{Constraint, ConstraintKind, Name};
use crate::model::finding::Finding;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::archive::Complaint;
use crate::pg::target::checks::{self, There};
use crate::pg::target::execute;
use crate::pg::target::resume_state::RecordedFinding;
use crate::pg::target::statements::Statement;
use crate::pg::target::toc::{Entry, Section};
use crate::quote::quote_ident;

/// The name of the notes, and their kinds.
const NOTES: &str = "broken constraints";
const NOT_VALID: &str = "not valid";
const LEFT_OUT: &str = "left out";

/// Reports an entry that cannot be restored.
pub(super) async fn report(run: &mut Run<'_>, failed: &Failed) -> Result<()> {
    let Failed { entry, complaints } = failed;
    let complaints: Vec<&Complaint> = complaints.iter().collect();
    let join = |text: fn(&Complaint) -> &str| {
        let texts: Vec<&str> = complaints.iter().map(|one| text(one)).collect();
        texts.join("\n")
    };
    let (message, sql) = (join(|one| &one.message), join(|one| &one.sql));
    let finding = Finding::new(entry.describe(), message).sql(sql);
    let judgement = run.not_tried.judge(entry, &complaints);
    let report = &mut run.report;
    match judgement {
        Judgement::NotTried => report.not_tried.push(run.not_tried.named(entry)),
        Judgement::Unproven => report.unproven.push(finding),
        Judgement::Broken if lacks_space(&finding.why) => {
            run.lacks_objects |= entry.section == Section::PreData;
            report.failures.push(finding);
        }
        Judgement::Broken if !run.inputs.selection.whole && entry.kind == "FK CONSTRAINT" => {
            let left_out = format!("foreign key: {}", entry.describe());
            report.left_out.push(left_out);
        }
        Judgement::Broken if is_failure(entry, &complaints) => {
            return report_missing(run, entry, finding).await;
        }
        Judgement::Broken => report.findings.push(finding),
    }
    Ok(())
}

/// Whether a server had no room for something. That is a failure, whatever it is: a later run goes on with it.
pub(super) fn lacks_space(said: &str) -> bool {
    const WORDS: [&str; 4] = [
        "ERROR 53100: ",
        "No space left on device",
        "Disk quota exceeded",
        "Check free disk space",
    ];
    WORDS.iter().any(|words| said.contains(words))
}

async fn report_missing(run: &mut Run<'_>, entry: &Entry, finding: Finding) -> Result<()> {
    let mut constraints = run.inputs.catalog.constraints.iter();
    let Some(constraint) = constraints.find(|one| makes(entry, one)) else {
        run.lacks_objects |= entry.section == Section::PreData;
        run.report.failures.push(finding);
        return Ok(());
    };
    let finding = Finding {
        what: constraint.describe(),
        ..finding
    };
    if lacks_rows(run, constraint, &finding.why) {
        // The comparison tells how it stands.
        return add_not_valid(run, &finding, None).await.map(drop);
    }
    if constraint.kind == ConstraintKind::ForeignKey && !is_known(run, &finding) {
        let (table, name) = (constraint.on.quoted(), quote_ident(&constraint.name));
        let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
        let note = note(finding.clone().sql(validate), true);
        if add_not_valid(run, &finding, Some(&note)).await? {
            noted(run, note);
            return Ok(());
        }
    }
    add(run, finding).await
}

/// Whether rows break a foreign key that refers to rows which were left out on request: that is no damage.
fn lacks_rows(run: &Run<'_>, constraint: &Constraint, why: &str) -> bool {
    let left_out = &run.inputs.catalog.left_out;
    left_out.has_key(&constraint.on, &constraint.name)
        && why.contains(" violates foreign key constraint ")
}

/// pg_restore lists kind, schema and object, a constraint's its table, with line breaks as spaces.
pub(super) fn makes(entry: &Entry, constraint: &Constraint) -> bool {
    let Constraint { on, name, .. } = constraint;
    let (kind, table) = match constraint.kind {
        ConstraintKind::ForeignKey => ("FK CONSTRAINT", format!("{} ", on.name)),
        ConstraintKind::Check => ("CHECK CONSTRAINT", format!("{} ", on.name)),
        ConstraintKind::Index | ConstraintKind::UniqueIndex => ("INDEX", String::new()),
        _ => ("CONSTRAINT", format!("{} ", on.name)),
    };
    let listed = format!("{} {table}{name} ", on.schema).replace(['\n', '\r'], " ");
    entry.kind == kind && entry.names.starts_with(&listed)
}

/// Adds a foreign key that its rows break for new rows alone. Before 18 a partitioned table cannot have
/// one.
async fn add_not_valid(
    run: &Run<'_>,
    refused: &Finding,
    note: Option<&RecordedFinding>,
) -> Result<bool> {
    let sql = refused.sql.as_deref().unwrap_or_default();
    let Some(sql) = sql.strip_suffix(';') else {
        return Ok(false);
    };
    // In a session of its own: it is a statement of the archive.
    let session = connect(run).await?;
    let note = note.map_or_else(String::new, |note| note_sql(run, note));
    let sql = format!("{sql} NOT VALID; {note}");
    let refused = execute::each(&session, &[Statement::new(&refused.what, sql)]).await?;
    session.close().await;
    Ok(refused.is_empty())
}

async fn connect(run: &Run<'_>) -> Result<Session> {
    let application = run.inputs.application();
    let session = Session::connect(&run.own.server, &application, Purpose::Compute).await?;
    // A CHECK may read views.
    session.allow_views().await?;
    Ok(session)
}

/// Adds a constraint that is left out to the failures whose rows are there, and notes it for later runs;
/// `finding` has the statement that ends it.
async fn add(run: &mut Run<'_>, finding: Finding) -> Result<()> {
    if is_known(run, &finding) {
        return Ok(());
    }
    let note = note(finding, false);
    let what = "cannot record a broken constraint";
    run.session.execute(&note_sql(run, &note), what).await?;
    noted(run, note);
    Ok(())
}

/// Whether it is among the failures.
pub(super) fn is_known(run: &Run<'_>, finding: &Finding) -> bool {
    let mut known = run.report.failures.iter();
    known.any(|one| one.what == finding.what)
}

/// The note of a constraint that rows break; `finding` has the statement that ends it.
pub(super) fn note(finding: Finding, not_valid: bool) -> RecordedFinding {
    let kind = if not_valid { NOT_VALID } else { LEFT_OUT };
    RecordedFinding {
        kind: kind.to_owned(),
        finding,
    }
}

/// The statement that notes it; of a foreign key it belongs to the transaction that adds it NOT VALID.
pub(super) fn note_sql(run: &Run<'_>, note: &RecordedFinding) -> String {
    run.state.note_sql(NOTES, note)
}

/// To be called once that is done: adds it to the failures.
pub(super) fn noted(run: &mut Run<'_>, note: RecordedFinding) {
    run.state.noted(NOTES, note.clone());
    push(run, note);
}

fn push(run: &mut Run<'_>, note: RecordedFinding) {
    if run.not_tried.excuses(&note.finding.why) {
        run.report.unproven.push(note.finding);
        return;
    }
    let how = match note.kind.as_str() {
        NOT_VALID => "its rows are there, it is NOT VALID and binds new ones alone",
        _ => "its rows are there, it is left out",
    };
    let why = format!("{how}: {}", note.finding.why);
    run.report.failures.push(Finding {
        why,
        ..note.finding
    });
}

/// Looks again at what an earlier run found broken. One that is valid now was mended by hand, and so was
/// one that somebody took off; where the rows of its tables differ, that is why.
pub(super) async fn look_again(run: &mut Run<'_>) -> Result<()> {
    let notes = run.state.notes(&run.session, NOTES).await?;
    if notes.is_empty() {
        return Ok(());
    }
    let there = checks::there(&run.session).await?;
    let session = connect(run).await?;
    for note in notes {
        let found = there.iter().find(|one| one.what == note.finding.what);
        let ended = is_ended(&session, &note, found).await?;
        match ended {
            Some(why) => push(run, with_reason(note, why)),
            None => mended(run, &note.finding.what).await?,
        }
    }
    session.close().await;
    Ok(())
}

fn with_reason(mut note: RecordedFinding, why: String) -> RecordedFinding {
    note.finding.why = why;
    note
}

/// Ends it where that is possible now; else why not.
async fn is_ended(
    session: &Session,
    note: &RecordedFinding,
    found: Option<&There>,
) -> Result<Option<String>> {
    match found {
        Some(found) if found.valid => Ok(None),
        None if note.kind == NOT_VALID => Ok(None),
        Some(_) if note.kind == LEFT_OUT => Ok(Some("it was added, and is not valid".to_owned())),
        _ => {
            let sql = note.finding.sql.as_deref().unwrap_or_default();
            let statement = Statement::new(&note.finding.what, sql);
            // pg_restore said it in full.
            if note.finding.why.starts_with("ERROR:  ") {
                return execute::refusal_in_full(session, &statement).await;
            }
            let refused = execute::each(session, &[statement]).await?;
            Ok(refused.into_iter().next().map(|one| one.why))
        }
    }
}

async fn mended(run: &mut Run<'_>, what: &str) -> Result<()> {
    let catalog = run.inputs.catalog;
    let there = checks::there(&run.session).await?;
    let tables = match there.iter().find(|one| one.what == what) {
        Some(found) => checks::with_descendants(&run.session, &found.tables).await?,
        None => {
            let why = "it was taken off after the restore had found that rows break it";
            run.report.findings.push(Finding::new(what, why));
            let mut constraints = catalog.constraints.iter();
            let constraint = constraints.find(|one| one.describe() == what);
            if let Some(constraint) = constraint {
                run.entries.retain(|entry| !makes(entry, constraint));
            }
            let on: Vec<&Name> = constraint.iter().map(|one| &one.on).collect();
            let tables = catalog.tables.iter().filter(|table| {
                on.contains(&&table.name)
                    || table.root.as_ref().is_some_and(|root| on.contains(&root))
            });
            tables.map(|table| table.name.clone()).collect()
        }
    };
    for table in tables {
        run.mended.insert(table, what.to_owned());
    }
    Ok(())
}
