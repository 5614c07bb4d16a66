//! The two lines of a connection, and how they are read.

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Walls;
use crate::pg::local::throwaway::ServerRequest;
use crate::wall::container::Container;

/// Both sides must be of this version: there is no other agreement on what the lines hold.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bytes of a line at most. Both are far below: a request holds a few names, an answer a sentence or two.
pub(super) const MAX_REQUEST: usize = 4 * 1024;
pub(super) const MAX_ANSWER: usize = 16 * 1024;

/// The byte that asks whether the server still runs, and that answers that it does.
pub(super) const STILL_THERE: u8 = b'.';

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub lifeboat: String,
    /// `None`: only the walls are asked for.
    pub server: Option<ServerRequest>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub lifeboat: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Ready(Ready),
    Refused(Refusal),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    pub container: Container,
    /// Those of the server's own wall, within its container.
    pub walls: Walls,
    /// Why one of them does not stand.
    pub missing: Vec<String>,
    /// `None` where none was asked for.
    pub server: Option<Started>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    /// Such as "15.4".
    pub postgres: String,
    /// Of the folder with its socket, below the shared one.
    pub folder_name: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    pub error: String,
    pub hint: String,
}

/// The part of a line that is read first: another version may mean something else by the rest.
#[derive(Deserialize)]
struct Version {
    lifeboat: String,
}

/// Reads the one line that a side sends at first; `None` where the other closed without a word.
pub(super) async fn read_line(stream: &mut UnixStream, max: usize) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let read = stream.read_buf(&mut line).await;
        let read = read.context(|| "reading from the socket".to_owned())?;
        if line.len() > max {
            return Err(Error::refused(format!("more than {max} bytes in a line")));
        }
        match (line.iter().position(|byte| *byte == b'\n'), read) {
            (Some(end), _) if end + 1 == line.len() => {
                line.pop();
                return Ok(Some(line));
            }
            (Some(_), _) => return Err(Error::refused("more than one line")),
            (None, 0) if line.is_empty() => return Ok(None),
            (None, 0) => return Err(Error::refused("half a line")),
            (None, _) => {}
        }
    }
}

/// The line of a side that is of our version.
pub(super) fn parse<T: serde::de::DeserializeOwned>(line: &[u8], whose: &str) -> Result<T> {
    let unknown = |why: serde_json::Error| {
        Error::refused(format!("the {whose} is none that lifeboat {VERSION} knows")).because(why)
    };
    let version: Version = serde_json::from_slice(line).map_err(unknown)?;
    if version.lifeboat != VERSION {
        let theirs: String = version.lifeboat.chars().take(40).collect();
        return Err(Error::refused(format!(
            "the {whose} is of lifeboat '{}', this is lifeboat {VERSION}",
            theirs.escape_debug()
        ))
        .hint("run the same image in both containers"));
    }
    serde_json::from_slice(line).map_err(unknown)
}

pub(super) fn to_line(message: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)
        .map_err(|why| Error::failed("cannot write a message as JSON").because(why))?;
    line.push(b'\n');
    Ok(line)
}

/// A name that lifeboat makes for a drill: nothing that a file or a statement would read otherwise.
pub(super) fn is_name_of_ours(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    name.len() <= 63 && name.starts_with("lifeboat_") && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn line_of(sent: &[u8], max: usize) -> Result<Option<Vec<u8>>> {
        use tokio::io::AsyncWriteExt as _;
        let (mut here, mut there) = UnixStream::pair().unwrap();
        there.write_all(sent).await.unwrap();
        drop(there);
        read_line(&mut here, max).await
    }

    #[tokio::test]
    async fn exactly_one_line_within_the_limit_is_read() {
        assert_eq!(line_of(b"", 9).await.unwrap(), None);
        assert_eq!(line_of(b"{}\n", 9).await.unwrap().unwrap(), b"{}");
        for (sent, why) in [
            (b"{}".as_slice(), "half a line"),
            (b"{}\n{", "more than one line"),
            (b"0123456789\n", "more than 9 bytes"),
        ] {
            let error = line_of(sent, 9).await.unwrap_err();
            assert!(error.to_string().starts_with(why), "{error}");
        }
    }

    #[test]
    fn another_version_is_named_before_its_words_are_read() {
        let error = parse::<Answer>(br#"{"lifeboat":"9.9","new":1}"#, "answer").unwrap_err();
        assert!(error.to_string().contains("lifeboat '9.9'"), "{error}");
        assert!(error.advice().contains("same image"), "{error:?}");
        let ours = format!(r#"{{"lifeboat":"{VERSION}","new":1}}"#);
        let error = parse::<Answer>(ours.as_bytes(), "answer").unwrap_err();
        assert!(error.to_string().contains("none that lifeboat"), "{error}");
    }

    #[test]
    fn messages_read_as_they_were_written() {
        let refusal = Refusal {
            error: "no initdb".to_owned(),
            hint: "install it".to_owned(),
        };
        let answer = Answer {
            lifeboat: VERSION.to_owned(),
            outcome: Outcome::Refused(refusal),
        };
        let line = to_line(&answer).unwrap();
        assert_eq!(line.last(), Some(&b'\n'));
        let read: Answer = parse(&line, "answer").unwrap();
        assert!(matches!(read.outcome, Outcome::Refused(one) if one.hint == "install it"));
    }
}
