//! A case as a script for psql.

use super::schema::{Column, Key, Row, Schema, Sequence, Shape, Table, Use};
use super::text::{ident, literal};
use super::types::{Offer, value};

/// Everything that makes the schema.
pub fn script(schema: &Schema, offer: Offer) -> String {
    let own = &schema.types;
    let name = ident(&schema.name);
    let labels: Vec<String> = own.labels.iter().map(|label| literal(label)).collect();
    let mut out = format!(
        "CREATE SCHEMA {name};\n\
         CREATE TYPE {mood} AS ENUM ({labels});\n\
         CREATE TYPE {pair} AS (a text, b integer, c {mood});\n\
         CREATE DOMAIN {short} AS varchar(8) DEFAULT 'd' CHECK (length(VALUE) < 9);\n\
         CREATE DOMAIN {list} AS integer[] CHECK (coalesce(array_ndims(VALUE), 1) = 1);\n\
         CREATE TYPE {span} AS RANGE (subtype = text, collation = \"C\");\n",
        mood = own.mood,
        pair = own.pair,
        short = own.short,
        list = own.list,
        span = own.span,
        labels = labels.join(", "),
    );
    for sequence in &schema.sequences {
        out += &sequence_script(&name, sequence);
    }
    let mut keyed = None;
    for table in &schema.tables {
        let writer = Writer {
            name: format!("{name}.{}", ident(&table.name)),
            schema: &name,
            mood: &own.mood,
            labels: &own.labels,
            table,
            offer,
        };
        out += &writer.script(keyed.as_deref());
        if table.key != Key::None && table.shape == Shape::Plain && !table.options.unlogged {
            keyed = Some(writer.name);
        }
    }
    for object in &schema.large_objects {
        let hex: String = object.iter().map(|byte| format!("{byte:02x}")).collect();
        out += &format!("SELECT lo_from_bytea(0, '\\x{hex}');\n");
    }
    let first = schema
        .tables
        .iter()
        .find(|table| table.shape != Shape::Empty);
    if let (Some(table), true) = (first, schema.materialized_view) {
        out += &format!(
            "CREATE MATERIALIZED VIEW {name}.filled AS SELECT part, count(*) FROM {name}.{} GROUP BY 1;\n",
            ident(&table.name)
        );
    }
    out
}

fn sequence_script(schema: &str, sequence: &Sequence) -> String {
    let name = format!("{schema}.{}", ident(&sequence.name));
    let (low, high) = sequence.range;
    let cycle = if sequence.cycle { "CYCLE" } else { "NO CYCLE" };
    let mut out = format!(
        "CREATE SEQUENCE {name} AS {} INCREMENT BY {} MINVALUE {low} MAXVALUE {high} START WITH {} {cycle};\n",
        sequence.kind, sequence.step, sequence.start,
    );
    if let Some((at, called)) = sequence.set {
        out += &format!("SELECT setval({}, {at}, {called});\n", literal(&name));
    }
    out
}

/// One table and what lies below it.
struct Writer<'a> {
    /// Quoted, with the schema.
    name: String,
    schema: &'a str,
    mood: &'a str,
    labels: &'a [String],
    table: &'a Table,
    offer: Offer,
}

