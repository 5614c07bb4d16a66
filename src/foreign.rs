//! What others may have written, for the property tests of all that reads it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// What breaks readers: numbers at their bounds, ends of texts and lists, bytes that are no UTF-8.
const SNIPPETS: [&[u8]; 24] = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"\"",
    b"'",
    b"\\",
    b"\\N",
    b"%",
    b"%00",
    b"/",
    b"..",
    b":",
    b"-1",
    b"+1",
    b"0",
    b"1e999",
    b"18446744073709551615",
    b"18446744073709551616",
    b"null",
    b"[{",
    b"\xff\xfe",
    "\u{e9}\u{2028}".as_bytes(),
];

/// Asserts of every input in `tests/corpora/<parser>`, of such inputs after some changes, and of bytes of no kind
/// that `holds` does not panic. `PROPTEST_CASES` says how many, 256 by default.
pub(crate) fn each(parser: &str, holds: impl Fn(&[u8])) {
    let corpus = corpus(parser);
    corpus.iter().for_each(|input| holds(input));
    // What fails is printed, and becomes a file of the corpus or a test.
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let ended = runner.run(&changed(corpus), |input| {
        holds(&input);
        Ok(())
    });
    ended.unwrap_or_else(|failure| panic!("{}", shown(parser, &failure)));
}

/// As [`each`], of inputs that are texts.
pub(crate) fn each_text(parser: &str, holds: impl Fn(&str)) {
    each(parser, |input| holds(&String::from_utf8_lossy(input)));
}

fn shown(parser: &str, failure: &proptest::test_runner::TestError<Vec<u8>>) -> String {
    let mut text = format!("{parser}: {failure}");
    if let proptest::test_runner::TestError::Fail(_, input) = failure {
        let _ = write!(text, "\ninput: {}", input.escape_ascii());
    }
    text
}

fn corpus(parser: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpora")
        .join(parser);
    let mut files: Vec<_> = (fs::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn changed(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<Index>(), snippet());
    let of_corpus = (select(corpus), vec(change, 0..6)).prop_map(|(mut input, changes)| {
        for (from, to, snippet) in changes {
            let from = from.index(input.len() + 1);
            // As a rule little is replaced.
            let to = from + to.index(input.len() - from + 1).min(to.index(40));
            input.splice(from..to, snippet);
        }
        input
    });
    prop_oneof![9 => of_corpus, 1 => vec(any::<u8>(), 0..200)]
}

fn snippet() -> impl Strategy<Value = Vec<u8>> {
    let known = select(&SNIPPETS[..]).prop_map(<[u8]>::to_vec);
    prop_oneof![2 => known, 1 => vec(any::<u8>(), 0..3), 1 => vec(b'0'..=b'z', 0..3)]
}
