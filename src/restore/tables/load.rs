//! One table to load, and whether the server takes its rows.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::model::catalog::{Name, Table};
use crate::model::manifest::{LARGE_OBJECT_PAGES, TableParts};
use crate::pg::target::large_objects;
use crate::pg::target::load::{self, Destination, Money};

/// What the target's tables need while they are loaded.
pub(super) struct TargetTables {
    /// Those that have a foreign table below them.
    pub foreign_roots: BTreeSet<Name>,
    /// Those that hold money, and whether they compute something.
    pub money: BTreeMap<Name, bool>,
    /// Sessions read and compute money under lc_monetary C anyway.
    pub money_is_plain: bool,
}

impl TargetTables {
    fn money(&self, table: &Name) -> Money {
        match self.money.get(table) {
            None => Money::None,
            Some(true) if !self.money_is_plain => Money::Computed,
            Some(_) => Money::Plain,
        }
    }
}

pub(super) struct TableLoad<'a> {
    pub parts: &'a TableParts,
    pub direct: Destination,
    /// The topmost parent, through which rows find their partition where that is another one than in
    /// the source.
    pub root: Option<(Name, Destination)>,
    /// The topmost parent, where rows could get from it to a foreign server: not loaded through.
    pub foreign_root: Option<Name>,
    /// Whether all further parts go through the root.
    through_root: Cell<bool>,
    /// Why the server refuses these rows: the first reason.
    refusal: OnceCell<Error>,
}

impl<'a> TableLoad<'a> {
    /// `triggers_off`: no trigger may fire; if true, none of a foreign key either.
    pub(super) fn of_table(
        table: &Table,
        parts: &'a TableParts,
        encoding: &str,
        triggers_off: Option<bool>,
        target: &TargetTables,
    ) -> Self {
        let destination = |name: &Name, through_root| {
            let plain = Destination {
                table_oid: table.oid,
                before: triggers_off
                    .map_or_else(String::new, |keys| load::triggers_off(name, keys)),
                sql: load::copy_in(name, &table.columns, encoding),
                after: triggers_off.map_or("", |_| load::TRIGGERS_ON).to_owned(),
                what: format!("table {name}"),
                through_root,
            };
            plain.with_money(target.money(name), name, &table.columns)
        };
        let foreign_roots = &target.foreign_roots;
        let (foreign_root, root) = match table.root.clone() {
            Some(root) if foreign_roots.contains(&root) => (Some(root), None),
            root => (None, root),
        };
        Self {
            parts,
            direct: destination(&table.name, false),
            through_root: Cell::new(table.through_root && root.is_some()),
            root: root.map(|root| {
                let through_root = destination(&root, true);
                (root, through_root)
            }),
            foreign_root,
            refusal: OnceCell::new(),
        }
    }

    pub(super) fn of_large_objects(parts: &'a TableParts, encoding: &str) -> Self {
        Self {
            parts,
            direct: match parts.oid {
                LARGE_OBJECT_PAGES => large_objects::pages(encoding),
                _ => large_objects::properties(encoding),
            },
            root: None,
            foreign_root: None,
            through_root: Cell::new(false),
            refusal: OnceCell::new(),
        }
    }

    pub(super) fn goes_through_root(&self) -> bool {
        self.through_root.get()
    }

    pub(super) fn go_through_root(&self) {
        self.through_root.set(true);
    }

    pub(super) fn refuse(&self, error: Error) {
        self.refusal.get_or_init(|| error);
    }

    pub(super) fn refusal(&self) -> Option<&Error> {
        self.refusal.get()
    }
}
