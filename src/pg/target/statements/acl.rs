//! An ACL as it was: revoke what is there by default, then grant in an order that works.

use crate::model::catalog::Grant;
use crate::quote::quote_ident;

/// Which of owners and privileges are to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ownership {
    pub owners: bool,
    pub privileges: bool,
}

impl Ownership {
    pub(crate) const ALL: Self = Self {
        owners: true,
        privileges: true,
    };
    #[cfg(test)]
    pub(super) const NONE: Self = Self {
        owners: false,
        privileges: false,
    };
}

/// Statements that turn the default ACL of `object` (`DATABASE "d"`) into `acl`. Grants by others
/// than the owner run as their grantor, after what gives the grantor the right to.
///
/// Where owners are left out, the restoring user takes the owner's place and keeps the owner's rights.
pub(super) fn rewrite(
    object: &str,
    owner: &str,
    acl: &[Grant],
    ownership: Ownership,
) -> Vec<String> {
    let mut statements = Vec::new();
    // An object without rights for PUBLIC by default takes the same statement without harm.
    let mut from = vec!["PUBLIC".to_owned()];
    if ownership.owners {
        from.push(quote_ident(owner));
    }
    statements.push(format!("REVOKE ALL ON {object} FROM {}", from.join(", ")));
    for group in in_order(owner, grouped(acl)) {
        let to_owner = group.first.grantee.as_deref() == Some(owner);
        if !to_owner || ownership.owners {
            statements.push(group.sql(object, owner, ownership));
        }
    }
    statements
}

/// What one grantor gave one grantee with the same option.
struct Group<'a> {
    /// One of the grants.
    first: &'a Grant,
    privileges: Vec<&'a str>,
}

impl Group<'_> {
    fn sql(&self, object: &str, owner: &str, ownership: Ownership) -> String {
        let Grant {
            grantor,
            grantee,
            grantable,
            ..
        } = self.first;
        let grantee = grantee.as_deref().map_or("PUBLIC".to_owned(), quote_ident);
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        let privileges = self.privileges.join(", ");
        let grant = format!("GRANT {privileges} ON {object} TO {grantee}{option}");
        if grantor == owner || !ownership.owners {
            grant
        } else {
            let grantor = quote_ident(grantor);
            format!("SET ROLE {grantor}; {grant}; RESET ROLE")
        }
    }
}

/// A privilege is a keyword: anything else is left out, it could only be a forgery.
pub(super) fn is_keyword(privilege: &str) -> bool {
    let mut bytes = privilege.bytes();
    bytes.all(|byte| byte.is_ascii_uppercase() || byte == b' ')
}

fn grouped(acl: &[Grant]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let key = |grant: &'_ Grant| {
        (
            grant.grantor.clone(),
            grant.grantee.clone(),
            grant.grantable,
        )
    };
    for grant in acl.iter().filter(|grant| is_keyword(&grant.privilege)) {
        match groups
            .iter_mut()
            .find(|group| key(group.first) == key(grant))
        {
            Some(group) => group.privileges.push(&grant.privilege),
            None => groups.push(Group {
                first: grant,
                privileges: vec![&grant.privilege],
            }),
        }
    }
    groups
}

/// The owner's grants first, then those of grantees who may grant by then.
fn in_order<'a>(owner: &str, groups: Vec<Group<'a>>) -> Vec<Group<'a>> {
    let mut able = vec![owner.to_owned()];
    let mut waiting = groups;
    let mut ordered = Vec::with_capacity(waiting.len());
    loop {
        let (now, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|group| able.contains(&group.first.grantor));
        if now.is_empty() {
            // Grantors that nobody granted anything, such as a superuser: as they come.
            ordered.extend(later);
            return ordered;
        }
        let grantable = now.iter().filter(|group| group.first.grantable);
        able.extend(grantable.filter_map(|group| group.first.grantee.clone()));
        ordered.extend(now);
        waiting = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(grantor: &str, grantee: Option<&str>, privilege: &str, grantable: bool) -> Grant {
        Grant {
            grantor: grantor.to_owned(),
            grantee: grantee.map(str::to_owned),
            privilege: privilege.to_owned(),
            grantable,
        }
    }

    #[test]
    fn a_chain_of_grants_is_granted_from_its_root() {
        let acl = [
            grant("b", Some("c"), "CONNECT", false),
            grant("a", Some("b"), "CONNECT", true),
            grant("own", Some("a"), "CONNECT", true),
            grant("own", Some("own"), "CONNECT", false),
        ];
        let statements = rewrite("DATABASE \"d\"", "own", &acl, Ownership::ALL);
        assert_eq!(
            statements,
            [
                "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC, \"own\"",
                "GRANT CONNECT ON DATABASE \"d\" TO \"a\" WITH GRANT OPTION",
                "GRANT CONNECT ON DATABASE \"d\" TO \"own\"",
                "SET ROLE \"a\"; GRANT CONNECT ON DATABASE \"d\" TO \"b\" WITH GRANT OPTION; \
                 RESET ROLE",
                "SET ROLE \"b\"; GRANT CONNECT ON DATABASE \"d\" TO \"c\"; RESET ROLE",
            ]
        );
    }

    #[test]
    fn without_owners_the_restoring_user_takes_the_owners_place() {
        let acl = [
            grant("own", Some("own"), "CONNECT", false),
            grant("own", Some("a"), "CONNECT", false),
        ];
        let ownership = Ownership {
            owners: false,
            privileges: true,
        };
        assert_eq!(
            rewrite("DATABASE \"d\"", "own", &acl, ownership),
            [
                "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC",
                "GRANT CONNECT ON DATABASE \"d\" TO \"a\"",
            ]
        );
    }

    #[test]
    fn a_privilege_that_is_no_keyword_is_left_out() {
        let acl = [grant("own", None, "CONNECT; DROP TABLE x", false)];
        let statements = rewrite("DATABASE \"d\"", "own", &acl, Ownership::ALL);
        assert_eq!(statements.len(), 1, "{statements:?}");
    }
}
