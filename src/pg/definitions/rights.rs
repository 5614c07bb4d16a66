//! Owners, privileges, comments, labels; and of the instance: roles, memberships, settings.

use super::kind::{IDENTITY, Kind, NOT_TEMPORARY, OWN_SCHEMA, not_of_extension, of_rds};
use super::objects::{FUNCTION_NAME, functions_from, types_from};

/// An ACL as lines that depend on no name of the owner and no grantor: `OWNER SELECT, UPDATE*`.
fn privileges(acl: &str, owner: &str) -> String {
    format!(
        "(SELECT pg_catalog.string_agg(g.grantee || ' ' || g.privileges, E'\\n'
                                       ORDER BY g.grantee COLLATE \"C\") FROM (
            SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' WHEN a.grantee = {owner} THEN 'OWNER'
                        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee,
                   pg_catalog.string_agg(a.privilege_type || CASE WHEN a.grantable THEN '*' ELSE '' END, ', '
                                         ORDER BY a.privilege_type COLLATE \"C\") AS privileges
              FROM (SELECT e.grantee, e.privilege_type, pg_catalog.bool_or(e.is_grantable) AS grantable
                      FROM pg_catalog.aclexplode({acl}) e
                     WHERE e.grantee = 0 OR NOT {}
                     GROUP BY e.grantee, e.privilege_type) a
             GROUP BY a.grantee) g)",
        of_rds("pg_catalog.pg_get_userbyid(e.grantee)")
    )
}

/// Objects with an owner and an ACL: name with what it is, ACL, owner, kind for the default ACL.
fn with_acl() -> String {
    let own = |catalog: &str, oid: &str| not_of_extension(catalog, oid);
    format!(
        "SELECT ARRAY[CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                        WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
                      n.nspname, c.relname]::text[] AS name, c.relacl AS acl, c.relowner AS owner,
                CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\" AS kind
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
            AND {OWN_SCHEMA} AND {}
         UNION ALL
         SELECT ARRAY['schema', n.nspname]::text[], n.nspacl, n.nspowner, 'n'
           FROM pg_catalog.pg_namespace n WHERE {OWN_SCHEMA} AND {}
         UNION ALL
         SELECT ARRAY['function'] || {FUNCTION_NAME}, p.proacl, p.proowner, 'f' {}
         UNION ALL
         SELECT ARRAY['type', n.nspname, t.typname]::text[], t.typacl, t.typowner, 'T' {}
         UNION ALL
         SELECT ARRAY['language', l.lanname]::text[], l.lanacl, l.lanowner, 'l'
           FROM pg_catalog.pg_language l WHERE l.oid >= 16384 AND {}
         UNION ALL
         SELECT ARRAY['foreign-data wrapper', f.fdwname]::text[], f.fdwacl, f.fdwowner, 'F'
           FROM pg_catalog.pg_foreign_data_wrapper f WHERE {}
         UNION ALL
         SELECT ARRAY['server', s.srvname]::text[], s.srvacl, s.srvowner, 'S'
           FROM pg_catalog.pg_foreign_server s WHERE {}",
        own("pg_class", "c.oid"),
        own("pg_namespace", "n.oid"),
        functions_from(),
        types_from(),
        own("pg_language", "l.oid"),
        own("pg_foreign_data_wrapper", "f.oid"),
        own("pg_foreign_server", "s.oid"),
    )
}

/// Objects with an owner alone.
const OWNED: [(&str, &str); 11] = [
    ("pg_collation", "collowner"),
    ("pg_conversion", "conowner"),
    ("pg_event_trigger", "evtowner"),
    ("pg_opclass", "opcowner"),
    ("pg_operator", "oprowner"),
    ("pg_opfamily", "opfowner"),
    ("pg_publication", "pubowner"),
    ("pg_statistic_ext", "stxowner"),
    ("pg_subscription", "subowner"),
    ("pg_ts_config", "cfgowner"),
    ("pg_ts_dict", "dictowner"),
];

/// Empty where the service is: no restore can hand anything to its roles.
fn owner_name(owner: &str) -> String {
    let name = format!("pg_catalog.pg_get_userbyid({owner})");
    let of_service = of_rds(&name);
    format!("CASE WHEN {of_service} THEN '' ELSE {name}::text END")
}

/// Before 15 schema public belongs to who made the server, whatever its name.
fn owners() -> String {
    let of = |(catalog, owner): &(&str, &str)| {
        let own = not_of_extension(catalog, "x.oid");
        // Of all databases.
        let here = match *catalog {
            "pg_subscription" => {
                "AND x.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d
                                   WHERE d.datname = pg_catalog.current_database())"
            }
            _ => "",
        };
        format!(
            " UNION ALL
             SELECT ARRAY[i.type, {IDENTITY}], {}
               FROM pg_catalog.{catalog} x,
                    pg_catalog.pg_identify_object('pg_catalog.{catalog}'::pg_catalog.regclass, x.oid, 0) i
              WHERE x.oid >= 16384 AND i.identity IS NOT NULL AND {NOT_TEMPORARY} AND {own} {here}",
            owner_name(&format!("x.{owner}"))
        )
    };
    let others: String = OWNED.iter().map(of).collect();
    format!(
        "SELECT o.name, CASE WHEN o.name = ARRAY['schema', 'public'] AND o.owner = 10
                  AND pg_catalog.current_setting('server_version_num')::int < 150000 THEN '' ELSE {} END
           FROM ({}) o {others}",
        owner_name("o.owner"),
        with_acl()
    )
}

