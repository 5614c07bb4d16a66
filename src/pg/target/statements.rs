//! SQL that lifeboat writes itself, from the catalog: all that no archive carries. Pure functions;
//! the restore runs their statements one by one, the stock-tools script carries them as text.
//!
//! Every name is quoted by [`quote_ident`], every text by [`quote_literal`], so a hostile name
//! stays a name, for the server and for psql.

mod acl;
mod database;
pub(crate) mod drill;
mod parameters;
mod roles;
mod settings;
mod statement;

use crate::model::catalog::{Grant, MaterializedView, Sequence};
use crate::quote::{quote_ident, quote_literal};

pub(crate) use acl::Ownership;
pub(crate) use database::{
    DatabaseSetting, create_database, database_properties, database_settings,
};
pub(crate) use parameters::parameter_privilege;
pub(crate) use roles::{
    Rights, attributes, create_role, join_temporarily, memberships, withheld_attributes,
};
pub(crate) use settings::set_clause;
pub(crate) use statement::{Statement, script};

/// Sets a sequence as it was. Works for identity columns' and extensions' sequences alike.
pub(crate) fn set_sequence(sequence: &Sequence) -> Statement {
    let sql = format!(
        "SELECT pg_catalog.setval({}::pg_catalog.regclass, {}, {})",
        quote_literal(&sequence.name.quoted()),
        sequence.last_value,
        sequence.is_called
    );
    Statement::new(format!("sequence {}", sequence.name), sql)
}

/// Fills the populated views, in the catalog's order; the others stay as the schema made them.
pub(crate) fn refresh(views: &[MaterializedView]) -> Vec<Statement> {
    let populated = views.iter().filter(|view| view.populated);
    let refresh = populated.map(|view| {
        let sql = format!("REFRESH MATERIALIZED VIEW {}", view.name.quoted());
        Statement::new(format!("materialized view {}", view.name), sql)
    });
    refresh.collect()
}

/// A large object's properties: one row of the manifest's table 2995.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LargeObject {
    pub oid: u32,
    pub owner: String,
    /// `None`: the default ACL.
    pub acl: Option<Vec<Grant>>,
    pub comment: Option<String>,
}

/// Owner, ACL and comment of one large object, which exists.
pub(crate) fn large_object_properties(
    object: &LargeObject,
    ownership: Ownership,
) -> Vec<Statement> {
    let target = format!("LARGE OBJECT {}", object.oid);
    let about = format!("large object {}", object.oid);
    let mut statements = Vec::new();
    if ownership.owners {
        let owner = quote_ident(&object.owner);
        statements.push(format!("ALTER {target} OWNER TO {owner}"));
    }
    if let (Some(acl), true) = (&object.acl, ownership.privileges) {
        statements.extend(acl::rewrite(&target, &object.owner, acl, ownership));
    }
    if let Some(comment) = &object.comment {
        let comment = quote_literal(comment);
        statements.push(format!("COMMENT ON {target} IS {comment}"));
    }
    statements
        .into_iter()
        .map(|sql| Statement::new(about.clone(), sql))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::Name;

    fn name(schema: &str, name: &str) -> Name {
        Name {
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_sequence_with_a_hostile_name_stays_one_literal() {
        let sequence = Sequence {
            name: name("it's", "a\"b\\c"),
            last_value: -3,
            is_called: false,
            extension: None,
        };
        assert_eq!(
            set_sequence(&sequence).sql,
            r#"SELECT pg_catalog.setval(E'"it''s"."a""b\\c"'::pg_catalog.regclass, -3, false)"#
        );
    }

    #[test]
    fn an_unpopulated_view_stays_so() {
        let view = |view: &str, populated| MaterializedView {
            name: name("s", view),
            populated,
            digest: None,
        };
        let statements = refresh(&[view("b", true), view("a", false), view("c", true)]);
        assert_eq!(
            script(&statements),
            "REFRESH MATERIALIZED VIEW \"s\".\"b\";\nREFRESH MATERIALIZED VIEW \"s\".\"c\";\n"
        );
    }

    #[test]
    fn a_large_object_gets_owner_acl_and_comment() {
        let grant = |grantee: Option<&str>, privilege: &str| Grant {
            grantor: "app".to_owned(),
            grantee: grantee.map(str::to_owned),
            privilege: privilege.to_owned(),
            grantable: false,
        };
        let object = LargeObject {
            oid: 42,
            owner: "app".to_owned(),
            acl: Some(vec![
                grant(Some("app"), "SELECT"),
                grant(Some("app"), "UPDATE"),
                grant(None, "SELECT"),
            ]),
            comment: Some("it's".to_owned()),
        };
        let all = large_object_properties(&object, Ownership::ALL);
        assert_eq!(
            script(&all),
            "ALTER LARGE OBJECT 42 OWNER TO \"app\";\n\
             REVOKE ALL ON LARGE OBJECT 42 FROM PUBLIC, \"app\";\n\
             GRANT SELECT, UPDATE ON LARGE OBJECT 42 TO \"app\";\n\
             GRANT SELECT ON LARGE OBJECT 42 TO PUBLIC;\n\
             COMMENT ON LARGE OBJECT 42 IS 'it''s';\n"
        );
        let none = large_object_properties(&object, Ownership::NONE);
        assert_eq!(none.len(), 1, "{none:?}");
    }
}
