//! What a database holds, asked by psql alone: no digest of ours, no code of ours.

use std::path::Path;
use std::process::Command;

use crate::support::Database;

/// Begins a section; nothing that COPY prints begins so, as rows hold no such two characters.
const SECTION: &str = "\u{1}\u{2}";

/// Rows of every table in their text's order, leaves of hash partitions by their root: by an enum
/// rows change places. Then sequences, large objects, and definitions that decide what rows mean.
const QUESTIONS: &str = r#"
SET search_path = ''; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption = 'content';
WITH names AS (
  SELECT c.oid, c.relkind, c.relispartition, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
         EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) AS up(oid)
                   JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = up.oid
                  WHERE p.partstrat = 'h') AS hashed,
         (SELECT pg_catalog.array_agg(pg_catalog.quote_ident(attname) ORDER BY attname COLLATE pg_catalog."C")
            FROM pg_catalog.pg_attribute
           WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
SELECT pg_catalog.format('SELECT %L, %L, pg_catalog.count(*) FROM %s %s',
                         pg_catalog.chr(1) || pg_catalog.chr(2), pg_catalog.replace(name, E'\n', '?'),
                         CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY' END, name),
       pg_catalog.format('COPY (SELECT %s FROM %s %s%s) TO STDOUT',
                         pg_catalog.array_to_string(columns, ', '),
                         CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY' END, name,
                         (SELECT ' ORDER BY ' || pg_catalog.string_agg(one || '::pg_catalog.text COLLATE pg_catalog."C"', ', ' ORDER BY at)
                            FROM pg_catalog.unnest(columns) WITH ORDINALITY AS u(one, at)))
  FROM names WHERE relkind = 'p' OR NOT (relispartition AND hashed) ORDER BY name COLLATE pg_catalog."C"
\gexec
SELECT pg_catalog.chr(1) || pg_catalog.chr(2), 'sequences';
SELECT pg_catalog.format('SELECT %L, last_value, is_called FROM %I.%I', pg_catalog.quote_ident(sequencename), schemaname, sequencename)
  FROM pg_catalog.pg_sequences ORDER BY schemaname COLLATE pg_catalog."C", sequencename COLLATE pg_catalog."C"
\gexec
SELECT to_jsonb(s) - 'last_value' FROM pg_catalog.pg_sequences s
 ORDER BY schemaname COLLATE pg_catalog."C", sequencename COLLATE pg_catalog."C";
SELECT pg_catalog.chr(1) || pg_catalog.chr(2), 'large objects';
SELECT oid, pg_catalog.md5(pg_catalog.lo_get(oid)) FROM pg_catalog.pg_largeobject_metadata ORDER BY oid;
SELECT pg_catalog.chr(1) || pg_catalog.chr(2), 'definitions';
SELECT pg_catalog.format('%I.%I', nspname, relname), relkind, relpersistence, relispartition, reloptions,
       attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, collname,
       pg_catalog.pg_get_expr(adbin, adrelid)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
  JOIN pg_catalog.pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_catalog.pg_attrdef ON adrelid = c.oid AND adnum = attnum
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = attcollation
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind NOT IN ('S', 'i', 'I')
 ORDER BY nspname COLLATE pg_catalog."C", relname COLLATE pg_catalog."C", attname COLLATE pg_catalog."C";
SELECT conrelid::pg_catalog.regclass, conname, pg_catalog.pg_get_constraintdef(oid), condeferrable, convalidated
  FROM pg_catalog.pg_constraint WHERE connamespace >= 16384 AND contype <> 'n' AND conparentid = 0
 ORDER BY conrelid::pg_catalog.regclass::pg_catalog.text COLLATE pg_catalog."C", conname COLLATE pg_catalog."C";
SELECT pg_catalog.pg_get_indexdef(indexrelid), indisvalid
  FROM pg_catalog.pg_index JOIN pg_catalog.pg_class ON oid = indexrelid WHERE relnamespace >= 16384
 ORDER BY pg_catalog.pg_get_indexdef(indexrelid) COLLATE pg_catalog."C";
"#;

/// Runs a script in psql and returns what it prints, in the database's own bytes.
pub fn psql(database: &Database, script: &Path, encoding: &str) -> Vec<u8> {
    let output = Command::new(database.major.bin().join("psql"))
        .args([
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &database.url(),
            "-f",
        ])
        .arg(script)
        .env("PGCLIENTENCODING", encoding)
        .env("PGOPTIONS", "-c client_min_messages=error -c TimeZone=UTC")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "psql: {}",
        said.chars().take(3000).collect::<String>()
    );
    output.stdout
}

/// All that the database holds, in sections.
pub fn fingerprint(database: &Database, folder: &Path) -> Vec<String> {
    let script = folder.join(format!("{}.sql", database.name));
    std::fs::write(&script, QUESTIONS).unwrap();
    let encoding = database.sql("SHOW server_encoding");
    let text: String = psql(database, &script, &encoding)
        .escape_ascii()
        .to_string()
        .replace("\\n", "\n");
    let begins = SECTION.as_bytes().escape_ascii().to_string();
    text.split(&format!("{begins}|"))
        .map(str::to_owned)
        .collect()
}

/// The first section that differs, cut to its first different lines.
pub fn first_difference(source: &[String], restored: &[String]) -> Option<String> {
    let none = String::new();
    (0..source.len().max(restored.len())).find_map(|at| {
        let one = source.get(at).unwrap_or(&none);
        let two = restored.get(at).unwrap_or(&none);
        if one == two {
            return None;
        }
        let (mut ones, mut twos) = (one.lines(), two.lines());
        let title = one.lines().next().unwrap_or("(no section)");
        loop {
            let (a, b) = (ones.next(), twos.next());
            if a != b {
                let short = |line: Option<&str>| {
                    line.map_or_else(
                        || "(nothing)".to_owned(),
                        |text| text.chars().take(400).collect(),
                    )
                };
                return Some(format!(
                    "in {title}:\n  source   {}\n  restored {}",
                    short(a),
                    short(b)
                ));
            }
        }
    })
}
