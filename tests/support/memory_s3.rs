//! A [`MemoryStore`] that speaks S3's protocol, as far as lifeboat does, and goes wrong as told, request by request.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Kind;
use lifeboat::testing::model::{Key, Lock, LockMode, Sha256};
use lifeboat::testing::store::{Cursor, Head, RequestLimits, S3Options, S3Store, Store as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::memory::MemoryStore;
use super::servers::credentials;

/// What is asked of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Put,
    Get,
    Head,
    List,
    GetRetention,
    PutRetention,
    Versioning,
    ObjectLock,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It is not carried out; this status and code are the reply.
    Refused(u16, &'static str),
    /// The connection ends before it is carried out.
    LostBefore,
    /// It is carried out, and the connection ends.
    LostAfter,
    /// It is not carried out, and no reply comes for as long as the client waits.
    StalledBefore,
    /// It is carried out, and no reply comes.
    StalledAfter,
    /// The reply's body ends in its middle.
    CutReply,
    /// A bit of the reply's body is another one.
    DamagedReply,
    /// A bit of the request's body is another one.
    DamagedRequest,
    /// The reply names another version of the object.
    OtherVersion,
    /// The reply names another checksum of the object.
    OtherChecksum,
    /// The store's clock is a day off.
    OtherTime,
    /// The reply says that the lock ends earlier than it does.
    ShorterLock,
    /// The reply says nothing of the lock.
    NoLock,
}

/// A request as it came.
pub struct Request {
    pub call: Call,
    /// Of the object, or the prefix of a listing; empty where the bucket is asked.
    pub key: String,
    version: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    fn query(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

type Rule = dyn Fn(&Request) -> Option<Mishap> + Send + Sync;

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
        }
    }

    fn error(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
        Self {
            status,
            ..Self::ok(body.into_bytes())
        }
    }

    fn of(error: &lifeboat::testing::Error) -> Self {
        match error.kind() {
            Kind::NotFound => Self::error(404, "NoSuchVersion"),
            Kind::Exists => Self::error(412, "PreconditionFailed"),
            Kind::Damaged => Self::error(400, "XAmzContentSHA256Mismatch"),
            _ => Self::error(403, "AccessDenied"),
        }
    }
}

/// Starts before `store`; its address. Serves for as long as the runtime lives.
pub async fn serve(
    store: Arc<MemoryStore>,
    rule: impl Fn(&Request) -> Option<Mishap> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rule: Arc<Rule> = Arc::new(rule);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (store, rule) = (store.clone(), rule.clone());
            // A connection that breaks off is what this is for.
            tokio::spawn(async move { converse(client, &store, &*rule).await });
        }
    });
    format!("http://{address}")
}

/// A store that speaks with it.
pub async fn open(endpoint: String, limits: RequestLimits) -> S3Store {
    let options = S3Options {
        bucket: "faults".to_owned(),
        endpoint: Some(endpoint),
        path_style: true,
        credentials: Some(credentials("test".to_owned(), "test".to_owned())),
        ..S3Options::default()
    };
    S3Store::open_with(options, limits).await.unwrap()
}

async fn converse(mut client: TcpStream, store: &MemoryStore, rule: &Rule) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut read = Vec::new();
    while let Some(mut request) = read_request(&mut client, &mut read).await? {
        let mishap = rule(&request);
        match mishap {
            Some(Mishap::LostBefore) => return Ok(()),
            Some(Mishap::StalledBefore) => return std::future::pending().await,
            Some(Mishap::DamagedRequest) => {
                let middle = request.body.len() / 2;
                request.body[middle] ^= 1;
            }
            _ => {}
        }
        let mut reply = match mishap {
            Some(Mishap::Refused(status, code)) => Reply::error(status, code),
            _ => answer(store, &request).await,
        };
        match mishap {
            Some(Mishap::LostAfter) => return Ok(()),
            Some(Mishap::StalledAfter) => return std::future::pending().await,
            Some(mishap) => twist(&mut reply, mishap),
            None => {}
        }
        let cut = mishap == Some(Mishap::CutReply);
        client.write_all(&written(&request, &reply, cut)).await?;
        if cut {
            return Ok(());
        }
    }
    Ok(())
}

