//! Which databases of a server an export, a drill or a check covers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::choice::Chosen;

/// In the configuration: a list of names, or `"all"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a list of database names or \"all\"")]
pub enum Databases {
    Named(Vec<String>),
    /// All that take connections and are no templates, but these.
    #[serde(serialize_with = "write_all", deserialize_with = "read_all")]
    All {
        except: Vec<String>,
    },
    /// The one that the connection leads to.
    #[serde(skip)]
    OfConnection,
    /// Those that any of these names. One that is named in full is taken whatever was configured.
    #[serde(skip)]
    Matching {
        names: Vec<Chosen>,
        /// What was configured.
        among: Box<Databases>,
    },
}

impl Databases {
    /// The names that are covered, whether the server has them or not. `connectable`: the server's
    /// databases that take connections; `connected`: the one that the connection leads to.
    pub fn select<'a>(
        &self,
        connectable: impl IntoIterator<Item = &'a String>,
        connected: &str,
    ) -> Vec<String> {
        match self {
            Self::Named(names) => names.clone(),
            Self::OfConnection => vec![connected.to_owned()],
            Self::All { except } => connectable
                .into_iter()
                .filter(|name| !except.contains(name))
                .cloned()
                .collect(),
            Self::Matching { names, among } => {
                let connectable: Vec<&String> = connectable.into_iter().collect();
                let configured = among.select(connectable.iter().copied(), connected);
                let is_chosen = |name: &&&String| {
                    let mut naming = names.iter().filter(|one| one.is(name));
                    naming.any(|one| !one.is_wild() || configured.contains(name))
                };
                let chosen = connectable.iter().filter(is_chosen);
                chosen.map(|&name| name.clone()).collect()
            }
        }
    }

    /// Whether a database is left out on purpose.
    pub fn excludes(&self, name: &str) -> bool {
        match self {
            Self::All { except } => except.iter().any(|one| one == name),
            Self::Matching { among, .. } => among.excludes(name),
            Self::Named(_) | Self::OfConnection => false,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    All,
}

fn write_all<S: Serializer>(_: &[String], to: S) -> Result<S::Ok, S::Error> {
    Word::All.serialize(to)
}

fn read_all<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Word::deserialize(from).map(|Word::All| Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_or_all_is_read_and_written_and_nothing_else() {
        let read = |json: &str| serde_json::from_str::<Databases>(json);
        for (json, databases) in [
            ("\"all\"", Databases::All { except: Vec::new() }),
            ("[\"a\"]", Databases::Named(vec!["a".to_owned()])),
        ] {
            assert_eq!(read(json).unwrap(), databases);
            assert_eq!(serde_json::to_string(&databases).unwrap(), json);
        }
        for wrong in ["\"each\"", "7", "null", "{\"except\": []}"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("or \"all\""), "{error}");
        }
    }

    #[test]
    fn names_are_selected_from_what_the_server_has_or_as_they_are_given() {
        let present = ["a".to_owned(), "b".to_owned()];
        let all = Databases::All {
            except: vec!["a".to_owned()],
        };
        assert_eq!(all.select(&present, "c"), ["b"]);
        assert!(all.excludes("a") && !all.excludes("b"));
        let named = Databases::Named(vec!["x".to_owned()]);
        assert_eq!(named.select(&present, "c"), ["x"]);
        assert_eq!(Databases::OfConnection.select(&present, "c"), ["c"]);
        for among in [
            Databases::All {
                except: vec!["a".to_owned()],
            },
            Databases::Named(vec!["b".to_owned()]),
        ] {
            let matching = |name| Databases::Matching {
                names: vec![Chosen::new(name)],
                among: Box::new(among.clone()),
            };
            assert_eq!(matching("*").select(&present, "c"), ["b"]);
            assert_eq!(matching("a").select(&present, "c"), ["a"]);
            assert!(matching("c").select(&present, "c").is_empty());
        }
    }
}
