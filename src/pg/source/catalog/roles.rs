//! Roles and memberships of the instance.

use crate::error::Result;
use crate::model::catalog::{Membership, Role, Setting};
use crate::pg::session::{Session, pg_error};

/// True for a role that the service made and no restore can make: only where RDS's own is there, as
/// anybody may call a role `rdsreader`. The role's name is `$r`.
const OF_RDS: &str = "(EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rdsadmin')
   AND ($r ~ '^rds_' OR $r IN ('rdsadmin', 'rdsrepladmin', 'rdsproxyadmin', 'rdstopmgr',
                               'rdswriteforwarduser')))";

/// [`OF_RDS`] for an expression.
pub(super) fn of_rds(role: &str) -> String {
    OF_RDS.replace("$r", role)
}

/// Roles but PostgreSQL's and RDS's own, sorted by name.
pub async fn read_roles(session: &Session) -> Result<Vec<Role>> {
    let rows = session
        .client
        .query(
            &format!(
            "SELECT rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
                    rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil::text,
                    coalesce(rolconfig, '{{}}'), pg_catalog.shobj_description(oid, 'pg_authid')
               FROM pg_catalog.pg_roles
              WHERE rolname !~ '^pg_' AND NOT {}
              ORDER BY rolname",
            of_rds("rolname")
            ),
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the roles", error))?;
    Ok(rows
        .iter()
        .map(|row| Role {
            name: row.get(0),
            superuser: row.get(1),
            inherit: row.get(2),
            create_role: row.get(3),
            create_db: row.get(4),
            login: row.get(5),
            replication: row.get(6),
            bypass_rls: row.get(7),
            connection_limit: row.get(8),
            valid_until: row.get(9),
            settings: settings(None, &row.get::<_, Vec<String>>(10)),
            comment: row.get(11),
        })
        .collect())
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
pub async fn read_memberships(session: &Session) -> Result<Vec<Membership>> {
    let options = if session.server_version_num >= 160_000 {
        "m.inherit_option, m.set_option"
    } else {
        "NULL::boolean, NULL::boolean"
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
    let rows = session
        .client
        .query(&sql, &[])
        .await
        .map_err(|error| pg_error("cannot read the roles' memberships", error))?;
    Ok(rows
        .iter()
        .map(|row| Membership {
            role: row.get(0),
            member: row.get(1),
            grantor: row.get(2),
            admin: row.get(3),
            inherit: row.get(4),
            set: row.get(5),
        })
        .collect())
}
