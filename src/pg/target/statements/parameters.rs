//! Privileges on parameters, from 15 on.

use super::acl::is_keyword;
use super::statement::Statement;
use crate::model::catalog::ParameterPrivilege;
use crate::quote::quote_ident;

/// Grants one; `None`: what is to be granted is no privilege.
pub(crate) fn parameter_privilege(one: &ParameterPrivilege) -> Option<Statement> {
    if !is_keyword(&one.privilege) {
        return None;
    }
    let (privilege, parameter) = (&one.privilege, quote_ident(&one.parameter));
    let grantee = one.grantee.as_deref().map(quote_ident);
    let whom = match &grantee {
        Some(role) => format!("role {role}"),
        None => "PUBLIC".to_owned(),
    };
    let mut sql = format!(
        "GRANT {privilege} ON PARAMETER {parameter} TO {}",
        grantee.as_deref().unwrap_or("PUBLIC")
    );
    if one.grantable {
        sql.push_str(" WITH GRANT OPTION");
    }
    let about = format!("privilege {privilege} on parameter {parameter} for {whom}");
    Some(Statement::new(about, sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_privilege_grants_nothing_else() {
        let mut one = ParameterPrivilege {
            parameter: "x\" TO PUBLIC; --".to_owned(),
            grantee: Some("a\"b".to_owned()),
            privilege: "ALTER SYSTEM".to_owned(),
            grantable: true,
        };
        assert_eq!(
            parameter_privilege(&one).unwrap().sql,
            "GRANT ALTER SYSTEM ON PARAMETER \"x\"\" TO PUBLIC; --\" TO \"a\"\"b\" WITH GRANT OPTION"
        );
        one.privilege = "SET ON PARAMETER y TO PUBLIC; GRANT SET".to_owned();
        assert_eq!(parameter_privilege(&one), None);
    }
}