/// Makes a reply say what is not so.
fn twist(reply: &mut Reply, mishap: Mishap) {
    let is_lock = |name: &str| name.starts_with("x-amz-object-lock");
    match mishap {
        Mishap::DamagedReply => {
            let middle = reply.body.len() / 2;
            reply.body[middle] ^= 1;
        }
        Mishap::NoLock => reply.headers.retain(|(name, _)| !is_lock(name)),
        _ => {}
    }
    for (name, value) in &mut reply.headers {
        match (mishap, *name) {
            (Mishap::OtherVersion, "x-amz-version-id") => *value = "another".to_owned(),
            (Mishap::OtherChecksum, "x-amz-checksum-sha256") => {
                *value = BASE64.encode(Sha256::of(b"another").0);
            }
            (Mishap::OtherTime, "date") => {
                let told = jiff::fmt::rfc2822::parse(value).unwrap().timestamp();
                *value = http_date(told + SignedDuration::from_hours(24));
            }
            (Mishap::ShorterLock, "x-amz-object-lock-retain-until-date") => {
                let until: Timestamp = value.parse().unwrap();
                *value = (until - SignedDuration::from_hours(24)).to_string();
            }
            _ => {}
        }
    }
}

fn written(request: &Request, reply: &Reply, cut: bool) -> Vec<u8> {
    let Reply {
        status,
        headers,
        body,
    } = reply;
    let is_head = request.call == Call::Head;
    let length = match headers.iter().find(|(name, _)| *name == "content-length") {
        Some((_, length)) => length.clone(),
        None => body.len().to_string(),
    };
    let mut text = format!("HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "content-length") {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    let end = if cut { body.len() / 2 } else { body.len() };
    if !is_head {
        bytes.extend_from_slice(&body[..end]);
    }
    bytes
}

async fn answer(store: &MemoryStore, request: &Request) -> Reply {
    let answered = match request.call {
        Call::Versioning => Ok(Reply::ok(xml(
            "VersioningConfiguration",
            "<Status>Enabled</Status>",
        ))),
        Call::ObjectLock => Ok(Reply::ok(xml(
            "ObjectLockConfiguration",
            "<ObjectLockEnabled>Enabled</ObjectLockEnabled>",
        ))),
        Call::Put => put(store, request).await,
        Call::Get | Call::Head => get(store, request).await,
        Call::List => list(store, request).await,
        Call::GetRetention => retention(store, request).await,
        Call::PutRetention => extend(store, request).await,
    };
    let mut reply = answered.unwrap_or_else(|error| Reply::of(&error));
    reply.headers.push(("date", http_date(store.now())));
    reply
}

type Answer = lifeboat::testing::Result<Reply>;

async fn put(store: &MemoryStore, request: &Request) -> Answer {
    let header = |name| request.header(name);
    let announced = BASE64
        .decode(header("x-amz-checksum-sha256").unwrap())
        .unwrap();
    let lock = header("x-amz-object-lock-mode").map(|mode| Lock {
        mode: mode_of(mode),
        retain_until: header("x-amz-object-lock-retain-until-date")
            .unwrap()
            .parse()
            .unwrap(),
    });
    let key: Key = request.key.parse()?;
    let body = Bytes::from(request.body.clone());
    let head = store
        .put_new(&key, body, Sha256(announced.try_into().unwrap()), lock)
        .await?;
    Ok(Reply {
        headers: vec![("x-amz-version-id", head.version)],
        ..Reply::ok(Vec::new())
    })
}

async fn get(store: &MemoryStore, request: &Request) -> Answer {
    let key: Key = request.key.parse()?;
    let body = store.get(&key, &request.version, u64::MAX).await?;
    let head = store.head(&key, &request.version).await?;
    Ok(Reply {
        headers: headers_of(&head),
        ..Reply::ok(body.to_vec())
    })
}

fn headers_of(head: &Head) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("x-amz-version-id", head.version.clone()),
        ("last-modified", http_date(head.stored_at)),
        ("content-length", head.bytes.to_string()),
    ];
    headers.extend(
        head.sha256
            .map(|sum| ("x-amz-checksum-sha256", BASE64.encode(sum.0))),
    );
    if let Some(Lock { mode, retain_until }) = head.lock {
        headers.push(("x-amz-object-lock-mode", mode.to_string()));
        headers.push((
            "x-amz-object-lock-retain-until-date",
            retain_until.to_string(),
        ));
    }
    headers
}

