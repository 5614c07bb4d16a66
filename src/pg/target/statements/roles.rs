//! Roles and memberships, with only what the target user may set.

use super::settings::set_clause;
use super::statement::Statement;
use crate::model::catalog::{Membership, Role};
use crate::pg::target::resume_state::TemporaryGrant;
use crate::quote::{quote_ident, quote_literal};

/// What the target's server and user allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    /// `server_version_num`
    pub version_num: u32,
    pub superuser: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub replication: bool,
    pub bypass_rls: bool,
}

impl Rights {
    /// A superuser of a server of this version.
    pub(crate) fn superuser(version_num: u32) -> Self {
        Self {
            version_num,
            superuser: true,
            create_role: true,
            create_db: true,
            replication: true,
            bypass_rls: true,
        }
    }

    /// From 16 on CREATEROLE passes on only what its holder has; before, only a superuser passes on
    /// REPLICATION and BYPASSRLS, and CREATEDB needs nothing.
    fn may_give(&self, attribute: &str) -> bool {
        let from_16 = self.version_num >= 160_000;
        self.superuser
            || match attribute {
                "SUPERUSER" => false,
                "CREATEDB" => !from_16 || self.create_db,
                "REPLICATION" => from_16 && self.replication,
                "BYPASSRLS" => from_16 && self.bypass_rls,
                _ => true,
            }
    }
}

/// Attributes that a role has, by their keyword; NOINHERIT is not among them.
pub(crate) fn attributes(role: &Role) -> Vec<&'static str> {
    [
        (role.superuser, "SUPERUSER"),
        (role.create_db, "CREATEDB"),
        (role.create_role, "CREATEROLE"),
        (role.replication, "REPLICATION"),
        (role.bypass_rls, "BYPASSRLS"),
        (role.login, "LOGIN"),
    ]
    .into_iter()
    .filter_map(|(has, keyword)| has.then_some(keyword))
    .collect()
}

/// What a role has and the target user may not give it.
pub(crate) fn withheld_attributes(role: &Role, rights: &Rights) -> Vec<&'static str> {
    let mut list = attributes(role);
    list.retain(|attribute| !rights.may_give(attribute));
    list
}

/// Makes a role without a password, then its settings and comment: one statement each.
pub(crate) fn create_role(role: &Role, rights: &Rights) -> Vec<Statement> {
    let name = quote_ident(&role.name);
    let mut sql = format!("CREATE ROLE {name}");
    for attribute in attributes(role) {
        if rights.may_give(attribute) {
            sql.push(' ');
            sql.push_str(attribute);
        }
    }
    if !role.inherit {
        sql.push_str(" NOINHERIT");
    }
    if role.connection_limit >= 0 {
        sql.push_str(&format!(" CONNECTION LIMIT {}", role.connection_limit));
    }
    if let Some(until) = &role.valid_until {
        sql.push_str(&format!(" VALID UNTIL {}", quote_literal(until)));
    }
    let mut statements = vec![Statement::new(format!("role {name}"), sql)];
    for setting in &role.settings {
        let about = format!("setting {} of role {name}", quote_ident(&setting.name));
        let sql = format!("ALTER ROLE {name} {}", set_clause(setting));
        statements.push(Statement::new(about, sql));
    }
    if let Some(comment) = &role.comment {
        let sql = format!("COMMENT ON ROLE {name} IS {}", quote_literal(comment));
        statements.push(Statement::new(format!("comment of role {name}"), sql));
    }
    statements
}

/// Memberships, each after the one that gives its grantor the right to grant.
pub(crate) fn memberships(memberships: &[Membership], rights: &Rights) -> Vec<Statement> {
    let mut waiting: Vec<&Membership> = memberships.iter().collect();
    let mut statements = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let depends = |one: &Membership| {
            waiting.iter().any(|other| {
                other.admin
                    && other.role == one.role
                    && other.member == one.grantor
                    && other.member != one.member
            })
        };
        let (mut later, mut now): (Vec<&Membership>, Vec<&Membership>) =
            waiting.iter().partition(|one| depends(one));
        if now.is_empty() {
            std::mem::swap(&mut later, &mut now);
        }
        statements.extend(now.into_iter().map(|one| membership(one, rights)));
        waiting = later;
    }
    statements
}

