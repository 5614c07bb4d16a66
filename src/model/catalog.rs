//! What a restore needs to know and only a holder of an identity may read: names, columns,
//! digests, roles, sequence values. Sealed as `catalog.json.zst.age`.

use crate::escape;
use crate::opaque;
use serde::{Deserialize, Serialize};

use super::definitions::{Columns, Definitions};
use super::digest::RowDigest;
pub(crate) use super::left_out::{KeyName, LeftOut, LeftOutObject, NotCoveredNames};
pub use super::name::Name;
use super::table_digest::RowShape;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    pub database: Database,
    pub roles: Vec<Role>,
    pub memberships: Vec<Membership>,
    /// From 15 on. Points made before lifeboat noted them have none.
    #[serde(default)]
    pub parameter_privileges: Vec<ParameterPrivilege>,
    /// In the order in which they were made.
    pub extensions: Vec<Extension>,
    /// Casts by way of text between PostgreSQL's own types. Points made before lifeboat noted them
    /// have none.
    #[serde(default)]
    pub casts: Vec<Cast>,
    /// Every table whose rows this export owns, partitions and inheritance children each as
    /// themselves; sorted by schema and name.
    pub tables: Vec<Table>,
    pub sequences: Vec<Sequence>,
    /// Keys, other constraints and indexes; what belongs to an extension is left out.
    pub constraints: Vec<Constraint>,
    /// In an order in which they can be refreshed.
    pub materialized_views: Vec<MaterializedView>,
    pub large_objects: LargeObjects,
    pub not_covered: Vec<NotCoveredNames>,
    /// What is missing because somebody asked for that.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// What is compared besides. `None`: the point was made before lifeboat noted it.
    #[serde(default)]
    pub definitions: Option<Vec<Definitions>>,
    /// All columns in full, generated ones too, in their order. Points made before lifeboat noted them have
    /// none.
    #[serde(default)]
    pub columns_full: Vec<Columns>,
    /// The schema archive prints money under lc_monetary C. Older ones print it as the source's own
    /// setting said.
    #[serde(default)]
    pub money_in_c: bool,
}

/// Properties of the database itself, which no archive carries without `-C`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub name: String,
    pub owner: String,
    /// Name of the encoding, for example `UTF8`.
    pub encoding: String,
    /// All names in this catalog are bytes of that encoding, as some would not convert to UTF-8. Always so
    /// where it is SQL_ASCII, whatever stands here.
    #[serde(default)]
    pub names_are_bytes: bool,
    /// `c` libc, `i` ICU, `b` builtin: pg_database.datlocprovider; `c` before 15.
    pub locale_provider: String,
    pub collate: String,
    pub ctype: String,
    /// ICU or builtin locale, where the provider has one.
    pub locale: Option<String>,
    pub icu_rules: Option<String>,
    pub collation_version: Option<String>,
    pub connection_limit: i32,
    pub is_template: bool,
    pub allow_connections: bool,
    pub comment: Option<String>,
    /// `None`: the default ACL.
    pub acl: Option<Vec<Grant>>,
    /// `ALTER DATABASE … SET` (role `None`) and `ALTER ROLE … IN DATABASE … SET`.
    pub settings: Vec<Setting>,
    /// What new sessions have, from the server or the database, of settings on which computed values
    /// depend. Points made before lifeboat noted them have none.
    #[serde(default)]
    pub computed_under: Vec<Setting>,
}

impl Database {
    /// What a session speaks in which names are to be written.
    pub fn encoding_of_names(&self) -> &str {
        match self.names_are_bytes || self.encoding == "SQL_ASCII" {
            true => &self.encoding,
            false => "UTF8",
        }
    }

    /// Whether a name of the instance, maybe of another encoding, can be written in this database.
    pub fn can_name(&self, name: &str) -> bool {
        self.encoding_of_names() != "UTF8" || !opaque::is_in(name)
    }
}

/// One `name = value` as in pg_db_role_setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub role: Option<String>,
    pub name: String,
    pub value: String,
}

/// One entry of an ACL, as `aclexplode` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub grantor: String,
    /// `None`: PUBLIC.
    pub grantee: Option<String>,
    /// For example `CONNECT`.
    pub privilege: String,
    pub grantable: bool,
}

