//! Column types and values of theirs, as the text that the type's input reads.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::composed::{all_ranges, arrays, own};
use super::text::{self, Charset, literal};

/// What a column can be of.
#[derive(Debug, Clone)]
pub struct Kind {
    /// As in a column's definition.
    pub sql: String,
    pub values: BoxedStrategy<String>,
    /// Has an order, and values short enough for an index.
    pub indexable: bool,
    /// Between the elements of an array.
    pub delimiter: char,
}

impl Kind {
    pub fn new(sql: &str, values: impl Strategy<Value = String> + 'static) -> Self {
        Self {
            sql: sql.to_owned(),
            values: values.boxed(),
            indexable: false,
            delimiter: ',',
        }
    }

    pub fn of(sql: &str, values: &'static [&'static str]) -> Self {
        Self::new(sql, select(values).prop_map(str::to_owned))
    }

    pub fn indexed(self) -> Self {
        Self {
            indexable: true,
            ..self
        }
    }
}

/// What the servers of a round trip have in common.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    pub charset: Charset,
    pub xml: bool,
    /// The source's major.
    pub major: u32,
}

/// Types that a schema brings along; see [`super::schema`].
#[derive(Debug, Clone)]
pub struct Own {
    /// Quoted, with the schema.
    pub mood: String,
    pub labels: Vec<String>,
    pub pair: String,
    pub short: String,
    pub list: String,
    pub span: String,
}

fn printed<T: std::fmt::Display + std::fmt::Debug>(
    values: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = String> + 'static {
    values.prop_map(|value| value.to_string())
}

fn numbers() -> Vec<Kind> {
    let numeric = prop_oneof![
        3 => "-?[0-9]{1,40}\\.[0-9]{0,30}",
        1 => "-?[1-9]e-?[1-9]{1,2}",
        1 => select(&["NaN", "Infinity", "-Infinity", "0.000", "-0", "1e131071", "1e-16383"][..])
            .prop_map(str::to_owned),
    ];
    let double = prop_oneof![
        3 => any::<f64>().prop_map(|value| format!("{value:?}").replace("inf", "Infinity")),
        1 => select(&["-0", "NaN", "-Infinity", "5e-324", "1.7976931348623157e308"][..])
            .prop_map(str::to_owned),
    ];
    let real = prop_oneof![
        3 => any::<f32>().prop_map(|value| format!("{value:?}").replace("inf", "Infinity")),
        1 => select(&["-0", "NaN", "1e-45", "3.4028235e38"][..]).prop_map(str::to_owned),
    ];
    let cents = any::<i64>().prop_map(|n| {
        let sign = if n < 0 { "-" } else { "" };
        let n = n.unsigned_abs();
        format!("{sign}{}.{:02}", n / 100, n % 100)
    });
    vec![
        Kind::new("smallint", printed(any::<i16>())).indexed(),
        Kind::new("integer", printed(any::<i32>())).indexed(),
        Kind::new("bigint", printed(any::<i64>())).indexed(),
        Kind::new("oid", printed(any::<u32>())).indexed(),
        Kind::new("numeric", numeric).indexed(),
        Kind::new("numeric(7, -2)", "-?[0-9]{1,8}").indexed(),
        Kind::new("numeric(9, 4)", "-?[0-9]{1,5}\\.[0-9]{0,6}").indexed(),
        Kind::new("double precision", double).indexed(),
        Kind::new("real", real).indexed(),
        Kind::new("money", cents).indexed(),
    ]
}

