//! The drill's side: a server that runs in the second container.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::protocol::{
    Answer, MAX_ANSWER, Outcome, Ready, Request, STILL_THERE, Started, VERSION, parse, read_line,
    to_line,
};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::attestation::Walls;
use crate::pg::local::throwaway::{SHARED_PREFIX, SOCKET_FILE, ServerRequest};
use crate::wall::User;
use crate::wall::container::{Container, Peer};

/// How long to wait for the drill server: containers of a task start at the same time.
pub(crate) const START_WAIT: Duration = Duration::from_secs(60);
/// How long a new server may take until it is answered for.
const START: Duration = Duration::from_secs(180);
/// How long a drill server may take over what is done at once, and over removing a server.
const REPLY: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// What an answer says of the walls, weighed against what the kernel says of who answered.
#[derive(Debug)]
pub struct WallReport {
    pub walls: Walls,
    /// Why a wall does not stand; empty where all do.
    pub missing: Vec<String>,
}

/// A running server; dropped, the other side removes it.
#[derive(Debug)]
pub struct Remote {
    stream: UnixStream,
    /// Its socket's folder, as seen from here.
    pub folder: PathBuf,
    pub report: WallReport,
    /// Such as "15.4".
    pub version: String,
}

/// Asks a drill server which walls stand around it; starts no server.
pub async fn ask_walls(socket: &Path) -> Result<WallReport> {
    let mut stream = connect(socket, Duration::ZERO).await?;
    let (ready, peer) = ask(&mut stream, None, REPLY).await?;
    report_walls(&ready, peer)
}

impl Remote {
    /// Starts one; waits as long as `wait` for somebody to listen on `socket`.
    pub async fn start(socket: &Path, request: ServerRequest, wait: Duration) -> Result<Self> {
        let mut stream = connect(socket, wait).await?;
        let (ready, peer) = ask(&mut stream, Some(request), START).await?;
        let report = report_walls(&ready, peer)?;
        let started = (ready.server).ok_or_else(|| untrue("it has started no server"))?;
        Ok(Self {
            stream,
            folder: folder(socket, &started, peer)?,
            report,
            version: version(started.postgres)?,
        })
    }

    /// Runs `work`, which needs the server, and fails where it was not there until the end: what came of
    /// the work is then no verdict on anything.
    pub async fn or_lost<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = tokio::select! {
            biased;
            () = self.closed() => return Err(lost()),
            done = work => done,
        };
        self.check().await?;
        done
    }

    /// Returns when the other side closes, or says what it was not asked.
    async fn closed(&self) {
        while self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut [0]) {
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Asks whether the server still runs.
    async fn check(&self) -> Result<()> {
        let ask = async {
            self.stream.writable().await?;
            self.stream.try_write(&[STILL_THERE])?;
            loop {
                self.stream.readable().await?;
                let mut said = [0];
                match self.stream.try_read(&mut said) {
                    Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read.map(|count| count == 1 && said == [STILL_THERE]),
                }
            }
        };
        match tokio::time::timeout(REPLY, ask).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(lost()),
        }
    }

    /// Returns when server and folder are gone.
    pub async fn remove(mut self) -> Result<()> {
        let left = || {
            Error::failed(format!("{} may have been left", self.folder.display()))
                .hint("the second container removes it when it starts again")
        };
        // Where the other side is gone already, so is the server.
        let _ = self.stream.shutdown().await;
        let closed = tokio::time::timeout(REPLY, self.closed()).await;
        closed.map_err(|_| left())
    }
}

fn lost() -> Error {
    Error::new(
        Kind::Unavailable,
        "the drill server in the second container ended in the middle of the drill",
    )
    .hint("that container's log says why; often it had too little memory")
}

fn untrue(what: &str) -> Error {
    Error::refused(format!(
        "the drill server's answer cannot be believed: {what}"
    ))
    .hint("run lifeboat's own image in the second container, and start it anew")
}