async fn list(store: &MemoryStore, request: &Request) -> Answer {
    let from = request.query("key-marker").map(|key| Cursor {
        key: key.to_owned(),
        version: request.query("version-id-marker").map(str::to_owned),
    });
    let page = store.list_versions(&request.key, from).await?;
    let mut text = format!("<IsTruncated>{}</IsTruncated>", page.next.is_some());
    for one in &page.objects {
        text.push_str(&format!(
            "<Version><Key>{}</Key><VersionId>{}</VersionId><Size>{}</Size><LastModified>{}</LastModified></Version>",
            one.key, one.version, one.bytes, one.stored_at
        ));
    }
    if let Some(next) = page.next {
        text.push_str(&format!("<NextKeyMarker>{}</NextKeyMarker>", next.key));
        let version = next.version.unwrap_or_default();
        text.push_str(&format!(
            "<NextVersionIdMarker>{version}</NextVersionIdMarker>"
        ));
    }
    Ok(Reply::ok(xml("ListVersionsResult", &text)))
}

async fn retention(store: &MemoryStore, request: &Request) -> Answer {
    let head = store.head(&request.key.parse()?, &request.version).await?;
    let Some(Lock { mode, retain_until }) = head.lock else {
        return Ok(Reply::error(404, "NoSuchObjectLockConfiguration"));
    };
    let text = format!("<Mode>{mode}</Mode><RetainUntilDate>{retain_until}</RetainUntilDate>");
    Ok(Reply::ok(xml("Retention", &text)))
}

async fn extend(store: &MemoryStore, request: &Request) -> Answer {
    let text = String::from_utf8(request.body.clone()).unwrap();
    let between = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once("</").unwrap().0.to_owned()
    };
    let lock = Lock {
        mode: mode_of(&between("Mode")),
        retain_until: between("RetainUntilDate").parse().unwrap(),
    };
    store
        .extend_lock(&request.key.parse()?, &request.version, lock)
        .await?;
    Ok(Reply::ok(Vec::new()))
}

fn mode_of(name: &str) -> LockMode {
    match name {
        "COMPLIANCE" => LockMode::Compliance,
        _ => LockMode::Governance,
    }
}

fn xml(name: &str, inner: &str) -> Vec<u8> {
    format!("<{name} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{name}>")
        .into_bytes()
}

fn http_date(time: Timestamp) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&time)
        .unwrap()
}

/// The next request of a connection; `None`: it ended.
async fn read_request(client: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let body_at = loop {
        if let Some(at) = memchr::memmem::find(read, b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(read).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&read[..body_at]).into_owned();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(key, _)| key == name);
    if header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = header("content-length").map_or(0, |(_, length)| length.parse().unwrap());
    while read.len() < body_at + length {
        if client.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
    let rest = read.split_off(body_at + length);
    let body = std::mem::replace(read, rest).split_off(body_at);
    Ok(Some(understood(&head, headers, body)))
}

fn understood(head: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Request {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let asked = |name: &str| query.iter().find(|(key, _)| key == name);
    let call = match method {
        "PUT" if asked("retention").is_some() => Call::PutRetention,
        "PUT" => Call::Put,
        "HEAD" => Call::Head,
        _ if asked("retention").is_some() => Call::GetRetention,
        _ if asked("versions").is_some() => Call::List,
        _ if asked("versioning").is_some() => Call::Versioning,
        _ if asked("object-lock").is_some() => Call::ObjectLock,
        _ => Call::Get,
    };
    let of_path = path
        .trim_start_matches('/')
        .split_once('/')
        .map_or("", |(_, key)| key);
    Request {
        key: match asked("prefix") {
            Some((_, prefix)) => prefix.clone(),
            None => decoded(of_path),
        },
        version: asked("versionId").map_or(String::new(), |(_, version)| version.clone()),
        call,
        query,
        headers,
        body,
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
