//! Values of regclass and its like name objects. One whose object is gone prints as its bare number, and is
//! loaded as such: on another server the number may be some other object's, and prints as that one's name.
//! The value is the same, and its row reads otherwise.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read};

use crate::compute;
use crate::error::{Error, Result};
use crate::escape;
use crate::model::catalog::Table;
use crate::model::digest::RowDigest;
use crate::model::finding::Finding;
use crate::pg::session::Session;
use crate::pg::source::slice;
use crate::pg::target::read_back;
use crate::restore::run::{Inputs, Run};

/// More different rows with numbers are not kept in memory.
const MAX_ROWS: usize = 500_000;
/// Each of them may be a number or a name: a row of so many reads in 16 ways.
const MAX_COLUMNS: usize = 4;

/// Compares the rows of a table once more, whose rows were `found` to read otherwise than they were exported:
/// with the numbers behind their names. A finding: they are the same then. `None`: they are not.
pub(super) async fn explain(
    run: &Run<'_>,
    session: &Session,
    table: &Table,
    found: RowDigest,
) -> Result<Option<Finding>> {
    if !table.has_reg_columns || found.rows != table.digest.rows {
        return Ok(None);
    }
    let reg = read_back::reg_columns(session, &table.name).await?;
    let columns = table.columns.iter().enumerate();
    let (places, names): (Vec<usize>, Vec<&String>) =
        columns.filter(|(_, name)| reg.contains(*name)).unzip();
    if places.len() > MAX_COLUMNS {
        let what = format!("more than {MAX_COLUMNS} of its columns name objects");
        return Err(Error::refused(what));
    }
    let mut exported = with_numbers(run.inputs, table, &places).await?;
    let rows: u64 = exported.values().sum();
    let sql = slice::copy_out_with_numbers(table, &names, &run.session.server_encoding);
    let what = format!("table {}", table.name);
    let mut digest = RowDigest::default();
    let add = |block: Vec<u8>| {
        for row in block.split_inclusive(|byte| *byte == b'\n') {
            digest.merge(as_exported(row, &places, &mut exported)?);
        }
        Ok(())
    };
    read_back::for_each_block(session, &sql, &what, add).await?;
    Ok((digest == table.digest).then(|| finding(table, &names, rows)))
}

fn finding(table: &Table, columns: &[&String], rows: u64) -> Finding {
    let columns: Vec<String> = columns.iter().map(|name| escape::name(name)).collect();
    let mut why = format!(
        "{rows} of its rows hold numbers of objects that were gone from the source, in {}; here some of these \
         numbers are other objects', and read as their names. Compared as numbers, all rows are those exported",
        columns.join(" or ")
    );
    if !table.generated.is_empty() {
        why.push_str("; its generated columns were not compared");
    }
    Finding::new(format!("table {}", table.name), why)
}

/// Digests of the exported rows that hold a bare number in one of these places, each with how many there
/// are.
async fn with_numbers(
    inputs: Inputs<'_>,
    table: &Table,
    places: &[usize],
) -> Result<HashMap<u128, u64>> {
    let mut exported = HashMap::new();
    let mut tables = inputs.point.manifest.tables.iter();
    let Some(parts) = tables.find(|one| one.oid == table.oid) else {
        return Ok(exported);
    };
    for part in inputs.point.parts(parts).await? {
        let part = part?;
        let stored = inputs.point.fetch(&part.object).await?;
        let plain = inputs.identities.open_compressed(stored)?;
        let places = places.to_vec();
        exported = compute::on_own_thread(move || {
            note_rows(plain.take(part.copy_bytes), &places, &mut exported).map(|()| exported)
        })
        .await??;
    }
    Ok(exported)
}

fn note_rows(rows: impl Read, places: &[usize], into: &mut HashMap<u128, u64>) -> Result<()> {
    let (mut rows, mut row) = (BufReader::new(rows), Vec::new());
    loop {
        row.clear();
        let read = rows.read_until(b'\n', &mut row);
        match read.map_err(|why| Error::damaged("a part does not read").because(why))? {
            0 => return Ok(()),
            _ if into.len() > MAX_ROWS => return Err(too_many_rows()),
            _ => {}
        }
        let has_number = places.iter().any(|place| {
            // In COPY text a tab or newline inside a value is written as \t or \n.
            let value = row.split(|byte| matches!(byte, b'\t' | b'\n')).nth(*place);
            value.is_some_and(|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit))
        });
        if has_number {
            *into.entry(digest_of(&row).sum).or_default() += 1;
        }
    }
}

fn too_many_rows() -> Error {
    let what = format!("more than {MAX_ROWS} of its rows hold such numbers");
    Error::refused(what)
}

fn digest_of(row: &[u8]) -> RowDigest {
    let mut digest = RowDigest::default();
    digest.add_row(row);
    digest
}

/// The digest of a row as it was exported, if one with numbers for some of its names was, and as it reads
/// otherwise. The numbers stand behind the row.
fn as_exported(
    row: &[u8],
    places: &[usize],
    exported: &mut HashMap<u128, u64>,
) -> Result<RowDigest> {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    let values: Vec<&[u8]> = row.split(|byte| *byte == b'\t').collect();
    let Some(stored) = values.len().checked_sub(places.len()) else {
        return Err(Error::failed("the server sent a row with too few columns"));
    };
    let (stored, numbers) = values.split_at(stored);
    for chosen in (0..1_usize << places.len()).rev() {
        let mut stored = stored.to_vec();
        for (at, (place, number)) in places.iter().zip(numbers).enumerate() {
            if chosen & (1 << at) != 0
                && let Some(value) = stored.get_mut(*place)
            {
                *value = number;
            }
        }
        let mut text = stored.join(&b'\t');
        text.push(b'\n');
        let digest = digest_of(&text);
        match exported.get_mut(&digest.sum) {
            Some(left) if *left > 0 => *left -= 1,
            // As it reads.
            _ if chosen == 0 => {}
            _ => continue,
        }
        return Ok(digest);
    }
    Err(Error::failed("a row reads in no way"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[&[u8]]) -> RowDigest {
        let mut digest = RowDigest::default();
        rows.iter().for_each(|row| {
            digest.add_row(row);
        });
        digest
    }

    #[test]
    fn a_row_is_taken_as_a_number_where_one_was_exported_and_no_oftener() {
        let rows: [&[u8]; 5] = [
            b"1\t16384\tx\n",
            b"1\tpublic.t\tx\n",
            b"2\t-\tx\n",
            b"3\t\\N\t7\n",
            b"4\t16390\tint4\n",
        ];
        let mut exported = HashMap::new();
        note_rows(&rows.concat()[..], &[1, 2], &mut exported).unwrap();
        assert_eq!(exported.len(), 3);
        // 16384 is public.t here.
        let read: [&[u8]; 5] = [
            b"1\tpublic.t\tx\t16384\t0\n",
            b"1\tpublic.t\tx\t16384\t0\n",
            b"2\t-\tx\t0\t0\n",
            b"3\t\\N\ty\t\\N\t7\n",
            b"4\tpublic.u\tint4\t16390\t23\n",
        ];
        let mut found = RowDigest::default();
        for row in read {
            found.merge(as_exported(row, &[1, 2], &mut exported).unwrap());
        }
        assert_eq!(found, digest(&rows));
        assert!(exported.values().all(|left| *left == 0));
        let more = as_exported(read[4], &[1, 2], &mut exported).unwrap();
        assert_eq!(more, digest(&[b"4\tpublic.u\tint4\n"]));
    }
}
