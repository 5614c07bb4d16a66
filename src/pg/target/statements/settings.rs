//! `name = value` of a role or database, written so that it reads back the same.

use crate::model::catalog::Setting;
use crate::quote::{quote_ident, quote_literal, quote_literals, unquote_ident};

/// Parameters whose value is a list of quoted names; as one literal they would become one name.
/// From pg_dump's `variable_is_guc_list_quote`.
const LISTS_OF_NAMES: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `SET "name" TO 'value'`, to follow `ALTER ROLE …` or `ALTER DATABASE …`.
pub(crate) fn set_clause(setting: &Setting) -> String {
    let name = quote_ident(&setting.name);
    let is_list = LISTS_OF_NAMES
        .iter()
        .any(|list| setting.name.eq_ignore_ascii_case(list));
    let value = match split_names(&setting.value) {
        Some(names) if is_list && !names.is_empty() => quote_literals(names),
        _ => quote_literal(&setting.value),
    };
    format!("SET {name} TO {value}")
}

/// Splits `"$user", public` into its names; `None` where it is not such a list.
fn split_names(list: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote_ident(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        names.push(name);
        rest = match rest.trim_start() {
            "" => "",
            more => more.strip_prefix(',')?.trim_start(),
        };
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(name: &str, value: &str) -> String {
        set_clause(&Setting {
            role: None,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    #[test]
    fn a_search_path_stays_a_list_of_names() {
        assert_eq!(
            clause("search_path", r#""$user", public, "a ""b"", c""#),
            r#"SET "search_path" TO '$user', 'public', 'a "b", c'"#
        );
        assert_eq!(clause("search_path", ""), r#"SET "search_path" TO ''"#);
        assert_eq!(clause("search_path", r#""""#), r#"SET "search_path" TO ''"#);
    }

    #[test]
    fn other_values_are_one_literal() {
        assert_eq!(
            clause("DateStyle", "ISO, DMY"),
            r#"SET "DateStyle" TO 'ISO, DMY'"#
        );
        assert_eq!(clause("app.x", r"it's \"), r#"SET "app.x" TO E'it''s \\'"#);
    }
}
