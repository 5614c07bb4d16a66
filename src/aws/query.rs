//! Calls of AWS's query protocol, signed here: for services of which lifeboat needs one call, and
//! whose SDKs would take longer to build than all of lifeboat.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use backon::Retryable as _;
use roxmltree::Document;
use ureq::http::Request;

use super::account::Account;
use super::call_error::{self, Operation};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::http::{Believes, Outbound};
use crate::retry::RetryPolicy;

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const RETRY: RetryPolicy = RetryPolicy {
    attempts: 5,
    first_pause: Duration::from_millis(250),
};
const EXPIRED: [&str; 3] = ["RequestExpired", "ExpiredToken", "ExpiredTokenException"];
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) struct Query {
    pub operation: Operation,
    /// The service's name in its host and in signatures.
    pub service: &'static str,
    /// All arguments, encoded for a form.
    pub body: String,
    /// The first words of its errors, as in "cannot share arn:…".
    pub what: String,
}

impl Query {
    /// Returns the service's answer, as XML. Tries again while the service is busy or cannot be reached,
    /// and when AWS calls the credentials expired.
    pub(super) async fn send(&self, account: &Account) -> Result<String> {
        let send_once = async || {
            let credentials = match account.credentials().provide_credentials().await {
                Ok(credentials) => credentials,
                // The provider has tried again itself.
                Err(why) => return Ok(Err(call_error::no_answer(self.what.clone(), &why))),
            };
            let access_key = credentials.access_key_id().to_owned();
            let answer = self.attempt(account, credentials).await;
            if matches!(&answer, Err(failed) if failed.expired) {
                account.forget(&access_key);
            }
            answer.map(Ok)
        };
        send_once
            .retry(RETRY)
            .when(|failed| failed.expired || failed.error.kind() == Kind::Unavailable)
            .await
            .map_err(|failed| failed.error)?
    }

    async fn attempt(&self, account: &Account, by: Credentials) -> Result<String, AttemptError> {
        let request = self
            .signed(account, by)
            .map_err(|why| Error::failed(self.what.clone()).because(why))?;
        let url = account.endpoint(self.service);
        let agent =
            Outbound::from_environment()?.agent(&url, ATTEMPT_TIMEOUT, Believes::AsAwsDoes)?;
        let reply = tokio::task::spawn_blocking(move || {
            let mut reply = agent.run(request)?;
            let text = reply.body_mut().read_to_string()?;
            Ok::<_, ureq::Error>((reply.status().as_u16(), text))
        });
        let (status, text) = reply
            .await
            .context(|| "a thread for a call of AWS".to_owned())?
            .map_err(|why| call_error::no_answer(self.what.clone(), &why))?;
        if status == 200 {
            return Ok(text);
        }
        let (code, message) = code_and_message(&text);
        Err(AttemptError {
            expired: EXPIRED.contains(&code.as_str()),
            error: call_error::from_reply(
                &self.operation,
                self.what.clone(),
                status,
                &code,
                &message,
            ),
        })
    }

    fn signed(
        &self,
        account: &Account,
        by: Credentials,
    ) -> Result<Request<String>, Box<dyn StdError + Send + Sync>> {
        let url = account.endpoint(self.service);
        let identity = by.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&account.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("content-type", FORM)].into_iter();
        let body = SignableBody::Bytes(self.body.as_bytes());
        let signable = SignableRequest::new("POST", &url, headers, body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = Request::post(&url)
            .header("content-type", FORM)
            .body(self.body.clone())?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// Why an attempt failed.
struct AttemptError {
    error: Error,
    /// AWS calls the credentials expired, whatever our clock says.
    expired: bool,
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self {
            error,
            expired: false,
        }
    }
}

/// Code and message of an error in XML; empty where the text is none.
fn code_and_message(text: &str) -> (String, String) {
    let Ok(document) = Document::parse(text) else {
        return Default::default();
    };
    let first = |name: &str| {
        let found = document.descendants().find(|node| node.has_tag_name(name));
        found
            .and_then(|node| node.text())
            .unwrap_or_default()
            .to_owned()
    };
    (first("Code"), first("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_in_the_words_of_each_service() {
        for text in [
            "<Response><Errors><Error><Code>A</Code><Message>b</Message></Error></Errors></Response>",
            "<ErrorResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><Error>\
             <Type>Sender</Type><Code>A</Code><Message>b</Message></Error></ErrorResponse>",
        ] {
            assert_eq!(code_and_message(text), ("A".to_owned(), "b".to_owned()));
        }
        assert_eq!(code_and_message("busy"), Default::default());
    }

    #[test]
    fn foreign_errors_give_no_more_than_they_hold() {
        crate::foreign::each_text("xml", |text| {
            let (code, message) = code_and_message(text);
            assert!(code.len() + message.len() <= 4 * text.len());
            assert!(code.is_empty() || text.contains("Code"));
        });
    }
}
