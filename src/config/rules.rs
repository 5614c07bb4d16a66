//! Rules that several tables share.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// The key that is wrong, and why.
pub(super) type KeyError = (&'static str, Error);

/// Says which key is wrong.
pub(super) trait At<T> {
    fn at(self, key: &'static str) -> Result<T, KeyError>;
}

impl<T> At<T> for Result<T> {
    fn at(self, key: &'static str) -> Result<T, KeyError> {
        self.map_err(|error| (key, error))
    }
}

/// Checks a value that may be left out.
pub(super) fn given(value: Option<&String>, check: fn(&str) -> Result<()>) -> Result<()> {
    value.map_or(Ok(()), |value| check(value))
}

/// Refuses a name that is empty or taken by another of the `several`, such as "recipients".
pub(super) fn check_new(name: &str, names: &mut BTreeSet<String>, several: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::usage("is empty").hint("any words that say which one it is"));
    }
    if !names.insert(name.to_owned()) {
        return Err(Error::usage(format!(
            "'{}' is given to two {several}",
            name.escape_debug()
        ))
        .hint("give each a name of its own"));
    }
    Ok(())
}

/// Two keys that mean something only together.
pub(super) fn both<T>(
    first: Option<T>,
    second: Option<T>,
    keys: (&'static str, &'static str),
    hint: &str,
) -> Result<Option<(T, T)>, KeyError> {
    let (given, missing) = match (first, second) {
        (None, None) => return Ok(None),
        (Some(first), Some(second)) => return Ok(Some((first, second))),
        (Some(_), None) => keys,
        (None, Some(_)) => (keys.1, keys.0),
    };
    let error = Error::usage(format!("comes without `{missing}`")).hint(hint);
    Err((given, error))
}
