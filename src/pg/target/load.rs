//! Rows into a database: one part, one COPY, one transaction.

use std::io::Read;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::CopyInSink;

use crate::error::{Error, Result, ResultExt};
use crate::model::catalog::Name;
use crate::model::digest::RowDigest;
use crate::model::manifest::Part;
use crate::model::rows::{Listed, read_rows};
use crate::pg::session::{Session, pg_error};
use crate::pg::target::resume_state::{LoadedPart, ResumeState};
use crate::quote::{quote_idents, quote_literal};

/// Plain bytes on their way from the thread that opens a part to the connection.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Blocks that may wait in between.
const BLOCKS: usize = 2;

/// Opens a part's stored bytes, on a thread that may block.
pub(crate) type Open = Box<dyn FnOnce() -> Result<Box<dyn Read + Send>> + Send>;

/// Where a part's rows go.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// In the source; the resume state goes by it.
    pub table_oid: u32,
    /// The COPY.
    pub sql: String,
    /// Runs before and after the COPY in the same transaction; may be empty.
    pub before: String,
    pub after: String,
    /// For messages.
    pub what: String,
    pub through_root: bool,
}

/// The statement that takes a table's rows, as bytes in the database's own `encoding`. A table
/// without columns takes no list: its rows are empty lines.
pub(crate) fn copy_in(table: &Name, columns: &[String], encoding: &str) -> String {
    let mut list = String::new();
    if !columns.is_empty() {
        list = format!(" ({})", quote_idents(columns));
    }
    copy_from_stdin(&format!("{}{list}", table.quoted()), encoding)
}

pub(super) fn copy_from_stdin(target: &str, encoding: &str) -> String {
    let encoding = quote_literal(encoding);
    format!("COPY {target} FROM STDIN WITH (ENCODING {encoding})")
}

/// Keeps every trigger of a table and its partitions from firing in this transaction; those of keys
/// too, where `keys` asks for it and it is allowed. [`TRIGGERS_ON`] leaves them as they were.
pub(crate) fn triggers_off(table: &Name, keys: bool) -> String {
    let replica = if keys {
        "BEGIN
           SET LOCAL session_replication_role = replica;
         EXCEPTION WHEN insufficient_privilege THEN NULL;
         END;"
    } else {
        ""
    };
    // Some fire even then (ENABLE ALWAYS), hence each by name.
    let body = format!(
        "DECLARE t record;
         BEGIN
           {replica}
           FOR t IN SELECT * FROM pg_temp.lifeboat_trigger LOOP
             EXECUTE pg_catalog.format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', t.tbl, t.name);
           END LOOP;
         END"
    );
    format!(
        "CREATE TEMPORARY TABLE lifeboat_trigger ON COMMIT DROP AS
         WITH RECURSIVE tree(oid) AS (
           SELECT {}::pg_catalog.regclass::pg_catalog.oid
           UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON tree.oid = i.inhparent)
         SELECT t.tgrelid::pg_catalog.regclass AS tbl, t.tgname AS name, t.tgenabled AS how
           FROM pg_catalog.pg_trigger t JOIN tree ON tree.oid = t.tgrelid
          WHERE NOT t.tgisinternal AND t.tgenabled <> 'D';
         DO {}",
        quote_literal(&table.quoted()),
        quote_literal(&body)
    )
}

/// COPY text reads the same under any DateStyle, IntervalStyle, TimeZone and float format: these are the
/// database's own, as what it computes depends on them. Not so these two.
const READ_TEXT: &str = "SET LOCAL array_nulls = on; SET LOCAL xmloption = content;";

/// How the money in a table's rows is read, which is printed under lc_monetary C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Money {
    None,
    /// Nothing is computed from it.
    Plain,
    /// The table computes under the database's own lc_monetary.
    Computed,
}