async fn connect(socket: &Path, wait: Duration) -> Result<UnixStream> {
    let began = Instant::now();
    loop {
        let why = match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(why) => why,
        };
        let may_come = matches!(
            why.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        );
        if !may_come {
            return Err(why).context(|| format!("cannot connect to {}", socket.display()));
        }
        if began.elapsed() >= wait {
            let waited = match wait.as_secs() {
                0 => String::new(),
                seconds => format!(" within {seconds} s"),
            };
            let socket = socket.display();
            return Err(Error::new(
                Kind::Unavailable,
                format!("no drill server answers on {socket}{waited}"),
            )
            .because(why)
            .hint(
                "the second container is missing or has ended: it runs `lifeboat drill-server` on the same \
                 folder",
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends the request, and reads what came of it.
async fn ask(
    stream: &mut UnixStream,
    server: Option<ServerRequest>,
    wait: Duration,
) -> Result<(Ready, Peer)> {
    let peer = peer(stream)?;
    let line = to_line(&Request {
        lifeboat: VERSION.to_owned(),
        server,
    })?;
    let exchange = async {
        let sent = stream.write_all(&line).await;
        sent.context(|| "asking the drill server".to_owned())?;
        read_line(stream, MAX_ANSWER).await
    };
    let line = tokio::time::timeout(wait, exchange).await.map_err(|_| {
        let seconds = wait.as_secs();
        let what = format!("the drill server gave no answer within {seconds} s");
        Error::new(Kind::Unavailable, what)
    })?;
    let line = line.context(|| "the drill server's answer".to_owned())?;
    let line = line.ok_or_else(lost)?;
    match parse::<Answer>(&line, "drill server's answer")?.outcome {
        Outcome::Ready(ready) => Ok((ready, peer)),
        Outcome::Refused(refusal) => Err(Error::refused(format!(
            "the drill server starts no server: {}",
            refusal.error
        ))
        .hint(refusal.hint)),
    }
}

fn peer(stream: &UnixStream) -> Result<Peer> {
    let found = stream.peer_cred();
    let found = found.context(|| "cannot learn who listens on the socket".to_owned())?;
    Ok(Peer {
        user: User {
            uid: found.uid(),
            gid: found.gid(),
        },
        pid: found.pid(),
    })
}

/// The server's own walls, and those that its container adds.
fn report_walls(theirs: &Ready, peer: Peer) -> Result<WallReport> {
    let between = Container::own()?.walls_towards(&theirs.container, peer);
    let walls = Walls {
        network: theirs.walls.network,
        files: theirs.walls.files || between.files,
        processes: theirs.walls.processes || between.processes,
        uid: between.uid,
    };
    let mut missing = Vec::new();
    if !walls.network {
        missing.push(format!(
            "the drill server's network is not walled: {}",
            theirs.missing.join("; ")
        ));
    }
    if !walls.files {
        missing.push("the drill server sees this container's files".to_owned());
    }
    if !walls.processes {
        missing.push("the drill server may see this container's processes".to_owned());
    }
    Ok(WallReport { walls, missing })
}

/// A folder directly below the one of the socket, made by who answered, with a server's socket in it:
/// no name leads anywhere else.
fn folder(socket: &Path, started: &Started, peer: Peer) -> Result<PathBuf> {
    let ending = started.folder_name.strip_prefix(SHARED_PREFIX);
    let is_plain = ending.is_some_and(|ending| {
        (1..=32).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if !is_plain {
        return Err(untrue("it names no folder of a server"));
    }
    let folder = socket.with_file_name(&started.folder_name);
    let is_theirs = fs::symlink_metadata(&folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == peer.user.uid);
    if !is_theirs {
        return Err(untrue("the folder that it names is none of its own"));
    }
    let listens = fs::symlink_metadata(folder.join(SOCKET_FILE))
        .is_ok_and(|found| found.file_type().is_socket());
    if !listens {
        return Err(untrue("there is no server's socket where it names one"));
    }
    Ok(folder)
}

/// It is printed, and signed.
fn version(said: String) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    match (1..=20).contains(&said.len()) && said.bytes().all(plain) {
        true => Ok(said),
        false => Err(untrue("it names no version of PostgreSQL")),
    }
}