impl Writer<'_> {
    fn script(&self, keyed: Option<&str>) -> String {
        let table = self.table;
        let name = &self.name;
        if table.shape == Shape::Empty {
            let insert = format!("INSERT INTO {name} DEFAULT VALUES;\n");
            return format!(
                "CREATE TABLE {name} ();\n{}",
                insert.repeat(table.rows.len())
            );
        }
        let mut out = self.create();
        let (early, late) = table.rows.split_at(table.rows.len() / 2);
        out += &self.insert(early);
        let options = &table.options;
        if options.dropped {
            out += &format!("ALTER TABLE {name} DROP COLUMN gone;\n");
        }
        if let Some((kind, default)) = &options.added {
            let default = value(default.as_ref());
            out += &format!(
                "ALTER TABLE {name} ADD COLUMN added {} DEFAULT {default};\n",
                kind.sql
            );
        }
        out += &self.insert(late);
        if options.updated {
            out += &format!("UPDATE {name} SET part = part + 1 WHERE part % 3 = 0;\n");
        }
        if options.deleted {
            out += &format!("DELETE FROM {name} WHERE part % 4 = 1;\n");
        }
        out += &self.indexes();
        if let (Some(keyed), true) = (keyed, options.refers && self.may_refer()) {
            let deferred = if options.deferred {
                "DEFERRABLE INITIALLY DEFERRED"
            } else {
                ""
            };
            out += &format!(
                "ALTER TABLE {name} ADD COLUMN ref bigint;\n\
                 UPDATE {name} SET ref = (SELECT min(id) FROM {keyed}) WHERE part > 2;\n\
                 ALTER TABLE {name} ADD FOREIGN KEY (ref) REFERENCES {keyed} (id) {deferred};\n"
            );
        }
        if options.vacuumed {
            out += &format!("VACUUM (ANALYZE) {name};\n");
        }
        out
    }

    /// The parent's foreign key would say nothing of its children.
    fn may_refer(&self) -> bool {
        !matches!(self.table.shape, Shape::Inherited { .. })
    }

    fn is_partitioned(&self) -> bool {
        matches!(
            self.table.shape,
            Shape::List { .. } | Shape::Range { .. } | Shape::Hash { .. }
        )
    }

    fn by_enum(&self) -> bool {
        self.table.shape == Shape::Hash { by_enum: true }
    }

    /// Definitions of columns; those of a turned child come the other way round.
    fn columns(&self, turned: bool) -> Vec<String> {
        let mut columns =
            vec!["part integer CONSTRAINT part_is_small CHECK (part < 100)".to_owned()];
        if let Some(key) = self.key() {
            columns.push(key);
        }
        if self.by_enum() {
            columns.push(format!("by_enum {}", self.mood));
        }
        if self.table.options.dropped {
            columns.push("gone text DEFAULT 'gone'".to_owned());
        }
        for (at, column) in self.table.columns.iter().enumerate() {
            let default = column.default.as_ref();
            let default =
                default.map_or_else(String::new, |text| format!(" DEFAULT {}", literal(text)));
            let full = self.table.rows.iter().all(|row| row.values[at].is_some());
            let not_null = if full && self.table.options.not_null {
                " NOT NULL"
            } else {
                ""
            };
            columns.push(format!(
                "{} {}{default}{not_null}",
                ident(&column.name),
                column.kind.sql
            ));
        }
        if self.table.options.generated {
            let virtually = self.offer.major >= 18 && self.table.options.updated;
            let kept = if virtually { "VIRTUAL" } else { "STORED" };
            columns.push(format!(
                "twice integer GENERATED ALWAYS AS (part * 2) {kept}"
            ));
            if let (Some(column), false) = (self.table.columns.first(), virtually) {
                let of = ident(&column.name);
                columns.push(format!(
                    "is_null boolean GENERATED ALWAYS AS ({of} IS NULL) STORED"
                ));
            }
        }
        if turned {
            columns.reverse();
        }
        columns
    }

    /// Partitions and children have no identity of their own.
    fn key(&self) -> Option<String> {
        if self.table.shape != Shape::Plain {
            return None;
        }
        match self.table.key {
            Key::None => None,
            Key::Serial => Some("id bigserial PRIMARY KEY".to_owned()),
            Key::Always => Some("id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY".to_owned()),
            Key::ByDefault { start, step } => Some(format!(
                "id integer GENERATED BY DEFAULT AS IDENTITY (START WITH {start} MINVALUE -1000 INCREMENT BY {step}) UNIQUE"
            )),
        }
    }

    fn create(&self) -> String {
        let options = &self.table.options;
        let unlogged = if options.unlogged && !self.is_partitioned() {
            "UNLOGGED "
        } else {
            ""
        };
        let with = if options.fillfactor && !self.is_partitioned() {
            " WITH (fillfactor = 40)"
        } else {
            ""
        };
        let by = match self.table.shape {
            Shape::List { .. } => " PARTITION BY LIST (part)",
            Shape::Range { .. } => " PARTITION BY RANGE (part)",
            Shape::Hash { by_enum: true } => " PARTITION BY HASH (by_enum)",
            Shape::Hash { by_enum: false } => " PARTITION BY HASH (part)",
            _ => "",
        };
        let mut out = format!(
            "CREATE {unlogged}TABLE {} ({}){by}{with};\n",
            self.name,
            self.columns(false).join(", ")
        );
        match self.table.shape {
            Shape::Plain | Shape::Empty => {}
            Shape::Inherited { turned: false } => {
                let (child, parent) = (self.below("child"), &self.name);
                out +=
                    &format!("CREATE TABLE {child} (more text DEFAULT 'm') INHERITS ({parent});\n");
            }
            Shape::Inherited { turned: true } => {
                out += &self.table_below("child");
                out += &format!(
                    "ALTER TABLE {} INHERIT {};\n",
                    self.below("child"),
                    self.name
                );
            }
            Shape::List { turned } => {
                out += &self.leaf("a", "FOR VALUES IN (0, 1)", turned);
                out += &self.leaf("b", "FOR VALUES IN (2, NULL, 7)", false);
                out += &self.leaf("c", "DEFAULT", turned);
            }
            Shape::Range { turned } => {
                let (middle, name) = (self.below("m"), &self.name);
                out += &self.leaf("a", "FOR VALUES FROM (MINVALUE) TO (0)", turned);
                out += &format!(
                    "CREATE TABLE {middle} PARTITION OF {name} FOR VALUES FROM (0) TO (4) PARTITION BY HASH (part);\n"
                );
                for rest in 0..2 {
                    let leaf = self.below(&format!("m{rest}"));
                    out += &format!(
                        "CREATE TABLE {leaf} PARTITION OF {middle} FOR VALUES WITH (MODULUS 2, REMAINDER {rest});\n"
                    );
                }
                out += &self.leaf("z", "DEFAULT", false);
            }
            Shape::Hash { .. } => {
                for rest in 0..3 {
                    let bound = format!("FOR VALUES WITH (MODULUS 3, REMAINDER {rest})");
                    out += &self.leaf(&format!("h{rest}"), &bound, false);
                }
            }
        }
        out
    }

    /// A table that belongs to this one.
    fn below(&self, suffix: &str) -> String {
        let number: String = self.table.name.chars().take(2).collect();
        format!(
            "{}.{}",
            self.schema,
            ident(&format!("below {number} {suffix}"))
        )
    }

    fn table_below(&self, suffix: &str) -> String {
        format!(
            "CREATE TABLE {} ({});\n",
            self.below(suffix),
            self.columns(true).join(", ")
        )
    }

    fn leaf(&self, suffix: &str, bound: &str, turned: bool) -> String {
        let (leaf, name) = (self.below(suffix), &self.name);
        if turned {
            let table = self.table_below(suffix);
            return format!("{table}ALTER TABLE {name} ATTACH PARTITION {leaf} {bound};\n");
        }
        format!("CREATE TABLE {leaf} PARTITION OF {name} {bound};\n")
    }

    /// Rows into the table; every second one of a parent into its child.
    fn insert(&self, rows: &[Row]) -> String {
        let inherited = matches!(self.table.shape, Shape::Inherited { .. });
        let mut out = String::new();
        let mut names = vec!["part".to_owned()];
        if self.by_enum() {
            names.push("by_enum".to_owned());
        }
        names.extend(
            self.table
                .columns
                .iter()
                .map(|column: &Column| ident(&column.name)),
        );
        for (at, row) in rows.iter().enumerate() {
            let part = row
                .part
                .map_or_else(|| "NULL".to_owned(), |part| part.to_string());
            let mut values = vec![part];
            if self.by_enum() {
                values.push(literal(&self.labels[at % self.labels.len()]));
            }
            values.extend(row.values.iter().map(|text| value(text.as_ref())));
            let into = if inherited && at % 2 == 1 {
                self.below("child")
            } else {
                self.name.clone()
            };
            out += &format!(
                "INSERT INTO {into} ({}) VALUES ({});\n",
                names.join(", "),
                values.join(", ")
            );
        }
        out
    }

    fn indexes(&self) -> String {
        let mut out = String::new();
        for column in &self.table.columns {
            let (name, on) = (ident(&column.name), &self.name);
            let index = match column.index {
                None => continue,
                Some(Use::Plain) => format!("({name})"),
                Some(Use::Descending) => format!("({name} DESC NULLS LAST)"),
                Some(Use::Covering) => format!("({name}) INCLUDE (part)"),
                Some(Use::Partial) => format!("({name}) WHERE part > 0"),
                Some(Use::Expression) => format!("(({name} IS NULL))"),
            };
            out += &format!("CREATE INDEX ON {on} {index};\n");
        }
        out
    }
}
