//! One case: a schema with types, tables of every shape, rows, sequences and large objects.

use std::ops::Range;

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::text::{self, ident, numbered};
use super::types::{self, Kind, Offer, Own};

#[derive(Debug, Clone)]
pub struct Schema {
    /// Unquoted.
    pub name: String,
    pub types: Own,
    pub tables: Vec<Table>,
    pub sequences: Vec<Sequence>,
    pub large_objects: Vec<Vec<u8>>,
    pub materialized_view: bool,
}

#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub shape: Shape,
    pub key: Key,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// Rows without a single column.
    Empty,
    /// A child made with its parent, or attached with its columns the other way round.
    Inherited {
        turned: bool,
    },
    List {
        turned: bool,
    },
    /// One of its partitions is partitioned by hash.
    Range {
        turned: bool,
    },
    /// By an enum rows change places, as its values' OIDs do.
    Hash {
        by_enum: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    None,
    Serial,
    Always,
    ByDefault { start: i32, step: i32 },
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub default: Option<String>,
    pub index: Option<Use>,
}

/// How an index uses a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Plain,
    Descending,
    Covering,
    Partial,
    Expression,
}

#[derive(Debug, Clone)]
pub struct Row {
    /// What partitions and changes go by.
    pub part: Option<i32>,
    pub values: Vec<Option<String>>,
}

/// What else happens to a table.
#[derive(Debug, Clone)]
pub struct Options {
    pub unlogged: bool,
    pub fillfactor: bool,
    pub not_null: bool,
    pub generated: bool,
    /// A column dropped when half of the rows are there.
    pub dropped: bool,
    /// A column added then, with a default that no row stores.
    pub added: Option<(Kind, Option<String>)>,
    pub updated: bool,
    pub deleted: bool,
    pub vacuumed: bool,
    /// A foreign key to an earlier table with a key.
    pub refers: bool,
    pub deferred: bool,
}

#[derive(Debug, Clone)]
pub struct Sequence {
    pub name: String,
    pub kind: &'static str,
    pub step: i32,
    pub range: (i32, i32),
    pub start: i32,
    pub cycle: bool,
    pub set: Option<(i32, bool)>,
}

fn column(number: usize, offer: Offer, kinds: Vec<Kind>) -> impl Strategy<Value = Column> {
    const USES: [Use; 5] = [
        Use::Plain,
        Use::Descending,
        Use::Covering,
        Use::Partial,
        Use::Expression,
    ];
    let name = text::name(offer.charset);
    (name, select(kinds), weighted(0.3, select(&USES[..]))).prop_flat_map(
        move |(name, kind, wanted)| {
            let default = weighted(0.2, kind.values.clone());
            default.prop_map(move |default| Column {
                name: numbered("c", number, &name),
                index: wanted.filter(|wanted| kind.indexable || *wanted == Use::Expression),
                kind: kind.clone(),
                default,
            })
        },
    )
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        8 => Just(Shape::Plain),
        1 => Just(Shape::Empty),
        2 => any::<bool>().prop_map(|turned| Shape::Inherited { turned }),
        2 => any::<bool>().prop_map(|turned| Shape::List { turned }),
        2 => any::<bool>().prop_map(|turned| Shape::Range { turned }),
        2 => any::<bool>().prop_map(|by_enum| Shape::Hash { by_enum }),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        Just(Key::None),
        Just(Key::Serial),
        Just(Key::Always),
        (-100..100, 1..9).prop_map(|(start, step)| Key::ByDefault { start, step }),
    ]
}

fn options(kinds: Vec<Kind>) -> impl Strategy<Value = Options> {
    let added = select(kinds).prop_flat_map(|kind| {
        // Where it is kept for the rows that are there already nothing is moved out of line.
        let default = kind
            .values
            .clone()
            .prop_map(|text| Some(text).filter(|text| text.len() < 1000));
        (Just(kind), default)
    });
    let flags = any::<[bool; 11]>();
    (flags, weighted(0.5, added), 0..8).prop_map(|(flags, added, unlogged)| {
        let [
            fillfactor,
            not_null,
            generated,
            dropped,
            updated,
            deleted,
            vacuumed,
            refers,
            deferred,
            ..,
        ] = flags;
        Options {
            unlogged: unlogged == 0,
            fillfactor,
            not_null,
            generated,
            dropped,
            added,
            updated,
            deleted,
            vacuumed,
            refers,
            deferred,
        }
    })
}

