//! Types made of others: ranges, a schema's own types, arrays.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::text::{self, Charset, quoted};
use super::types::{Kind, Own};

/// A range's text around two bounds, given in their order.
fn ranges(sql: &str, bounds: &'static [&'static str]) -> Vec<Kind> {
    let range = move || {
        let bound = || prop::option::weighted(0.8, 0..bounds.len());
        prop_oneof![
            1 => Just("empty".to_owned()),
            6 => (bound(), bound(), select(&["[", "("][..]), select(&["]", ")"][..])).prop_map(
                move |(a, b, open, close)| {
                    let (a, b) = match (a, b) {
                        (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b))),
                        other => other,
                    };
                    let text = |at: Option<usize>| at.map_or_else(String::new, |at| quoted(bounds[at]));
                    format!("{open}{},{}{close}", text(a), text(b))
                }
            ),
        ]
    };
    let several = vec(range(), 0..4).prop_map(|all| format!("{{{}}}", all.join(",")));
    vec![
        Kind::new(sql, range()).indexed(),
        Kind::new(&sql.replace("range", "multirange"), several).indexed(),
    ]
}

pub fn all_ranges() -> Vec<Kind> {
    [
        ranges("int4range", &["-2147483648", "-7", "0", "12", "2147483646"]),
        ranges("int8range", &["-9223372036854775808", "0", "7"]),
        ranges(
            "numrange",
            &["-Infinity", "-1.50", "0", "1.5", "1e20", "Infinity"],
        ),
        ranges(
            "daterange",
            &["-infinity", "0044-03-15 BC", "2024-02-29", "infinity"],
        ),
        ranges(
            "tsrange",
            &["-infinity", "2000-01-01 00:00:00.000001", "infinity"],
        ),
        ranges(
            "tstzrange",
            &[
                "-infinity",
                "0001-01-01 00:00+00 BC",
                "2038-01-19 03:14:08+00",
            ],
        ),
    ]
    .concat()
}

pub fn own(own: &Own, charset: Charset) -> Vec<Kind> {
    let word = || text::text(charset);
    let labels = own.labels.clone();
    let field = |text: Option<String>| text.map_or_else(String::new, |text| quoted(&text));
    let pair = (
        prop::option::of(word()),
        prop::option::of(any::<i32>()),
        prop::option::of(select(labels.clone())),
    )
        .prop_map(move |(a, b, c)| {
            format!(
                "({},{},{})",
                field(a),
                field(b.map(|b| b.to_string())),
                field(c)
            )
        });
    vec![
        Kind::new(&own.mood, select(labels)).indexed(),
        Kind::new(&own.pair, pair),
        Kind::new(
            &own.short,
            word().prop_map(move |text| charset.cut(&text, 8)),
        )
        .indexed(),
        Kind::of(&own.list, &["{}", "{1,NULL,-3}", "[0:1]={7,8}"]),
        Kind::of(&own.span, &["empty", "[a,\"b\\\\\")", "(,\"x\"\"y\"]"]).indexed(),
    ]
}

/// Arrays of a kind: any shape, NULL in them, bounds that do not begin at 1.
pub fn arrays(of: &Kind) -> Kind {
    let (values, delimiter) = (of.values.clone(), of.delimiter);
    let shape = vec((1_usize..4, -2_i32..4), 0..4);
    let text = shape.prop_flat_map(move |shape| {
        let count: usize = shape.iter().map(|(size, _)| size).product();
        let elements = vec(prop::option::weighted(0.8, values.clone()), count);
        elements.prop_map(move |elements| written(&shape, &elements, delimiter))
    });
    Kind::new(&format!("{}[]", of.sql), text)
}

fn written(shape: &[(usize, i32)], elements: &[Option<String>], delimiter: char) -> String {
    if shape.is_empty() {
        return "{}".to_owned();
    }
    let bounds = shape
        .iter()
        .map(|(size, low)| format!("[{low}:{}]", low + *size as i32 - 1));
    let mut level: Vec<String> = elements
        .iter()
        .map(|one| {
            one.as_ref()
                .map_or_else(|| "NULL".to_owned(), |text| quoted(text))
        })
        .collect();
    for (size, _) in shape.iter().rev() {
        let joined = level
            .chunks(*size)
            .map(|some| format!("{{{}}}", some.join(&delimiter.to_string())));
        level = joined.collect();
    }
    format!("{}={}", bounds.collect::<String>(), level[0])
}