impl Destination {
    /// Reads money under lc_monetary C. Where something is computed from it, rows go through a temporary
    /// table: one COPY cannot read under one setting and compute under another.
    #[must_use]
    pub(crate) fn with_money(self, money: Money, into: &Name, columns: &[String]) -> Self {
        const AS_PRINTED: &str = "SET LOCAL lc_monetary = 'C';";
        match money {
            Money::None => self,
            Money::Plain => Self {
                before: format!("{AS_PRINTED} {}", self.before),
                ..self
            },
            Money::Computed => {
                let (table, list) = (into.quoted(), quote_idents(columns));
                Self {
                    before: format!(
                        "{AS_PRINTED} {};
                         CREATE TEMPORARY TABLE lifeboat_row ON COMMIT DROP AS
                         SELECT {list} FROM ONLY {table} WITH NO DATA;",
                        self.before
                    ),
                    sql: self.sql.replacen(&table, "pg_temp.lifeboat_row", 1),
                    after: format!(
                        "SET LOCAL lc_monetary TO DEFAULT;
                         INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE
                         SELECT {list} FROM pg_temp.lifeboat_row; {}",
                        self.after
                    ),
                    ..self
                }
            }
        }
    }
}

/// The end of what [`triggers_off`] began.
pub(crate) const TRIGGERS_ON: &str = "
  DO 'DECLARE t record;
      BEGIN
        FOR t IN SELECT * FROM pg_temp.lifeboat_trigger LOOP
          EXECUTE pg_catalog.format(''ALTER TABLE ONLY %s ENABLE %s TRIGGER %I'', t.tbl,
            CASE t.how WHEN ''A'' THEN ''ALWAYS'' WHEN ''R'' THEN ''REPLICA'' ELSE '''' END, t.name);
        END LOOP;
      END';";

/// Why a part was not loaded.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The rows do not belong into this partition (any more): they go through its root.
    WrongPartition(Error),
    /// The server met this transaction with another one; nothing was changed.
    TryAgain(Error),
    /// The connection is gone, maybe after COMMIT: the resume state says whether.
    Lost(Error),
    /// The server refuses these rows: this table cannot be loaded, others can.
    Rows(Error),
    /// Everything else: nothing more is loaded.
    Fatal(Error),
}

impl Failure {
    fn from_server(what: &str, error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let lost = pg_error(what, error);
            return Self::Lost(lost);
        };
        let code = said.code().code().to_owned();
        // Only a CHECK constraint's violation comes with the constraint's name.
        let partition = code == "23514" && said.constraint().is_none();
        // A function of the database may raise any error: it is about these rows, whatever it says.
        let is_raised = said.routine() == Some("exec_stmt_raise");
        let error = pg_error(what, error);
        match code.as_str() {
            _ if is_raised => Self::Rows(error),
            "23514" if partition => Self::WrongPartition(error),
            "40001" | "40P01" | "55P03" => Self::TryAgain(error),
            _ if code.starts_with("08") || code.starts_with("57") => Self::Lost(error),
            // Disk full, out of memory, internal errors: the next table would meet them too.
            _ if code.starts_with("53") || code.starts_with("58") || code.starts_with("XX") => {
                Self::Fatal(error)
            }
            _ => Self::Rows(error),
        }
    }
}

/// Loads one part and records it. Counts and sizes are compared with the signed part list before
/// the transaction commits.
pub(crate) async fn load_part(
    session: &Session,
    state: &ResumeState,
    to: &Destination,
    number: u64,
    part: &Part,
    open: Open,
) -> Result<(), Failure> {
    let what = format!("cannot load {} into {}", part.object.key, to.what);
    let load = async {
        let loaded = LoadedPart {
            digest: copy_part(session, to, part, open, &what).await?,
            through_root: to.through_root,
        };
        let record = state.record_part_sql(to.table_oid, number, &loaded);
        let sql = format!("{}{record}; COMMIT", to.after);
        let committed = session.client().batch_execute(&sql).await;
        committed.map_err(|error| Failure::from_server(&what, error))?;
        state.part_committed(to.table_oid, number, loaded);
        Ok(())
    };
    let done = load.await;
    if done.is_err() && !session.is_closed() {
        // Where this fails the session is unusable, and the next use of it says so.
        let _ = session.client().batch_execute("ROLLBACK").await;
    }
    done
}

async fn copy_part(
    session: &Session,
    to: &Destination,
    part: &Part,
    open: Open,
    what: &str,
) -> Result<RowDigest, Failure> {
    let failed = |error| Failure::from_server(what, error);
    session
        .client()
        .batch_execute(&format!("BEGIN; {READ_TEXT} {}", to.before))
        .await
        .map_err(failed)?;
    let sink: CopyInSink<Bytes> = session.client().copy_in(&to.sql).await.map_err(failed)?;
    let mut sink = Box::pin(sink);
    let (blocks, mut arriving) = mpsc::channel::<Bytes>(BLOCKS);
    let listed = Listed::from(part);
    let reader = tokio::task::spawn_blocking(move || send_rows(open, listed, &blocks));
    let mut refused = None;
    while let Some(block) = arriving.recv().await {
        if let Err(error) = sink.send(block).await {
            refused = Some(error);
            break;
        }
    }
    drop(arriving);
    let read = reader
        .await
        .context(|| what.to_owned())
        .and_then(|read| read);
    if refused.is_some() {
        // The server ended the COPY: its own words come with the end of the stream.
        let why = sink.as_mut().finish().await.err().or(refused);
        return Err(why.map_or_else(|| Failure::Fatal(Error::failed(what)), failed));
    }
    // Without finish() the COPY is aborted.
    let digest = read.context(|| what.to_owned()).map_err(Failure::Fatal)?;
    let rows = sink.as_mut().finish().await.map_err(failed)?;
    if rows != part.rows {
        return Err(Failure::Fatal(Error::damaged(format!(
            "{}: the part list says {} rows, the server took {rows}",
            part.object.key, part.rows
        ))));
    }
    Ok(digest)
}

/// Hands the rows on in blocks, cut anywhere.
fn send_rows(open: Open, listed: Listed, blocks: &mpsc::Sender<Bytes>) -> Result<RowDigest> {
    read_rows(open()?, listed, BLOCK_BYTES, |block| {
        let sent = blocks.blocking_send(std::mem::take(block).into());
        // The other end has a better reason than ours.
        sent.map_err(|_| Error::failed("loading stopped"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_from_which_money_is_computed_take_two_steps() {
        let name = Name {
            schema: "s".to_owned(),
            name: "t".to_owned(),
        };
        let columns = ["m".to_owned()];
        let direct = Destination {
            table_oid: 1,
            sql: copy_in(&name, &columns, "UTF8"),
            before: String::new(),
            after: "after;".to_owned(),
            what: String::new(),
            through_root: false,
        };
        let of = |money| direct.clone().with_money(money, &name, &columns);
        assert_eq!(of(Money::None), direct);
        assert_eq!(of(Money::Plain).sql, direct.sql);
        let computed = of(Money::Computed);
        assert!(
            computed
                .sql
                .starts_with("COPY pg_temp.lifeboat_row (\"m\") FROM")
        );
        let insert = "INSERT INTO \"s\".\"t\" (\"m\") ";
        assert!(computed.after.contains(insert) && computed.after.ends_with("after;"));
    }

    #[test]
    fn a_table_without_columns_takes_no_list() {
        let name = Name {
            schema: "s".to_owned(),
            name: "t\"".to_owned(),
        };
        assert_eq!(
            copy_in(&name, &[], "UTF8"),
            "COPY \"s\".\"t\"\"\" FROM STDIN WITH (ENCODING 'UTF8')"
        );
        assert_eq!(
            copy_in(&name, &["a b".to_owned(), "c".to_owned()], "LATIN1"),
            "COPY \"s\".\"t\"\"\" (\"a b\", \"c\") FROM STDIN WITH (ENCODING 'LATIN1')"
        );
    }
}
