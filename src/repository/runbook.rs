//! To come.
use crate::error::Result;
use crate::model::catalog::Catalog;
use crate::model::manifest::{Manifest, TableParts};
pub fn script() -> &'static str {
    ""
}
pub fn restore_md(_: &Manifest, _: &str, _: &str) -> String {
    String::new()
}
pub fn plan(_: &Catalog, _: &[TableParts]) -> Result<Vec<u8>> {
    Ok(Vec::new())
}
pub fn roles_sql(_: &Catalog) -> String {
    String::new()
}
pub fn data_sql(_: &Catalog) -> String {
    String::new()
}
pub fn last_sql(_: &Catalog) -> String {
    String::new()
}
