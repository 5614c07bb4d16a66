//! Notifications: a webhook, and the ping of a dead man's switch.

mod message;

use std::time::Duration;

use backon::Retryable as _;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::escape;
use crate::http::{self, Believes, Outbound};
use crate::retry::RetryPolicy;

pub use self::message::{Format, Message, Part};

/// Where PagerDuty takes events, but for accounts of its European region.
const PAGER_DUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// How long and how often a notification is attempted: 47 seconds in all.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryOptions {
    /// For one attempt, from the connection to the end of the reply.
    pub attempt_timeout: Duration,
    pub retry: RetryPolicy,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(10),
            retry: RetryPolicy {
                attempts: 4,
                first_pause: Duration::from_secs(1),
            },
        }
    }
}

/// Posts a message. `secret` is the webhook's URL; PagerDuty's integration key, behind a URL where that is another
/// than everybody's.
pub async fn webhook(
    secret: &str,
    format: Format,
    message: &Message,
    options: DeliveryOptions,
) -> Result<()> {
    let words: Vec<&str> = secret.split_whitespace().collect();
    let (url, body) = match (format, &words[..]) {
        (Format::Slack, [url]) => (*url, message.slack()),
        (Format::Teams, [url]) => (*url, message.teams()),
        (Format::PagerDuty, [key]) => (PAGER_DUTY, message.pager_duty(key)),
        (Format::PagerDuty, [url, key]) => (*url, message.pager_duty(key)),
        (Format::Slack | Format::Teams, _) => return Err(no_url()),
        (Format::PagerDuty, _) => {
            return Err(Error::usage("it holds no integration key")
                .hint("write the key of an Events API v2 integration alone into the file"));
        }
    };
    send(url, Some(escape::json(&body)), options).await
}

/// Requests a URL, whose owner raises the alarm when the requests stop.
pub async fn ping(url: &str, options: DeliveryOptions) -> Result<()> {
    send(url, None, options).await
}

/// The URL is a secret: it is in no message.
async fn send(url: &str, body: Option<String>, options: DeliveryOptions) -> Result<()> {
    let send_once = async || {
        let (url, body) = (url.to_owned(), body.clone());
        let timeout = options.attempt_timeout;
        tokio::task::spawn_blocking(move || attempt(&url, body.as_deref(), timeout))
            .await
            .context(|| "a thread for the notification".to_owned())?
    };
    send_once
        .retry(options.retry)
        .when(|error| error.kind() == Kind::Unavailable)
        .await
}

fn attempt(url: &str, body: Option<&str>, timeout: Duration) -> Result<()> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(no_url());
    }
    // Redirects are not followed: the text is for this host alone.
    let agent = Outbound::from_environment()?.agent(url, timeout, Believes::System)?;
    let reply = match body {
        Some(body) => agent
            .post(url)
            .header("content-type", "application/json")
            .send(body),
        None => agent.get(url).call(),
    };
    let status = match reply {
        Ok(reply) => reply.status().as_u16(),
        Err(ureq::Error::BadUri(_) | ureq::Error::Http(_)) => return Err(no_url()),
        Err(why) => {
            let cause = cause(&why);
            let hint = http::hint_on(&cause).unwrap_or("is its host in reach from here?");
            return Err(Error::new(Kind::Unavailable, "no answer")
                .because(Error::failed(cause))
                .hint(hint));
        }
    };
    match status {
        200..=299 => Ok(()),
        429 | 500.. => Err(Error::new(Kind::Unavailable, format!("HTTP {status}"))),
        _ => Err(Error::failed(format!("HTTP {status}"))
            .hint("is the URL in the file still the right one?")),
    }
}

fn no_url() -> Error {
    Error::usage("its URL is none").hint("write https://… alone into the file")
}

/// The cause in words that do not repeat the URL.
fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "it took too long".to_owned(),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::ConnectionFailed => "it does not take connections".to_owned(),
        ureq::Error::Tls(what) => format!("TLS: {what}"),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::ConnectProxyFailed(why) => format!("CONNECT proxy: {why}"),
        _ => "the connection failed".to_owned(),
    }
}
