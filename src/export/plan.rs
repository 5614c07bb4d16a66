//! What is read, in which order: the biggest slices first, so that the workers end together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::reuse::Reuse;
use super::table_progress::TableProgress;
use super::table_reuse::TableReuse;
use crate::model::catalog::{MaterializedView, Name};
use crate::model::digest::RowDigest;
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES};
use crate::model::table_digest::RowShape;
use crate::pg::source::catalog::SourceTable;
use crate::pg::source::slice;

/// One COPY.
pub(super) struct Job {
    pub rows: Rows,
    pub sql: String,
    /// Decides who is first.
    estimated_bytes: u64,
    /// Its share of [`Plan::estimated_bytes`].
    pub progress_bytes: u64,
}

/// What becomes of the rows of a COPY.
pub(super) enum Rows {
    Stored(Arc<TableProgress>),
    /// A restore computes them anew.
    Digested(Arc<ViewProgress>),
}

/// A materialized view that is filled.
pub(super) struct ViewProgress {
    pub name: Name,
    /// Stays empty where the view could not be read as the snapshot shows it.
    pub digest: OnceLock<RowDigest>,
}

/// All COPYs of an export.
pub(super) struct Plan {
    /// In the order of the catalog's tables.
    pub tables: Vec<Arc<TableProgress>>,
    /// Pages and properties, where there are large objects.
    pub large_objects: Vec<Arc<TableProgress>>,
    pub views: Vec<Arc<ViewProgress>>,
    jobs: Mutex<VecDeque<Job>>,
    pub slices: usize,
    pub estimated_bytes: u64,
}

impl Plan {
    /// `tables` without the partitioned ones, which have no rows of their own.
    pub(super) fn new(
        tables: &[SourceTable],
        has_large_objects: bool,
        views: &[MaterializedView],
        server_version_num: u32,
        encoding: &str,
        reuse: Option<&Arc<Reuse>>,
    ) -> Self {
        let mut jobs = Vec::new();
        let mut progresses = Vec::with_capacity(tables.len());
        for source in tables {
            let slices = slice::cut(source, server_version_num);
            let name = source.table.name.to_string();
            let (oid, shape) = (source.table.oid, source.table.row_shape());
            let table = Arc::new(match slices.len() {
                0 => TableProgress::without_rows(oid, name, shape),
                slices => {
                    let bytes = source.table.table_bytes;
                    let reuse = reuse.map(|reuse| TableReuse::new(reuse, oid, bytes));
                    TableProgress::new(oid, name, shape, slices, reuse)
                }
            });
            jobs.extend(slices.iter().map(|slice| Job {
                rows: Rows::Stored(Arc::clone(&table)),
                sql: slice::copy_out(&source.table, slice, encoding),
                estimated_bytes: slice.estimated_bytes,
                progress_bytes: slice.estimated_bytes,
            }));
            progresses.push(table);
        }
        let large_objects = if has_large_objects {
            large_object_jobs(&mut jobs, encoding, reuse)
        } else {
            Vec::new()
        };
        let views = view_jobs(&mut jobs, views, encoding);
        jobs.sort_by_key(|job| std::cmp::Reverse(job.estimated_bytes));
        Self {
            tables: progresses,
            large_objects,
            views,
            slices: jobs.len(),
            estimated_bytes: jobs.iter().map(|job| job.progress_bytes).sum(),
            jobs: Mutex::new(jobs.into()),
        }
    }

    pub(super) fn next(&self) -> Option<Job> {
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

fn large_object_jobs(
    jobs: &mut Vec<Job>,
    encoding: &str,
    reuse: Option<&Arc<Reuse>>,
) -> Vec<Arc<TableProgress>> {
    [
        (LARGE_OBJECT_PAGES, slice::large_object_pages(encoding)),
        (
            LARGE_OBJECT_PROPERTIES,
            slice::large_object_properties(encoding),
        ),
    ]
    .into_iter()
    .map(|(oid, sql)| {
        let (name, shape) = ("the large objects".to_owned(), RowShape::default());
        // Their size is not known, and the same each time keeps the chunks.
        let reuse = reuse.map(|reuse| TableReuse::new(reuse, oid, 0));
        let table = Arc::new(TableProgress::new(oid, name, shape, 1, reuse));
        // Their size is not known: started first, they do not end last.
        jobs.push(Job {
            rows: Rows::Stored(Arc::clone(&table)),
            sql,
            estimated_bytes: u64::MAX,
            progress_bytes: 0,
        });
        table
    })
    .collect()
}

fn view_jobs(
    jobs: &mut Vec<Job>,
    views: &[MaterializedView],
    encoding: &str,
) -> Vec<Arc<ViewProgress>> {
    let populated = views.iter().filter(|view| view.populated);
    populated
        .map(|view| {
            let progress = Arc::new(ViewProgress {
                name: view.name.clone(),
                digest: OnceLock::new(),
            });
            // As with large objects.
            jobs.push(Job {
                rows: Rows::Digested(Arc::clone(&progress)),
                sql: slice::copy_view(&view.name, encoding),
                estimated_bytes: u64::MAX,
                progress_bytes: 0,
            });
            progress
        })
        .collect()
}