/// All of an object's, the default where nobody granted anything; of columns those that have any.
fn all_privileges() -> String {
    let own = not_of_extension("pg_class", "c.oid");
    format!(
        "SELECT o.name, {} FROM ({}) o
         UNION ALL
         SELECT ARRAY['column', n.nspname, c.relname, a.attname]::text[], {}
           FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE a.attacl IS NOT NULL AND a.attacl <> '{{}}' AND a.attnum > 0 AND NOT a.attisdropped
            AND {OWN_SCHEMA} AND {own}",
        privileges(
            "coalesce(o.acl, pg_catalog.acldefault(o.kind, o.owner))",
            "o.owner"
        ),
        with_acl(),
        privileges("a.attacl", "c.relowner"),
    )
}

/// Catalogs of objects that PostgreSQL or an extension makes, as `x`: ACL, owner, kind for the default ACL,
/// number of the part.
const OF_SYSTEM: [(&str, &str, [&str; 4]); 8] = [
    (
        "pg_class",
        "x",
        [
            "x.relacl",
            "x.relowner",
            "CASE x.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\"",
            "0",
        ],
    ),
    (
        "pg_class",
        "x JOIN pg_catalog.pg_attribute a ON a.attrelid = x.oid AND NOT a.attisdropped",
        ["a.attacl", "x.relowner", "'c'", "a.attnum"],
    ),
    ("pg_proc", "x", ["x.proacl", "x.proowner", "'f'", "0"]),
    ("pg_type", "x", ["x.typacl", "x.typowner", "'T'", "0"]),
    ("pg_language", "x", ["x.lanacl", "x.lanowner", "'l'", "0"]),
    ("pg_namespace", "x", ["x.nspacl", "x.nspowner", "'n'", "0"]),
    (
        "pg_foreign_data_wrapper",
        "x",
        ["x.fdwacl", "x.fdwowner", "'F'", "0"],
    ),
    (
        "pg_foreign_server",
        "x",
        ["x.srvacl", "x.srvowner", "'S'", "0"],
    ),
];

/// Of PostgreSQL's own objects and those of extensions, where they are not as they were made. Schema public
/// is among the others.
fn privileges_of_system() -> String {
    let of = |(catalog, x, [acl, owner, kind, number]): &(&str, &str, [&str; 4])| {
        let or_default = |acl: &str| {
            let acl = format!("coalesce({acl}, pg_catalog.acldefault({kind}, {owner}))");
            privileges(&acl, owner)
        };
        let (now, made) = (or_default(acl), or_default("p.initprivs"));
        let class = format!("'pg_catalog.{catalog}'::pg_catalog.regclass");
        format!(
            "SELECT ARRAY[i.type, {IDENTITY}], {now} AS now, {made} AS made
               FROM pg_catalog.{catalog} {x}
               LEFT JOIN pg_catalog.pg_init_privs p
                    ON p.classoid = {class} AND p.objoid = x.oid AND p.objsubid = {number},
                    pg_catalog.pg_identify_object({class}, x.oid, {number}) i
              WHERE ({acl} IS NOT NULL OR p.initprivs IS NOT NULL) AND i.identity IS NOT NULL
                AND i.schema IS DISTINCT FROM 'information_schema'
                AND ARRAY[i.type, i.identity] <> ARRAY['schema', 'public']
                AND (x.oid < 16384 OR EXISTS (
                     SELECT FROM pg_catalog.pg_depend d
                      WHERE d.deptype = 'e' AND d.objid = x.oid AND d.classid = {class}))"
        )
    };
    let parts: Vec<String> = OF_SYSTEM.iter().map(of).collect();
    format!(
        "SELECT name, coalesce(now, '') FROM ({}) o(name, now, made) WHERE now IS DISTINCT FROM made",
        parts.join(" UNION ALL ")
    )
}

fn default_privileges() -> String {
    format!(
        "SELECT ARRAY[r.rolname, coalesce(n.nspname, ''),
                      CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
                           WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas'
                           WHEN 'L' THEN 'large objects' ELSE d.defaclobjtype::text END]::text[],
                coalesce({}, '')
           FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole
           LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
          WHERE NOT {}",
        privileges("d.defaclacl", "d.defaclrole"),
        of_rds("r.rolname"),
    )
}

/// Of the database's own objects, without what extensions say of theirs.
fn of_objects(table: &str, extra: &str, text: &str) -> String {
    format!(
        "SELECT ARRAY[i.type, {IDENTITY}{extra}], {text}
           FROM pg_catalog.{table} d, pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) i
          WHERE (d.objoid >= 16384 OR d.objoid = (
                 SELECT p.oid FROM pg_catalog.pg_namespace p WHERE p.nspname = 'public'))
            AND i.identity IS NOT NULL AND {NOT_TEMPORARY}
            AND coalesce(i.schema, '') <> 'lifeboat_restore'
            AND d.classoid <> 'pg_catalog.pg_largeobject'::pg_catalog.regclass
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                             WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')"
    )
}

