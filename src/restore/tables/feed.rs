//! Hands out parts: those that must go one after the other first, then the biggest tables.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;

use tokio::sync::Mutex;

use super::Load;
use crate::error::Result;
use crate::model::catalog::Name;
use crate::model::manifest::Part;
use crate::repository::{Parts, RestorePoint};

/// What one worker does next.
pub enum Job<'a> {
    /// One part, in parallel with others of the same table.
    Part(&'a Load<'a>, u64, Part),
    /// All parts of these tables, one after the other: they go through one root.
    InOrder(Vec<&'a Load<'a>>),
}

/// Shared by all workers.
pub struct Feed<'a> {
    point: &'a RestorePoint,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    in_order: VecDeque<Vec<&'a Load<'a>>>,
    tables: VecDeque<&'a Load<'a>>,
    current: Option<(&'a Load<'a>, u64, Parts)>,
}

impl<'a> Feed<'a> {
    pub fn new(point: &'a RestorePoint, loads: &'a [Load<'a>]) -> Self {
        let mut by_root: BTreeMap<&Name, Vec<&Load<'_>>> = BTreeMap::new();
        let mut tables: Vec<&Load<'_>> = Vec::new();
        for load in loads {
            match &load.root {
                Some((root, _)) if load.through_root.load(Ordering::Relaxed) => {
                    by_root.entry(root).or_default().push(load);
                }
                _ => tables.push(load),
            }
        }
        tables.sort_by_key(|load| std::cmp::Reverse(load.parts.copy_bytes));
        let state = State {
            in_order: by_root.into_values().collect(),
            tables: tables.into(),
            current: None,
        };
        Self {
            point,
            state: Mutex::new(state),
        }
    }

    /// `None`: nothing is left to hand out.
    pub async fn next(&self) -> Result<Option<Job<'a>>> {
        let mut state = self.state.lock().await;
        if let Some(loads) = state.in_order.pop_front() {
            return Ok(Some(Job::InOrder(loads)));
        }
        loop {
            if let Some((load, number, parts)) = &mut state.current {
                if let Some(part) = parts.next() {
                    let job = Job::Part(load, *number, part?);
                    *number += 1;
                    return Ok(Some(job));
                }
                state.current = None;
            }
            let Some(load) = state.tables.pop_front() else {
                return Ok(None);
            };
            state.current = Some((load, 0, self.point.parts(load.parts).await?));
        }
    }
}
