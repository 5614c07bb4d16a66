//! Which databases of which sources a command is about.

use std::collections::BTreeSet;

use super::pattern::NamePattern;
use crate::error::{Error, Result};
use crate::escape;
use crate::humanize::first_names;

/// Of names that an error tells.
const SHOWN: usize = 8;

/// A name as it was typed, in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    text: String,
    pattern: NamePattern,
}

impl Chosen {
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            pattern: NamePattern::of_stars(text),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it may name several.
    pub fn is_wild(&self) -> bool {
        self.pattern.is_wild()
    }

    pub fn is(&self, name: &str) -> bool {
        self.pattern.is(name)
    }
}

/// Which databases of which sources: those whose source and whose database any of these names; without a
/// name, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    sources: Vec<Chosen>,
    databases: Vec<Chosen>,
}

impl Choice {
    /// Of what was typed as `--source` and `--database`.
    pub fn new(sources: &[String], databases: &[String]) -> Result<Self> {
        Ok(Self {
            sources: chosen("--source", sources)?,
            databases: chosen("--database", databases)?,
        })
    }

    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub fn sources(&self) -> &[Chosen] {
        &self.sources
    }

    pub fn databases(&self) -> &[Chosen] {
        &self.databases
    }

    /// The names of all chosen databases, where each is typed in full: no server needs to be asked what they stand for.
    pub fn full_databases(&self) -> Option<Vec<String>> {
        let names = self.databases.iter();
        let is_full = !self.databases.is_empty() && !names.clone().any(Chosen::is_wild);
        is_full.then(|| names.map(|one| one.text.clone()).collect())
    }

    /// Whether any database of the source may be chosen.
    pub fn has_source(&self, name: &str) -> bool {
        any_names(&self.sources, name)
    }

    pub fn has(&self, source: &str, database: &str) -> bool {
        self.has_source(source) && any_names(&self.databases, database)
    }

    /// Refuses a name that stands for none of these pairs of source and database: it would be left aside
    /// without a word. `place` is what holds them.
    pub fn check(&self, present: &BTreeSet<(String, String)>, place: &str) -> Result<()> {
        let Some(missing) = self.missing(present) else {
            return Ok(());
        };
        let there = present.iter().map(shown);
        let there: Vec<String> = there.collect();
        let error = Error::usage(format!("{missing}: {place} has none"));
        Err(error.hint(match there.is_empty() {
            true => "there is none at all".to_owned(),
            false => format!("there is: {}", first_names(&there, SHOWN)),
        }))
    }

    fn missing(&self, present: &BTreeSet<(String, String)>) -> Option<String> {
        let is_there = |source: &Chosen| present.iter().any(|one| source.is(&one.0));
        // Of the chosen sources alone.
        let is_in_any = |database: &Chosen| {
            let mut present = present.iter().filter(|one| self.has_source(&one.0));
            present.any(|one| database.is(&one.1))
        };
        let source = self.sources.iter().find(|one| !is_there(one));
        let source = source.map(|one| ("--source", one));
        let database = self.databases.iter().find(|one| !is_in_any(one));
        let missing = source.or(database.map(|one| ("--database", one)));
        missing.map(|(option, one)| format!("{option} '{}'", one.text.escape_debug()))
    }
}

fn shown((source, database): &(String, String)) -> String {
    format!("{}/{}", escape::name(source), escape::name(database))
}

fn any_names(chosen: &[Chosen], name: &str) -> bool {
    chosen.is_empty() || chosen.iter().any(|one| one.is(name))
}

fn chosen(option: &str, texts: &[String]) -> Result<Vec<Chosen>> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = texts.iter().find(|text| !seen.insert(*text)) {
        let twice = twice.escape_debug();
        return Err(
            Error::usage(format!("{option}: '{twice}' is given twice")).hint("give each name once")
        );
    }
    Ok(texts.iter().map(|text| Chosen::new(text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(sources: &[&str], databases: &[&str]) -> Choice {
        let owned =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        Choice::new(&owned(sources), &owned(databases)).unwrap()
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(source, database)| ((*source).to_owned(), (*database).to_owned()))
            .collect()
    }

    #[test]
    fn a_star_stands_for_any_text_and_all_else_for_itself() {
        for (text, matching, other) in [
            ("*", &["", "a", "Ä b"][..], &[][..]),
            ("app_*", &["app_", "app_1"], &["app", "App_1", "xapp_1"]),
            ("*a*b", &["ab", "xaab", "a*b"], &["ba", "abc"]),
            ("a?[b].$", &["a?[b].$"], &["axb.$", "a?[b]x$"]),
            ("A\"b", &["A\"b"], &["a\"b", "Ab"]),
        ] {
            let chosen = Chosen::new(text);
            assert!(matching.iter().all(|name| chosen.is(name)), "{text}");
            assert!(!other.iter().any(|name| chosen.is(name)), "{text}");
        }
    }

    #[test]
    fn what_matches_both_is_chosen_and_without_names_all_is() {
        let one = choice(&["prod", "test*"], &["a", "b*"]);
        assert!(one.has("prod", "a") && one.has("test1", "bb") && one.has_source("test"));
        assert!(!one.has("prod", "c") && !one.has("other", "a") && !one.has_source("pro"));
        assert!(Choice::default().has("any", "thing") && Choice::default().is_all());
        assert!(choice(&[], &["a"]).has("any", "a") && !choice(&[], &["a"]).is_all());
    }

    #[test]
    fn a_name_for_which_nothing_stands_is_refused_with_what_there_is() {
        let present = pairs(&[("prod", "a"), ("test", "b")]);
        for sound in [
            Choice::default(),
            choice(&["*"], &["a", "b"]),
            choice(&["test"], &["b"]),
        ] {
            sound.check(&present, "it").unwrap();
        }
        for (wrong, named) in [
            (choice(&["prd"], &["a"]), "--source 'prd'"),
            (choice(&["x*"], &[]), "--source 'x*'"),
            (choice(&["prod"], &["a", "b"]), "--database 'b'"),
            (choice(&[], &["c*"]), "--database 'c*'"),
        ] {
            let error = wrong.check(&present, "it").unwrap_err();
            assert!(error.to_string().starts_with(named), "{error}");
            assert_eq!(error.advice(), "there is: prod/a, test/b");
        }
        assert!(Choice::new(&["a".to_owned(), "a".to_owned()], &[]).is_err());
    }
}