fn times(offer: Offer) -> Vec<Kind> {
    let stamp = |zone: &'static str| {
        prop_oneof![
            4 => (1_i32..290_000, 1..13, 1..29, 0..24, 0..60, 0..60, 0..1_000_000, any::<bool>())
                .prop_map(move |(y, mo, d, h, mi, s, us, before)| {
                    let (y, era) = if before { (y % 4000 + 1, " BC") } else { (y, "") };
                    format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}.{us:06}{zone}{era}")
                }),
            1 => select(&["infinity", "-infinity", "epoch", "4713-11-24 00:00:00 BC"][..])
                .prop_map(str::to_owned),
        ]
    };
    let date = prop_oneof![
        3 => (1_i32..5_800_000, 1..13, 1..29, any::<bool>()).prop_map(|(y, m, d, before)| {
            let (y, era) = if before { (y % 4000 + 1, " BC") } else { (y, "") };
            format!("{y:04}-{m:02}-{d:02}{era}")
        }),
        1 => select(&["infinity", "-infinity", "0044-03-15 BC", "2024-02-29"][..])
            .prop_map(str::to_owned),
    ];
    let interval = (any::<i32>(), any::<i32>(), any::<i64>()).prop_map(|(months, days, us)| {
        format!("{} mons {days} days {us} microseconds", months / 2)
    });
    let mut kinds = vec![
        Kind::new("date", date).indexed(),
        Kind::of(
            "time",
            &["00:00", "24:00:00", "23:59:59.999999", "12:34:56.7"],
        )
        .indexed(),
        Kind::of(
            "timetz",
            &["00:00+15:59", "24:00:00-15:59", "01:02:03.000004+05:45"],
        )
        .indexed(),
        Kind::new("timestamp", stamp("")).indexed(),
        Kind::new("timestamptz", stamp("+02")).indexed(),
        Kind::of(
            "timestamp(0)",
            &["2000-01-01 00:00:00.5", "1999-12-31 23:59:59.4"],
        )
        .indexed(),
        Kind::new("interval", interval).indexed(),
        Kind::of(
            "interval day to second",
            &["-1 days +02:03:04.5", "0", "999 days"],
        )
        .indexed(),
    ];
    if offer.major >= 17 {
        kinds.push(Kind::of("interval", &["infinity", "-infinity"]).indexed());
    }
    kinds
}

fn texts(charset: Charset) -> Vec<Kind> {
    let word = || text::text(charset);
    let cut = |most: usize| word().prop_map(move |text| charset.cut(&text, most));
    let hex = |most| {
        vec(any::<u8>(), 0..most).prop_map(|bytes| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{hex}")
        })
    };
    vec![
        Kind::new("text", word()).indexed(),
        Kind::new("text", text::long_text(charset)),
        Kind::new("text COLLATE \"C\"", word()).indexed(),
        Kind::new("varchar(5)", cut(5)).indexed(),
        Kind::new("char(3)", cut(3)).indexed(),
        Kind::of("\"char\"", &["", "a", "\\", "'", "~"]).indexed(),
        Kind::new("name", word()).indexed(),
        Kind::new("bytea", hex(40)).indexed(),
        Kind::new("bytea", hex(5000)),
    ]
}

fn documents(offer: Offer) -> Vec<Kind> {
    let json = |depth| {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?",
            text::text(offer.charset).prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        let charset = offer.charset;
        leaf.prop_recursive(depth, 12, 4, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(", "))),
                vec((text::text(charset), inner), 0..4).prop_map(|all| {
                    let one = |(key, value): &(String, String)| {
                        format!("{} : {value}", serde_json::to_string(key).unwrap())
                    };
                    format!("{{{}}}", all.iter().map(one).collect::<Vec<_>>().join(","))
                }),
            ]
        })
    };
    let lexeme = || {
        text::text(offer.charset)
            .prop_map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")))
    };
    // Empty words are no lexemes.
    let vector = vec((lexeme(), 1..9), 0..5).prop_map(|all| {
        let some = all.iter().filter(|(word, _)| word.len() > 2);
        some.map(|(word, at)| format!("{word}:{at}A,{}", at + 3))
            .collect::<Vec<_>>()
            .join(" ")
    });
    let mut kinds = vec![
        Kind::new("json", json(3)),
        Kind::new("jsonb", json(3)).indexed(),
        Kind::of(
            "jsonpath",
            &["$.\"a b\"[*] ? (@ > 1.5)", "lax $", "strict $.**{2}.k"],
        ),
        Kind::new("tsvector", vector),
        Kind::of(
            "tsquery",
            &["'a\\\\ b' & !'c' <2> 'd':*AB", "'it''s' | 'x'", ""],
        ),
    ];
    if offer.xml {
        let element = |text: String| {
            let visible = text.chars().filter(|c| !c.is_control() && *c < '\u{fff0}');
            let safe: String = visible.filter(|c| !"<&".contains(*c)).collect();
            format!("<a b=\"1\">{}</a>tail", safe.replace("]]>", ""))
        };
        kinds.push(Kind::new(
            "xml",
            text::text(Charset::Latin1).prop_map(element),
        ));
    }
    kinds
}

