//! To come.
use crate::error::{Error, Result};
pub struct S3Options {
    pub bucket: String,
    pub prefix: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub path_style: bool,
    pub expected_bucket_owner: Option<String>,
    pub profile: Option<String>,
    pub credentials: Option<(String, String)>,
}
pub struct S3Store;
impl S3Store {
    pub async fn open(_: S3Options) -> Result<super::dir::DirStore> {
        Err(Error::failed("not yet"))
    }
}
