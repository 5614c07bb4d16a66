//! Telling somebody: a webhook, a dead man's switch.

use std::time::Duration;

use serde_json::json;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::escape;
use crate::http;

/// How long is waited for somebody who is to be told: 48 seconds in all.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// One attempt, from the connection to the end of the reply.
    pub attempt: Duration,
    /// Before the second, third and fourth attempt.
    pub pauses: [Duration; 3],
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            pauses: [500, 2000, 5000].map(Duration::from_millis),
        }
    }
}

/// Posts a text as Slack and all that imitate it take one: `{"text": "…"}`.
pub async fn webhook(url: &str, text: &str, patience: Patience) -> Result<()> {
    send(url, Some(escape::json(&json!({ "text": text }))), patience).await
}

/// Asks for a URL, which by that knows that all is well.
pub async fn ping(url: &str, patience: Patience) -> Result<()> {
    send(url, None, patience).await
}

/// A text that holds none of Slack's control characters: a table may be called `<!channel>`.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The URL is a secret: it is in no message.
async fn send(url: &str, body: Option<String>, patience: Patience) -> Result<()> {
    let mut pauses = patience.pauses.iter();
    loop {
        let (url, body) = (url.to_owned(), body.clone());
        let sent =
            tokio::task::spawn_blocking(move || attempt(&url, body.as_deref(), patience.attempt))
                .await
                .context(|| "a thread for the notification".to_owned())?;
        let error = match sent {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match pauses.next() {
            Some(pause) if error.kind() == Kind::Unavailable => tokio::time::sleep(*pause).await,
            _ => return Err(error),
        }
    }
}

fn attempt(url: &str, body: Option<&str>, limit: Duration) -> Result<()> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(no_url());
    }
    // Not followed elsewhere: what is told is for nobody else's eyes.
    let agent = http::agent(limit, true);
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
            return Err(Error::new(Kind::Unavailable, "no answer")
                .because(Error::failed(cause(&why)))
                .hint("is its host in reach from here?"));
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

/// In words that do not repeat the URL.
fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "it took too long".to_owned(),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::ConnectionFailed => "it does not take connections".to_owned(),
        ureq::Error::Tls(what) => format!("TLS: {what}"),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        _ => "the connection failed".to_owned(),
    }
}