fn comments() -> String {
    of_objects("pg_description", "", "d.description")
}

fn security_labels() -> String {
    of_objects("pg_seclabel", ", d.provider", "d.label")
}

fn roles() -> String {
    format!(
        "SELECT ARRAY[r.rolname]::text[], pg_catalog.concat_ws(' ',
                CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
                CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END,
                CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
                CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolcanlogin THEN 'LOGIN' END,
                CASE WHEN r.rolreplication THEN 'REPLICATION' END,
                CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
                CASE WHEN r.rolconnlimit >= 0 THEN 'CONNECTION LIMIT ' || r.rolconnlimit::text END,
                'VALID UNTIL ' || r.rolvaliduntil::text)
           FROM pg_catalog.pg_roles r WHERE {}",
        own_role("r.rolname")
    )
}

fn own_role(name: &str) -> String {
    format!("{name} !~ '^pg_' AND NOT {}", of_rds(name))
}

/// Whoever granted it.
fn memberships() -> String {
    format!(
        "SELECT ARRAY[r.rolname, u.rolname]::text[], pg_catalog.concat_ws(' ',
                CASE WHEN pg_catalog.bool_or(m.admin_option) THEN 'ADMIN' END,
                CASE WHEN pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean)
                     THEN 'INHERIT' END,
                CASE WHEN pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean)
                     THEN 'SET' END)
           FROM pg_catalog.pg_auth_members m
           JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
           JOIN pg_catalog.pg_roles u ON u.oid = m.member
          WHERE NOT {} AND {} GROUP BY r.rolname, u.rolname",
        of_rds("r.rolname"),
        own_role("u.rolname")
    )
}

fn settings(of: &str) -> String {
    format!(
        "SELECT ARRAY[coalesce(r.rolname, ''), pg_catalog.split_part(one, '=', 1)]::text[],
                pg_catalog.substr(one, pg_catalog.strpos(one, '=') + 1)
           FROM pg_catalog.pg_db_role_setting s
           LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
           LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
                pg_catalog.unnest(s.setconfig) one
          WHERE {of} AND (s.setrole = 0 OR {})",
        own_role("r.rolname")
    )
}

/// The database's own properties.
fn database() -> String {
    "SELECT p.name, p.text FROM pg_catalog.pg_database d, LATERAL (VALUES
       (ARRAY['owner'], pg_catalog.pg_get_userbyid(d.datdba)::text),
       (ARRAY['connection limit'], nullif(d.datconnlimit, -1)::text),
       (ARRAY['template flag'], nullif(d.datistemplate, false)::text),
       (ARRAY['comment'], pg_catalog.shobj_description(d.oid, 'pg_database'))) p(name, text)
      WHERE d.datname = pg_catalog.current_database() AND p.text IS NOT NULL"
        .to_owned()
}

fn database_privileges() -> String {
    format!(
        "SELECT ARRAY['privileges'], {} FROM pg_catalog.pg_database d
          WHERE d.datname = pg_catalog.current_database()",
        privileges(
            "coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))",
            "d.datdba"
        )
    )
}

fn role_comments() -> String {
    format!(
        "SELECT ARRAY[r.rolname]::text[], d.description FROM pg_catalog.pg_shdescription d
           JOIN pg_catalog.pg_roles r ON r.oid = d.objoid
          WHERE d.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND {}",
        own_role("r.rolname")
    )
}

fn role_labels() -> String {
    format!(
        "SELECT ARRAY[coalesce(r.rolname, ''), s.provider]::text[], s.label
           FROM pg_catalog.pg_shseclabel s
           LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.objoid
                AND s.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
           LEFT JOIN pg_catalog.pg_database d ON d.oid = s.objoid
                AND s.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
          WHERE d.datname = pg_catalog.current_database() OR {}",
        own_role("r.rolname")
    )
}

fn parameter_privileges() -> String {
    format!(
        "SELECT ARRAY[p.parname], {} FROM pg_catalog.pg_parameter_acl p",
        privileges("p.paracl", "10")
    )
}

pub(super) const KINDS: &[Kind] = &[
    Kind::new("owner", owners),
    Kind::new("privileges", all_privileges),
    Kind::new("privileges of the system", privileges_of_system),
    Kind::new("default privileges", default_privileges),
    Kind::new("comment", comments),
    Kind::new("security label", security_labels),
    Kind::new("database", database),
    Kind::new("database privileges", database_privileges),
    Kind::new("database setting", || {
        settings("d.datname = pg_catalog.current_database()")
    }),
    Kind::new("role", roles),
    Kind::new("role setting", || {
        settings("s.setdatabase = 0 AND s.setrole <> 0")
    }),
    Kind::new("role comment", role_comments),
    Kind::new("role label", role_labels),
    Kind::new("membership", memberships),
    Kind::since(150_000, "privileges on a parameter", parameter_privileges),
];