const ROWS: Range<usize> = 0..24;

fn table(number: usize, offer: Offer, kinds: Vec<Kind>) -> impl Strategy<Value = Table> {
    let columns = (0_usize..7).prop_flat_map({
        let kinds = kinds.clone();
        move |count| {
            let columns = (0..count).map(|at| column(at, offer, kinds.clone()).boxed());
            columns.collect::<Vec<_>>()
        }
    });
    let rest = (text::name(offer.charset), shape(), key(), options(kinds));
    (columns, rest).prop_flat_map(move |(columns, (name, shape, key, options))| {
        let values: Vec<_> = columns
            .iter()
            .map(|column| weighted(0.85, column.kind.values.clone()))
            .collect();
        let row = (weighted(0.9, -4..9), values).prop_map(|(part, values)| Row { part, values });
        vec(row, ROWS).prop_map(move |rows| Table {
            name: numbered("t", number, &name),
            shape,
            key,
            columns: columns.clone(),
            rows,
            options: options.clone(),
        })
    })
}

const SEQUENCES: [&str; 3] = ["smallint", "integer", "bigint"];

fn sequence(number: usize, offer: Offer) -> impl Strategy<Value = Sequence> {
    let step = (any::<bool>(), 1_i32..50).prop_map(|(down, step)| if down { -step } else { step });
    let limits = (-30_000..0, 1..30_000);
    let kind = select(&SEQUENCES[..]);
    let set = of((any::<Index>(), any::<bool>()));
    (
        text::name(offer.charset),
        kind,
        step,
        limits,
        any::<Index>(),
        any::<bool>(),
        set,
    )
        .prop_map(move |(name, kind, step, range, start, cycle, set)| {
            let within = |at: Index| {
                range.0 + i32::try_from(at.index((range.1 - range.0) as usize)).unwrap()
            };
            Sequence {
                name: numbered("s", number, &name),
                kind,
                step,
                range,
                start: within(start),
                cycle,
                set: set.map(|(at, called)| (within(at), called)),
            }
        })
}

/// A schema; its number makes its name the only one in the database.
pub fn schema(number: usize, offer: Offer) -> BoxedStrategy<Schema> {
    let labels = vec(text::text(offer.charset), 1..5).prop_map(|labels| {
        let labels = labels.iter().enumerate();
        let short = labels.map(|(at, label)| numbered("", at, label));
        short.collect::<Vec<_>>()
    });
    let start = (text::name(offer.charset), text::name(offer.charset), labels);
    let whole = start.prop_flat_map(move |(name, word, labels)| {
        let name = numbered("z", number, &name);
        let typed =
            |prefix: &str| format!("{}.{}", ident(&name), ident(&numbered(prefix, 0, &word)));
        let own = Own {
            mood: typed("mood"),
            pair: typed("pair"),
            short: typed("short"),
            list: typed("list"),
            span: typed("span"),
            labels,
        };
        let kinds = types::kinds(offer, &own);
        let tables = (1_usize..6).prop_flat_map(move |count| {
            let tables = (0..count).map(|at| table(at, offer, kinds.clone()).boxed());
            tables.collect::<Vec<_>>()
        });
        let sequences = (0_usize..3).prop_flat_map(move |count| {
            (0..count).map(|at| sequence(at, offer)).collect::<Vec<_>>()
        });
        let object = vec(any::<u8>(), 0..5000);
        let more = (vec(object, 0..3), any::<bool>());
        (Just((name, own)), tables, sequences, more)
    });
    whole
        .prop_map(
            |((name, types), tables, sequences, (large_objects, materialized_view))| Schema {
                name,
                types,
                tables,
                sequences,
                large_objects,
                materialized_view,
            },
        )
        .boxed()
}
