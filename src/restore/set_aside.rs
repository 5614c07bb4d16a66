//! Rows that a CHECK of the backup refuses: it is taken off its table or domain, the rows are loaded, and
//! it is added again; where they break it, for new rows alone.

use super::broken;
use super::run::Run;
use super::tables;
use crate::error::{Error, Result, ResultExt};
use crate::model::catalog::Name;
use crate::model::finding::Finding;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::checks::{self, Check};
use crate::pg::target::execute;
use crate::pg::target::resume_state::RecordedFinding;
use crate::pg::target::statements::Statement;

/// The name of the notes: a killed restore adds what it took off when it is resumed.
const NOTES: &str = "constraints taken off";

/// Loads what could not be loaded otherwise. Whether that brought at least one part.
pub(super) async fn load(run: &mut Run<'_>) -> Result<bool> {
    let mut tables = tables::incomplete_names(run).await?;
    let notes = run.state.notes(&run.session, NOTES).await?;
    if tables.is_empty() && notes.is_empty() {
        return Ok(false);
    }
    let application = run.inputs.application();
    let session = Session::connect(&run.own.server, &application, Purpose::Compute).await?;
    let mut helped = false;
    for of_domains in [false, true] {
        let mut taken_off = notes.len();
        for table in &tables {
            taken_off += take_off(run, &session, table, of_domains).await?;
        }
        if taken_off > 0 {
            helped |= tables::load(run).await?;
            tables = tables::incomplete_names(run).await?;
        }
    }
    put_back(run, &session).await?;
    session.close().await;
    Ok(helped)
}

/// Takes off all of one table: of a function's error nobody can tell which CHECK called it.
async fn take_off(
    run: &Run<'_>,
    session: &Session,
    table: &Name,
    of_domains: bool,
) -> Result<usize> {
    let mut taken_off = 0;
    loop {
        let checks = match of_domains {
            true => checks::of_domains(session, table).await?,
            false => checks::of_table(session, table).await?,
        };
        let before = taken_off;
        for check in &checks {
            taken_off += usize::from(take_off_one(run, session, check).await?);
        }
        // What a child has of its own is found once it is off the parents.
        if taken_off == before {
            return Ok(taken_off);
        }
    }
}

async fn take_off_one(run: &Run<'_>, session: &Session, check: &Check) -> Result<bool> {
    let text = serde_json::to_string(check).context(|| check.what())?;
    let number = run.state.notes(&run.session, NOTES).await?.len();
    let note = RecordedFinding {
        // In this order they were taken off.
        kind: format!("{number:06}"),
        finding: Finding::new(check.what(), "").sql(text),
    };
    let both = format!("{}; {}", check.drop_it(), run.state.note_sql(NOTES, &note));
    let refused = execute::each(session, &[Statement::new(check.what(), both)]).await?;
    if refused.is_empty() {
        run.state.noted(NOTES, note);
    }
    Ok(refused.is_empty())
}

/// Adds them again, the last one first: what a parent hands down finds what its child has already.
async fn put_back(run: &mut Run<'_>, session: &Session) -> Result<()> {
    let mut notes = run.state.notes(&run.session, NOTES).await?;
    notes.sort_by(|a, b| b.kind.cmp(&a.kind));
    for note in notes {
        let check = note.finding.sql.as_deref().unwrap_or_default();
        let check: Check = serde_json::from_str(check).map_err(|source| {
            Error::failed("the rows of lifeboat_restore.said are not lifeboat's").because(source)
        })?;
        put_back_one(run, session, &check).await?;
    }
    Ok(())
}

/// A killed run may have added it already, and not have come to the end: it is added anew.
async fn put_back_one(run: &mut Run<'_>, session: &Session, check: &Check) -> Result<()> {
    // A CHECK may read views.
    session.allow_views().await?;
    let what = check.what();
    let forget = run.state.forget_sql(NOTES, &what);
    let Some(refused) = add(session, check, &check.add(), &forget).await? else {
        run.state.forgotten(NOTES, &what);
        return Ok(());
    };
    let not_valid = add(session, check, &check.add_not_valid(), "")
        .await?
        .is_none();
    if not_valid {
        let below = checks::validate_below(session, check).await?;
        let below = below.into_iter().map(|sql| Statement::new(&what, sql));
        execute::each(session, &below.collect::<Vec<_>>()).await?;
    }
    let ends_it = if not_valid {
        check.validate()
    } else {
        check.add()
    };
    let note = broken::note(Finding::new(&what, refused.why).sql(ends_it), not_valid);
    let known = broken::is_known(run, &note.finding);
    let add = if known {
        String::new()
    } else {
        broken::note_sql(run, &note)
    };
    session.execute(&format!("{forget} {add}"), &what).await?;
    run.state.forgotten(NOTES, &what);
    if !known {
        broken::noted(run, note);
    }
    Ok(())
}

/// Adds it with its comment, in one transaction with `more`. `Some`: the server refused.
async fn add(session: &Session, check: &Check, add: &str, more: &str) -> Result<Option<Finding>> {
    let comment = check.set_comment().unwrap_or_default();
    let sql = format!("{}; {add}; {comment}; {more}", check.drop_if_there());
    let refused = execute::each(session, &[Statement::new(check.what(), sql)]).await?;
    Ok(refused.into_iter().next())
}