fn shapes() -> Vec<Kind> {
    let at = || select(&["0", "-0", "1.5", "-2e300", "1e-300", "7", "0.1"][..]);
    let point = || (at(), at()).prop_map(|(x, y)| format!("({x},{y})"));
    let points = |least| vec(point(), least..5).prop_map(|all| all.join(","));
    let boxes = Kind {
        delimiter: ';',
        ..Kind::new(
            "box",
            (point(), point()).prop_map(|(a, b)| format!("{a},{b}")),
        )
    };
    vec![
        Kind::new("point", point()),
        Kind::of("line", &["{1,-1,0}", "{0,3,-2.5}", "{-1e10,0.1,7}"]),
        Kind::new(
            "lseg",
            (point(), point()).prop_map(|(a, b)| format!("[{a},{b}]")),
        ),
        boxes,
        Kind::new("path", points(1).prop_map(|all| format!("[{all}]"))),
        Kind::new("path", points(1).prop_map(|all| format!("({all})"))),
        Kind::new("polygon", points(1).prop_map(|all| format!("({all})"))),
        Kind::new(
            "circle",
            point().prop_map(|centre| format!("<{centre},2.25>")),
        ),
    ]
}

fn machines() -> Vec<Kind> {
    let bits = |least: usize, most| {
        vec(any::<bool>(), least..most).prop_map(|bits| {
            bits.into_iter()
                .map(|bit| if bit { '1' } else { '0' })
                .collect()
        })
    };
    vec![
        Kind::of("boolean", &["t", "f"]).indexed(),
        Kind::new("uuid", any::<u128>().prop_map(|n| format!("{n:032x}"))).indexed(),
        Kind::of(
            "inet",
            &[
                "10.1.2.3/8",
                "::1",
                "fe80::1:2/64",
                "0.0.0.0/0",
                "255.1.1.1",
            ],
        )
        .indexed(),
        Kind::of(
            "cidr",
            &["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "::/0"],
        )
        .indexed(),
        Kind::new("macaddr", "([0-9a-f]{2}:){5}[0-9a-f]{2}").indexed(),
        Kind::new("macaddr8", "([0-9a-f]{2}:){7}[0-9a-f]{2}").indexed(),
        Kind::new("bit(9)", bits(9, 10)).indexed(),
        Kind::new("bit varying", bits(0, 70)).indexed(),
        Kind::of("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF", "16/B374D848"]).indexed(),
        Kind::of("pg_snapshot", &["10:20:10,14,15", "1:1:"]),
        Kind::of("tid", &["(0,1)", "(4294967295,65535)"]),
        Kind::of("xid8", &["0", "18446744073709551615"]),
        Kind::of(
            "regtype",
            &[
                "integer",
                "pg_catalog.text",
                "timestamp with time zone",
                "-",
            ],
        ),
    ]
}

/// Every type of the servers and of the schema.
pub fn kinds(offer: Offer, types: &Own) -> Vec<Kind> {
    let mut all = [
        numbers(),
        times(offer),
        texts(offer.charset),
        documents(offer),
        shapes(),
        machines(),
        all_ranges(),
        own(types, offer.charset),
    ]
    .concat();
    let collected: Vec<Kind> = all
        .iter()
        .filter(|kind| !kind.sql.contains("COLLATE"))
        .map(arrays)
        .collect();
    all.extend(collected);
    all
}

/// A value as SQL.
pub fn value(text: Option<&String>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| literal(text))
}
