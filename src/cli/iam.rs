//! IAM database authentication: what `pg` asks for passwords is answered by `aws`.

use std::sync::Arc;

use async_trait::async_trait;

use super::accounts;
use super::run::{Access, Run};
use crate::aws::Tokens;
use crate::config::Source;
use crate::error::Result;
use crate::pg::connect::server::{Passwords, Server};

struct Iam(Tokens);

#[async_trait]
impl Passwords for Iam {
    async fn password(&self, server: &Server) -> Result<String> {
        let Self(tokens) = self;
        tokens.make(&server.host, server.port, &server.user).await
    }

    fn refused(&self, server: &Server) -> String {
        self.0.hint_when_refused(&server.host, &server.user)
    }
}

/// Tokens of the source account, where any of the sources wants them.
pub(super) async fn tokens(
    access: &Access,
    sources: &[Source],
    run: &Run,
) -> Result<Option<Arc<dyn Passwords>>> {
    if !sources.iter().any(|source| source.connection.iam) {
        return Ok(None);
    }
    let account = accounts::source(&access.accounts, run).await?;
    Ok(Some(Arc::new(Iam(Tokens::new(account)))))
}
