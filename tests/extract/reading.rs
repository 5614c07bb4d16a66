//! What is extracted, read by what reads such files, and compared with what PostgreSQL itself prints.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Database, Lifeboat};

/// Types whose values are JSON of their own, as `row_to_json` writes them: by their numbers in pg_type.
const JSON_TYPES: &str = "21, 23, 20, 700, 701, 1700, 16, 114, 3802";

/// As parts are printed.
const SETTINGS: &str = "SET search_path = ''; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC';
SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption = 'content';
SET row_security = off; SET quote_all_identifiers = off; SET array_nulls = on;\n";

pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text of the catalog as the bytes that it stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u32::from(c).checked_sub(0x0010_FE00) {
            Some(byte @ 128..=255) => bytes.push(byte as u8),
            _ => bytes.extend(c.to_string().as_bytes()),
        }
    }
    bytes
}

/// A table that was extracted, by names in SQL.
struct Table {
    name: String,
    leaves: Vec<String>,
    columns: Vec<String>,
}

impl Table {
    /// Of all rows.
    fn select(&self, columns: &str) -> String {
        let leaves = self.leaves.iter();
        let select = leaves.map(|leaf| format!("SELECT {columns} FROM ONLY {leaf}"));
        select.collect::<Vec<_>>().join(" UNION ALL ")
    }
}

pub struct Bench<'a> {
    pub source: &'a Database,
    pub lifeboat: &'a Lifeboat,
    pub id: &'a str,
}

