//! A proxy before an S3 server that goes wrong as told, request by request.
#![allow(dead_code)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on, and so is its reply.
    Pass,
    /// The connection is closed before the server sees the request.
    DropRequest,
    /// The server carries it out; the connection is closed instead of a reply.
    DropReply,
    /// So many bytes of the reply's body arrive, then the connection is closed.
    CutReply(usize),
    /// The server carries it out; no reply comes for as long as the client waits.
    Stall,
    /// The server carries it out; the reply comes after so long.
    Late(Duration),
    /// The server does not see it; this status and code are the reply.
    Refuse(u16, &'static str),
    /// One bit of the request's body is changed on its way.
    Damage,
}

/// A request as far as a test decides by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The head as it came, in lower case.
    pub head: String,
}

impl Seen {
    /// The one object that is wrong on purpose, by which lifeboat tries a store.
    pub fn is_trial(&self) -> bool {
        self.target.contains("/lifeboat.canary/door")
    }
}

type Rule = dyn Fn(usize, &Seen) -> Fate + Send + Sync;

pub struct Faulty {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Faulty {
    /// Starts before `backend` (`http://host:port`). `rule` is given the number of the request,
    /// from 0, and the request.
    pub async fn before(
        backend: &str,
        rule: impl Fn(usize, &Seen) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let backend = backend.strip_prefix("http://").unwrap();
        let backend = backend.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (rule, seen): (Arc<Rule>, Arc<Mutex<Vec<Seen>>>) = (Arc::new(rule), Arc::default());
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (backend, rule, log) = (backend.clone(), rule.clone(), log.clone());
                // A connection that breaks off is what this is for.
                tokio::spawn(async move { serve(client, &backend, &*rule, &log).await });
            }
        });
        Self { endpoint, seen }
    }

    /// The requests so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|seen| seen.method == method).count()
    }
}

async fn serve(
    mut client: TcpStream,
    backend: &str,
    rule: &Rule,
    log: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let Some((head, mut body)) = read_request(&mut client).await? else {
        return Ok(());
    };
    let mut line = head.split(' ');
    let seen = Seen {
        method: line.next().unwrap_or_default().to_owned(),
        target: line.next().unwrap_or_default().to_owned(),
        head: head.to_lowercase(),
    };
    let fate = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        rule(log.len() - 1, &seen)
    };
    match fate {
        Fate::DropRequest => return Ok(()),
        Fate::Refuse(status, code) => {
            let body = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
            let body = if seen.method == "HEAD" { "" } else { &body };
            let len = body.len();
            let reply = format!(
                "HTTP/1.1 {status} Told\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}"
            );
            return client.write_all(reply.as_bytes()).await;
        }
        Fate::Damage => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        _ => {}
    }
    let reply = forward(backend, &head, &body).await?;
    let body_at = find(&reply, b"\r\n\r\n").map_or(reply.len(), |at| at + 4);
    match fate {
        Fate::Pass | Fate::Damage => client.write_all(&reply).await,
        Fate::Late(pause) => {
            tokio::time::sleep(pause).await;
            client.write_all(&reply).await
        }
        Fate::CutReply(bytes) => {
            let end = (body_at + bytes).min(reply.len());
            client.write_all(&reply[..end]).await
        }
        Fate::Stall => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn read_request(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let body_at = loop {
        if let Some(at) = find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..body_at]).into_owned();
    let mut body = bytes.split_off(body_at);
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    if header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let bytes = header("content-length").map_or(0, |len| len.parse().unwrap());
    while body.len() < bytes {
        if client.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((head, body)))
}

/// The server's whole reply; it closes the connection after it.
async fn forward(backend: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let lines = head.trim_end().lines();
    let kept = lines.filter(|line| !line.to_lowercase().starts_with("expect:"));
    let kept: Vec<&str> = kept.collect();
    let mut server = TcpStream::connect(backend).await?;
    let head = format!("{}\r\nConnection: close\r\n\r\n", kept.join("\r\n"));
    server.write_all(head.as_bytes()).await?;
    server.write_all(body).await?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply).await?;
    Ok(reply)
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|part| part == needle)
}
