//! Roles, memberships and privileges on parameters of the instance.

use crate::error::Result;
use crate::model::catalog::{Membership, ParameterPrivilege, Role, Setting};
use crate::pg::definitions::of_rds;
use crate::pg::session::{FromRow, RowReader, Session, from_row};

/// Roles but PostgreSQL's and RDS's own, sorted by name.
pub(crate) async fn read_roles(session: &Session) -> Result<Vec<Role>> {
    let sql = format!(
        "SELECT rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
                rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil::text,
                coalesce(rolconfig, '{{}}'), pg_catalog.shobj_description(oid, 'pg_authid')
           FROM pg_catalog.pg_roles
          WHERE rolname !~ '^pg_' AND NOT {}
          ORDER BY rolname",
        of_rds("rolname")
    );
    session.rows(&sql, "cannot read the roles").await
}

impl FromRow for Role {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        Ok(Self {
            name: row.read()?,
            superuser: row.read()?,
            inherit: row.read()?,
            create_role: row.read()?,
            create_db: row.read()?,
            login: row.read()?,
            replication: row.read()?,
            bypass_rls: row.read()?,
            connection_limit: row.read()?,
            valid_until: row.read()?,
            settings: settings(None, &row.read::<Vec<String>>()?),
            comment: row.read()?,
        })
    }
}

/// Splits `name=value` items as pg_db_role_setting holds them.
pub(super) fn settings(role: Option<&str>, items: &[String]) -> Vec<Setting> {
    items
        .iter()
        .filter_map(|item| item.split_once('='))
        .map(|(name, value)| Setting {
            role: role.map(str::to_owned),
            name: name.to_owned(),
            value: value.to_owned(),
        })
        .collect()
}

/// Who is a member of what, but for RDS's own roles and the memberships that initdb makes.
pub(crate) async fn read_memberships(session: &Session) -> Result<Vec<Membership>> {
    let options = match session.server_version_num {
        160_000.. => "m.inherit_option, m.set_option",
        _ => "NULL::boolean, NULL::boolean",
    };
    let sql = format!(
        "SELECT r.rolname::text, u.rolname::text, coalesce(g.rolname, '')::text, m.admin_option,
                {options}
           FROM pg_catalog.pg_auth_members m
           JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
           JOIN pg_catalog.pg_roles u ON u.oid = m.member
           LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
          WHERE NOT {} AND u.rolname !~ '^pg_' AND NOT {}
          ORDER BY 1, 2, 3",
        of_rds("r.rolname"),
        of_rds("u.rolname")
    );
    session
        .rows(&sql, "cannot read the roles' memberships")
        .await
}

from_row!(Membership: role, member, grantor, admin, inherit, set);

/// Who may set which parameter, but for RDS's own roles and the superuser that initdb made, who may set all.
pub(crate) async fn read_parameter_privileges(
    session: &Session,
) -> Result<Vec<ParameterPrivilege>> {
    if session.server_version_num < 150_000 {
        return Ok(Vec::new());
    }
    // Several may have granted the same.
    let sql = format!(
        "SELECT p.parname, r.rolname::text, a.privilege_type, bool_or(a.is_grantable)
           FROM pg_catalog.pg_parameter_acl p
          CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) a
           LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
          WHERE a.grantee <> 10 AND (a.grantee = 0 OR NOT {})
          GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        of_rds("r.rolname")
    );
    session
        .rows(&sql, "cannot read the privileges on parameters")
        .await
}

from_row!(ParameterPrivilege: parameter, grantee, privilege, grantable);
