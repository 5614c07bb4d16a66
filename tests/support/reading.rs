//! Reads rows out of a restore point by the library, without restoring it.

use std::io::Read;
use std::sync::Arc;

use lifeboat::testing::Trust;
use lifeboat::testing::codec::Identities;
use lifeboat::testing::model::Catalog;
use lifeboat::testing::repository::{PointSelector, Repository, RestorePoint};
use lifeboat::testing::store::DirStore;

use super::Lifeboat;

/// A restore point, open.
pub struct Reading {
    point: RestorePoint,
    identities: Identities,
    pub catalog: Catalog,
}

impl Reading {
    pub async fn open(lifeboat: &Lifeboat, id: &str) -> Self {
        let repository = Repository::new(Arc::new(DirStore::open(lifeboat.repository()).unwrap()));
        let which: PointSelector = id.parse().unwrap();
        let found = repository.choose(&which, None, None).await.unwrap();
        let trust = Trust {
            fingerprints: vec![lifeboat.fingerprint().parse().unwrap()],
        };
        let point = repository.open(&found, &trust).await.unwrap();
        let identities = Identities::from_files(&[lifeboat.identity()]).unwrap();
        let catalog = point.catalog(&identities).await.unwrap();
        Self {
            point,
            identities,
            catalog,
        }
    }

    /// Names of all tables of a schema.
    pub fn tables(&self, schema: &str) -> Vec<String> {
        let tables = self
            .catalog
            .tables
            .iter()
            .filter(|table| table.name.schema == schema);
        tables.map(|table| table.name.name.clone()).collect()
    }

    /// The rows of a table as COPY text, sorted.
    pub async fn rows(&self, table: &str) -> Vec<String> {
        let known = self
            .catalog
            .tables
            .iter()
            .find(|known| known.name.name == table);
        let oid = known.unwrap_or_else(|| panic!("no table {table}")).oid;
        let stored = self
            .point
            .manifest
            .tables
            .iter()
            .find(|stored| stored.oid == oid)
            .unwrap();
        let mut text = String::new();
        for part in self.point.parts(stored).await.unwrap() {
            let sealed = self.point.fetch(&part.unwrap().object).await.unwrap();
            self.identities
                .open_compressed(sealed)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
        }
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    }
}
