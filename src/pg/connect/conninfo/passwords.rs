//! Passwords that are made for one login each.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Server, SslMode};
use crate::error::{Error, Result};

/// Makes a password for each login, such as a token that is good for minutes.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// For this host (by its name, whatever the address), port and user.
    async fn password(&self, server: &Server) -> Result<String>;

    /// What to look at where the server refuses one.
    fn refused(&self, server: &Server) -> String;
}

impl Server {
    /// The same server, logged in to with passwords made for one login each. They travel as they
    /// are: never without TLS, and to a host that has a name.
    pub fn with_passwords(self, passwords: Arc<dyn Passwords>) -> Result<Self> {
        if self.is_socket() || self.host.parse::<IpAddr>().is_ok() {
            return Err(
                Error::usage(format!("{:?} is not the name of a host", self.host)).hint(
                    "a token is made for the endpoint's name: name that as host, and in the URL an \
                     address beside it where DNS does not know it: ?hostaddr=…",
                ),
            );
        }
        if self.ssl < SslMode::Require {
            return Err(Error::usage(format!(
                "a token would travel in clear to {}: sslmode is {}",
                self.host, self.ssl
            ))
            .hint("sslmode = \"verify-full\" is needed, the default for a host that is not local; require encrypts, but proves nothing"));
        }
        Ok(Self {
            password: None,
            password_from: None,
            passwords: Some(passwords),
            ..self
        })
    }

    /// The same server with the password of the next login: a new one each time, where they are made
    /// for one login each.
    pub async fn for_login(&self) -> Result<Self> {
        let password = match &self.passwords {
            Some(passwords) => Some(passwords.password(self).await?),
            None => self.password.clone(),
        };
        Ok(Self {
            password,
            ..self.clone()
        })
    }

    /// What to look at where a password that was made for the login is refused.
    pub(crate) fn on_refusal(&self) -> Option<String> {
        let passwords = self.passwords.as_ref()?;
        Some(passwords.refused(self))
    }
}
