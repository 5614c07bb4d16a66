//! A small catalog and its manifest for the unit tests.

use crate::model::catalog::{
    Catalog, Database, Extension, LargeObjects, LeftOut, Name, Role, Table,
};
use crate::model::digest::RowDigest;
use crate::model::id::Id;
use crate::model::manifest::{FORMAT, Manifest};

fn name(schema: &str, name: &str) -> Name {
    Name {
        schema: schema.to_owned(),
        name: name.to_owned(),
    }
}

fn table(oid: u32, of: Name, root: Option<Name>) -> Table {
    Table {
        oid,
        name: of,
        columns: vec!["a".to_owned()],
        condition: None,
        root,
        through_root: false,
        extension: None,
        table_bytes: 0,
        has_reg_columns: false,
        digest: RowDigest::default(),
        generated: Vec::new(),
    }
}

pub fn role(name: &str) -> Role {
    Role {
        name: name.to_owned(),
        superuser: false,
        inherit: true,
        create_role: false,
        create_db: false,
        login: true,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: None,
        settings: Vec::new(),
        comment: None,
    }
}

/// Tables a.t (1), a.parted (2) with its partition a.leaf (3), and b.t (4).
pub fn catalog() -> Catalog {
    let none = RowDigest::default();
    Catalog {
        database: Database {
            name: "app".to_owned(),
            owner: "own".to_owned(),
            encoding: "UTF8".to_owned(),
            names_are_bytes: false,
            locale_provider: "c".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            locale: None,
            icu_rules: None,
            collation_version: None,
            connection_limit: -1,
            is_template: false,
            allow_connections: true,
            comment: None,
            acl: None,
            settings: Vec::new(),
            computed_under: Vec::new(),
        },
        roles: vec![role("own")],
        memberships: Vec::new(),
        parameter_privileges: Vec::new(),
        extensions: vec![Extension {
            name: "hstore".to_owned(),
            version: "1.8".to_owned(),
            schema: "public".to_owned(),
        }],
        casts: Vec::new(),
        tables: vec![
            table(1, name("a", "t"), None),
            table(2, name("a", "parted"), None),
            table(3, name("a", "leaf"), Some(name("a", "parted"))),
            table(4, name("b", "t"), None),
        ],
        sequences: Vec::new(),
        constraints: Vec::new(),
        materialized_views: Vec::new(),
        large_objects: LargeObjects {
            pages: none,
            properties: none,
        },
        not_covered: Vec::new(),
        left_out: LeftOut::default(),
        definitions: None,
        columns_full: Vec::new(),
        money_in_c: true,
    }
}

/// Of an export that stored nothing yet.
pub fn manifest() -> Manifest {
    let at = jiff::Timestamp::UNIX_EPOCH;
    Manifest {
        format: FORMAT,
        requires: Vec::new(),
        repository: "repository".to_owned(),
        id: Id::new(at, 7),
        run: Id::new(at, 6),
        source: "prod".to_owned(),
        database: "app".to_owned(),
        tool: "lifeboat".to_owned(),
        server_version: "15.18".to_owned(),
        server_version_num: 150_018,
        pg_dump_major: 15,
        system_identifier: None,
        started_at: at,
        snapshot_at: at,
        finished_at: at,
        previous: None,
        lock: None,
        recipients: Vec::new(),
        objects: Vec::new(),
        tables: Vec::new(),
        not_covered: Vec::new(),
        excluded: Vec::new(),
        parts_from: Vec::new(),
        stored_anew: None,
        state: None,
    }
}