/// A role of the instance, without its password. Roles of PostgreSQL itself (`pg_…`) and of RDS
/// (`rds…`) are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub superuser: bool,
    pub inherit: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub login: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub connection_limit: i32,
    /// As PostgreSQL prints it; `infinity` is possible.
    pub valid_until: Option<String>,
    /// `ALTER ROLE … SET` for all databases; `Setting::role` is `None` here.
    pub settings: Vec<Setting>,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub role: String,
    pub member: String,
    pub grantor: String,
    pub admin: bool,
    /// From 16 on.
    pub inherit: Option<bool>,
    /// From 16 on.
    pub set: Option<bool>,
}

/// A right that `GRANT … ON PARAMETER` gives on a setting of the server, whoever granted it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParameterPrivilege {
    pub parameter: String,
    /// `None`: PUBLIC.
    pub grantee: Option<String>,
    /// `SET` or `ALTER SYSTEM`.
    pub privilege: String,
    pub grantable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub name: String,
    pub version: String,
    pub schema: String,
}

/// `CREATE CAST (source AS target) WITH INOUT`, both types of schema pg_catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    pub source: String,
    pub target: String,
    /// `e` explicit, `a` in assignments, `i` implicit: pg_cast.castcontext.
    pub context: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// In the source; joins with the manifest's `tables`.
    pub oid: u32,
    #[serde(flatten)]
    pub name: Name,
    /// The columns in the order in which the rows hold them; generated ones are left out. Empty
    /// for a table without columns, whose rows are empty lines.
    pub columns: Vec<String>,
    /// Rows kept by the extension's own condition, as in pg_extension.extcondition: `WHERE …`.
    pub condition: Option<String>,
    /// The topmost parent, where this is a partition.
    pub root: Option<Name>,
    /// Whether rows must be loaded through `root`: it or a parent in between is hash partitioned by
    /// a type whose hash is not the same in another database, such as an enum.
    pub through_root: bool,
    /// Belongs to an extension (a configuration table).
    pub extension: Option<String>,
    /// Heap and TOAST together, in the source, in bytes.
    pub table_bytes: u64,
    /// Has columns of a reg* type: their values may name objects that exist only later.
    pub has_reg_columns: bool,
    pub digest: RowDigest,
    /// Its stored generated columns: a restore computes them anew. Points made before lifeboat digested
    /// them have none.
    #[serde(default)]
    pub generated: Vec<GeneratedColumn>,
}

impl Table {
    /// Of its rows as they are read.
    pub fn row_shape(&self) -> RowShape {
        RowShape {
            has_stored_columns: !self.columns.is_empty(),
            generated: self.generated.len(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratedColumn {
    pub name: String,
    /// Of the rows as they are stored, with this column's value after them.
    pub digest: RowDigest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    #[serde(flatten)]
    pub name: Name,
    pub last_value: i64,
    pub is_called: bool,
    /// Unlogged or logged does not matter; an extension's configuration sequence names it here.
    pub extension: Option<String>,
}

/// A constraint or an index that is none. Left out are constraints of domains, NOT NULL, and what
/// PostgreSQL makes by itself for the partitions of a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Constraint {
    /// The table or materialized view.
    pub on: Name,
    pub name: String,
    pub kind: ConstraintKind,
    /// An index of a partitioned table is valid once each partition has its own.
    pub valid: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    PrimaryKey,
    Unique,
    ForeignKey,
    Check,
    Exclusion,
    UniqueIndex,
    Index,
}

impl Constraint {
    /// For messages: `foreign key child_parent_fkey of public.child`.
    pub fn describe(&self) -> String {
        describe_constraint(&self.kind, &self.name, &self.on)
    }
}

/// The same of one that is not in a catalog. Findings are compared by these words.
pub(crate) fn describe_constraint(kind: &impl std::fmt::Display, name: &str, on: &Name) -> String {
    format!("{kind} {} of {on}", escape::name(name))
}

/// A constraint of a domain; one without a name is its NOT NULL.
pub(crate) fn describe_domain(domain: &Name, name: &str) -> String {
    match name {
        "" => format!("NOT NULL of domain {domain}"),
        name => format!("constraint {} of domain {domain}", escape::name(name)),
    }
}

impl std::fmt::Display for ConstraintKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PrimaryKey => "primary key",
            Self::Unique => "unique constraint",
            Self::ForeignKey => "foreign key",
            Self::Check => "check constraint",
            Self::Exclusion => "exclusion constraint",
            Self::UniqueIndex => "unique index",
            Self::Index => "index",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedView {
    #[serde(flatten)]
    pub name: Name,
    pub populated: bool,
    /// Of its rows, which are not stored; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<RowDigest>,
}

/// The rows themselves are in the manifest's tables 2613 and 2995.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    pub pages: RowDigest,
    pub properties: RowDigest,
}