pub(super) fn membership(one: &Membership, rights: &Rights) -> Statement {
    let (role, member) = (quote_ident(&one.role), quote_ident(&one.member));
    let mut sql = format!("GRANT {role} TO {member}");
    let from_16 = rights.version_num >= 160_000;
    match (from_16, one.inherit, one.set) {
        (true, Some(inherit), Some(set)) => {
            let admin = one.admin;
            sql.push_str(&format!(
                " WITH ADMIN {admin}, INHERIT {inherit}, SET {set}"
            ));
            if rights.superuser && !one.grantor.is_empty() {
                sql.push_str(&format!(" GRANTED BY {}", quote_ident(&one.grantor)));
            }
        }
        _ if one.admin => sql.push_str(" WITH ADMIN OPTION"),
        _ => {}
    }
    Statement::new(format!("membership of {member} in {role}"), sql)
}

/// Makes the restoring user a member of an owner, so that it can still work on objects that it gave to
/// the owner.
pub(crate) fn join_temporarily(owner: &str, rights: &Rights) -> TemporaryGrant {
    let owner = quote_ident(owner);
    let options = if rights.version_num >= 160_000 {
        " WITH INHERIT TRUE, SET TRUE"
    } else {
        ""
    };
    TemporaryGrant {
        grant: format!("GRANT {owner} TO CURRENT_USER{options}"),
        revoke: format!("REVOKE {owner} FROM CURRENT_USER"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::script;
    use super::*;
    use crate::model::catalog::Setting;

    fn role() -> Role {
        Role {
            name: "a\"b".to_owned(),
            superuser: true,
            inherit: false,
            create_role: true,
            create_db: true,
            login: true,
            replication: true,
            bypass_rls: true,
            connection_limit: 3,
            valid_until: Some("infinity".to_owned()),
            settings: vec![Setting {
                role: None,
                name: "work_mem".to_owned(),
                value: "1MB".to_owned(),
            }],
            comment: Some("c".to_owned()),
        }
    }

    fn plain_user(version_num: u32) -> Rights {
        Rights {
            superuser: false,
            create_db: false,
            replication: false,
            bypass_rls: false,
            ..Rights::superuser(version_num)
        }
    }

    #[test]
    fn a_superuser_makes_the_role_as_it_was() {
        assert_eq!(
            script(&create_role(&role(), &Rights::superuser(150_000))),
            "CREATE ROLE \"a\"\"b\" SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS LOGIN \
             NOINHERIT CONNECTION LIMIT 3 VALID UNTIL 'infinity';\n\
             ALTER ROLE \"a\"\"b\" SET \"work_mem\" TO '1MB';\n\
             COMMENT ON ROLE \"a\"\"b\" IS 'c';\n"
        );
    }

    #[test]
    fn another_user_gives_only_what_it_may() {
        let made = |version| create_role(&role(), &plain_user(version))[0].sql.clone();
        assert!(made(150_000).starts_with("CREATE ROLE \"a\"\"b\" CREATEDB CREATEROLE LOGIN"));
        assert!(made(160_000).starts_with("CREATE ROLE \"a\"\"b\" CREATEROLE LOGIN"));
        assert_eq!(
            withheld_attributes(&role(), &plain_user(160_000)),
            ["SUPERUSER", "CREATEDB", "REPLICATION", "BYPASSRLS"]
        );
        assert!(withheld_attributes(&role(), &Rights::superuser(160_000)).is_empty());
    }

    #[test]
    fn who_grants_is_granted_first() {
        let one = |member: &str, grantor: &str, admin| Membership {
            role: "team".to_owned(),
            member: member.to_owned(),
            grantor: grantor.to_owned(),
            admin,
            inherit: Some(true),
            set: Some(false),
        };
        let list = [one("b", "a", false), one("a", "postgres", true)];
        assert_eq!(
            script(&memberships(&list, &Rights::superuser(160_000))),
            "GRANT \"team\" TO \"a\" WITH ADMIN true, INHERIT true, SET false \
             GRANTED BY \"postgres\";\n\
             GRANT \"team\" TO \"b\" WITH ADMIN false, INHERIT true, SET false \
             GRANTED BY \"a\";\n"
        );
        assert_eq!(
            script(&memberships(&list, &plain_user(150_000))),
            "GRANT \"team\" TO \"a\" WITH ADMIN OPTION;\nGRANT \"team\" TO \"b\";\n"
        );
    }
}