impl Bench<'_> {
    /// Extracts every table in every format, and compares what PostgreSQL prints, and what it reads back. Returns how
    /// many files were compared.
    #[track_caller]
    pub fn compare_all(&self) -> usize {
        let catalog = self.lifeboat.catalog(self.id);
        let encoding = catalog["database"]["encoding"].as_str().unwrap();
        let groups = groups(&catalog);
        assert!(!groups.is_empty());
        let mut pairs = Vec::new();
        for format in ["copy", "csv", "jsonl"] {
            if format == "jsonl" && encoding != "UTF8" {
                continue;
            }
            let tables = self.extract(&groups, format);
            if format != "jsonl" {
                self.load(&tables, format, encoding);
            }
            let theirs = self.print(&tables, format, encoding);
            let alike = encoding == "UTF8";
            let files = tables.iter().zip(theirs);
            pairs.extend(files.map(|((_, ours), theirs)| json!([format, ours, theirs, alike])));
        }
        pairs.extend(self.load_sql(&groups, &catalog, encoding));
        let list = self.lifeboat.folder().join("pairs.json");
        fs::write(&list, json!(pairs).to_string()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/extract/compare.py");
        let output = Command::new("python3").arg(script).arg(&list).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let compared = String::from_utf8(output.stdout).unwrap();
        assert_eq!(compared.trim(), pairs.len().to_string());
        pairs.len()
    }

    /// Returns what was extracted, with the files.
    #[track_caller]
    fn extract(&self, groups: &Groups, format: &str) -> Vec<(Table, String)> {
        let folder = self.lifeboat.folder().join(format);
        let identity = self.lifeboat.identity();
        let mut args = vec!["extract", self.id, "--format", format, "-o"];
        args.extend([
            folder.to_str().unwrap(),
            "--identity",
            identity.to_str().unwrap(),
        ]);
        let tables: Vec<String> = groups.keys().map(sql_name).collect();
        args.extend(tables.iter().flat_map(|name| ["--table", name]));
        let report = self.lifeboat.run(args).ok().json()["result"].clone();
        let tables = report["tables"].as_array().unwrap();
        assert_eq!(tables.len(), groups.len());
        let extracted = tables.iter().map(|table| {
            assert_eq!(table["whole"], true, "{table}");
            let key = ["schema", "name"].map(|part| table[part].as_str().unwrap().to_owned());
            let columns = table["columns"].as_array().unwrap().iter();
            let name = sql_name(&key);
            let leaves = groups[&key].iter().map(sql_name).collect();
            let file = table["file"].as_str().unwrap().to_owned();
            let table = Table {
                name,
                leaves,
                columns: columns
                    .map(|one| one.as_str().unwrap().to_owned())
                    .collect(),
            };
            (table, file)
        });
        extracted.collect()
    }

    /// Stock psql reads the files into empty tables of the same types; a query finds the rows of the source there, each
    /// as often, and no other.
    #[track_caller]
    fn load(&self, tables: &[(Table, String)], format: &str, encoding: &str) {
        let mut script = SETTINGS.as_bytes().to_vec();
        script.extend(b"BEGIN; CREATE SCHEMA lifeboat_back;\n");
        let header = if encoding == "UTF8" { "MATCH" } else { "ON" };
        for (at, (table, file)) in tables.iter().enumerate() {
            if table.columns.is_empty() || is_beyond_psql(format, file) {
                continue;
            }
            let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
            let rows = table.select(&columns.join(", "));
            let options = match format {
                "csv" => format!("FORMAT csv, HEADER {header}, ENCODING '{encoding}'"),
                _ => format!("ENCODING '{encoding}'"),
            };
            let back = format!("lifeboat_back.t{at}");
            let [here, there] = [&format!("TABLE {back}"), &rows].map(|rows| {
                format!(
                    r#"(SELECT all_of_it::text COLLATE pg_catalog."C" FROM ({rows}) all_of_it)"#
                )
            });
            let statements = format!(
                r"CREATE TABLE {back} AS SELECT * FROM ({rows}) q WITH NO DATA;
                \copy {back} FROM '{file}' WITH ({options})
                SELECT 1 / (count(*) = 0)::int FROM (({here} EXCEPT ALL {there}) UNION ALL ({there} EXCEPT ALL {here})) q;
                "
            );
            script.extend(bytes(&statements));
        }
        script.extend(b"ROLLBACK;\n");
        self.psql(self.source, &script, names_in(encoding));
    }

    /// The same rows as the server prints them.
    fn print(&self, tables: &[(Table, String)], format: &str, encoding: &str) -> Vec<PathBuf> {
        let folder = tempfile::tempdir_in(self.lifeboat.folder()).unwrap().keep();
        let own_json = match format {
            "jsonl" => self.json_columns(),
            _ => BTreeSet::new(),
        };
        let files: Vec<PathBuf> = (0..tables.len())
            .map(|at| folder.join(at.to_string()))
            .collect();
        let mut script = SETTINGS.as_bytes().to_vec();
        for ((table, _), file) in tables.iter().zip(&files) {
            let columns = table.columns.iter().map(|name| {
                let name = quoted(name);
                match format {
                    "jsonl" if !own_json.contains(&(table.name.clone(), name.clone())) => format!(
                        "CASE WHEN {name} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {name}) END AS {name}"
                    ),
                    _ => name,
                }
            });
            let columns = columns.collect::<Vec<_>>().join(", ");
            let select = table.select(&columns);
            let statement = match format {
                "jsonl" => format!(
                    r"COPY (SELECT pg_catalog.translate(pg_catalog.row_to_json(all_of_it)::text, E'\n\r', '  ') FROM ({select}) all_of_it) TO STDOUT"
                ),
                "csv" => format!(
                    "COPY ({select}) TO STDOUT WITH (FORMAT csv, HEADER, ENCODING '{encoding}')"
                ),
                _ => format!("COPY ({select}) TO STDOUT WITH (ENCODING '{encoding}')"),
            };
            script.extend(bytes(&statement));
            script.extend(format!(" \\g '{}'\n", file.display()).as_bytes());
        }
        self.psql(self.source, &script, names_in(encoding));
        files
    }

    fn json_columns(&self) -> BTreeSet<(String, String)> {
        // By COPY, which doubles backslashes: psql leaves U+10FFFF out of what it prints itself.
        let text = self.source.sql(&format!(
            "COPY (SELECT json_agg(json_build_array(nspname, relname, attname))
               FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
               JOIN pg_namespace n ON n.oid = relnamespace WHERE atttypid IN ({JSON_TYPES})) TO STDOUT"
        ));
        let text = text.replace(r"\\", r"\");
        let columns: Vec<[String; 3]> = serde_json::from_str(&text).unwrap();
        let columns = columns.into_iter();
        let named = columns.map(|[schema, table, column]| {
            let name = sql_name(&[schema, table]);
            (name, quoted(&column))
        });
        named.collect()
    }

    /// Tables of PostgreSQL's own types, in a database that has nothing: psql makes and fills them.
    #[track_caller]
    fn load_sql(&self, groups: &Groups, catalog: &Value, encoding: &str) -> Vec<Value> {
        let mut own_types = BTreeSet::new();
        for table in catalog["columns_full"].as_array().into_iter().flatten() {
            let mut columns = table["columns"].as_array().unwrap().iter();
            let own = |part: &Value| part.as_str().is_some_and(|text| text.contains('.'));
            let is_plain = !columns.any(|one| {
                let collation = one["collation"].as_str().unwrap_or_default();
                own(&one["type"])
                    || !(collation.is_empty()
                        || collation == "\"C\""
                        || collation == "pg_catalog.\"C\"")
            });
            if is_plain {
                let part = |part: &str| table[part].as_str().unwrap().to_owned();
                own_types.insert([part("schema"), part("name")]);
            }
        }
        let mut groups = groups.clone();
        groups.retain(|name, _| own_types.contains(name));
        // Values that name objects need them.
        for table in catalog["tables"].as_array().unwrap() {
            if table["has_reg_columns"] == true {
                let part = |part: &str| table[part].as_str().unwrap().to_owned();
                groups.remove(&[part("schema"), part("name")]);
            }
        }
        assert!(!groups.is_empty());
        let mut tables = self.extract(&groups, "sql");
        let kind = format!("TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
        let fresh = Database::with(self.source.major, &kind);
        psql_files(&fresh, tables.iter().map(|(_, file)| file), "UTF8");
        let theirs = self.print(&tables, "copy", encoding);
        for (table, _) in &mut tables {
            table.leaves = vec![table.name.clone()];
        }
        let fresh = Bench {
            source: &fresh,
            ..*self
        };
        let ours = fresh.print(&tables, "copy", encoding).into_iter();
        let pairs = ours.zip(theirs);
        let pairs = pairs.map(|(ours, theirs)| json!(["copy", ours, theirs, true]));
        pairs.collect()
    }

    #[track_caller]
    fn psql(&self, database: &Database, script: &[u8], encoding: &str) {
        let file = self.lifeboat.folder().join("script.sql");
        fs::write(&file, script).unwrap();
        psql_file(database, &file, encoding);
    }
}

#[track_caller]
pub fn psql_file(database: &Database, file: &Path, encoding: &str) {
    psql_files(database, [file], encoding);
}

/// In one session, up to the first error.
#[track_caller]
fn psql_files(
    database: &Database,
    files: impl IntoIterator<Item = impl AsRef<OsStr>>,
    encoding: &str,
) {
    let mut psql = Command::new(database.major.bin().join("psql"));
    psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &database.url()])
        .env("PGCLIENTENCODING", encoding)
        .env("PGOPTIONS", "-c client_min_messages=error");
    for file in files {
        psql.arg("-f").arg(file);
    }
    let output = psql.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.chars().take(3000).collect();
    assert!(output.status.success(), "{said}");
}

/// Up to version 17, PostgreSQL ends CSV at a line `\.`, even within quotes.
fn is_beyond_psql(format: &str, file: &str) -> bool {
    let bytes = fs::read(file).unwrap();
    format == "csv"
        && bytes
            .split(|byte| *byte == b'\n')
            .any(|line| line == b"\\.")
}

/// What names of the catalog are written in.
fn names_in(encoding: &str) -> &str {
    match encoding {
        "SQL_ASCII" => encoding,
        _ => "UTF8",
    }
}

fn sql_name([schema, name]: &[String; 2]) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// What is chosen by its name, and the tables below it: itself or its partitions.
type Groups = BTreeMap<[String; 2], Vec<[String; 2]>>;

fn groups(catalog: &Value) -> Groups {
    let mut groups = Groups::new();
    for table in catalog["tables"].as_array().unwrap() {
        let name =
            |of: &Value| ["schema", "name"].map(|part| of[part].as_str().unwrap().to_owned());
        if !table["condition"].is_null() {
            continue;
        }
        let root = match &table["root"] {
            Value::Null => name(table),
            root => name(root),
        };
        groups.entry(root).or_default().push(name(table));
    }
    groups
}
