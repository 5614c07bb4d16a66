//! A proxy before a PostgreSQL server, in which one message goes wrong.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::wire::{read_message, read_startup, split};

/// Beyond the second of `connect_timeout` of a case whose fault is a delay.
const DELAY_OF_LOGIN: Duration = Duration::from_millis(1100);

/// Of what nothing limits the time of.
const DELAY: Duration = Duration::from_millis(200);

/// After a message was dropped and nothing more came for so long, the connection is found dead, as TCP finds one after
/// some minutes.
const QUIET: Duration = Duration::from_millis(800);

/// What an injected ErrorResponse says.
pub const TOLD: &str = "faults: told to fail";

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not arrive; what follows does.
    Dropped,
    /// The connection is reset in its place.
    Reset,
    /// An ErrorResponse comes in its place.
    Error,
    /// It comes late.
    Delayed,
    /// Half of it arrives, then the connection ends.
    Truncated,
    /// It arrives twice.
    Doubled,
}

pub const ALL: [Fault; 6] = [
    Fault::Dropped,
    Fault::Reset,
    Fault::Error,
    Fault::Delayed,
    Fault::Truncated,
    Fault::Doubled,
];

impl Fault {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Reset => "reset",
            Self::Error => "error",
            Self::Delayed => "delayed",
            Self::Truncated => "truncated",
            Self::Doubled => "duplicated",
        }
    }
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// Lives as long as the runtime that it was started in.
pub struct Proxy {
    pub port: u16,
    fault: Option<(usize, Fault)>,
    seen: AtomicUsize,
    done: AtomicBool,
    /// The message that it happened to.
    struck: Mutex<Option<String>>,
}

struct Connection {
    proxy: Arc<Proxy>,
    whose: Whose,
    is_logged_in: AtomicBool,
    last: Mutex<Instant>,
    dead: watch::Sender<bool>,
}

impl Proxy {
    /// Seconds, fewer than the delay of a login takes where that is the fault.
    pub fn connect_timeout(&self) -> u32 {
        match self.fault {
            Some((_, Fault::Delayed)) => 1,
            _ => 30,
        }
    }
}

/// Who made a connection, by the settings that it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Lifeboat,
    PgDump,
    PgRestore,
}

impl Whose {
    fn of(startup: &[u8]) -> Self {
        let asks_for = |setting: &str| memchr::memmem::find(startup, setting.as_bytes()).is_some();
        if asks_for("row_security=off") {
            Self::PgDump
        } else if asks_for("check_function_bodies=off") {
            Self::PgRestore
        } else {
            Self::Lifeboat
        }
    }
}

/// Half of a message: the connection ends behind it.
struct Cut;

impl Proxy {
    /// The fault happens to the message of this number, or the next one that it can happen to.
    pub async fn before(server: String, fault: Option<(usize, Fault)>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            fault,
            seen: AtomicUsize::new(0),
            done: AtomicBool::new(false),
            struck: Mutex::default(),
        });
        let proxy = it.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                // A connection that breaks off is what this is for.
                tokio::spawn(serve(proxy.clone(), client, server));
            }
        });
        it
    }

    pub fn messages(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    pub fn struck(&self) -> Option<String> {
        self.struck.lock().unwrap().clone()
    }

    fn fault_of(&self, way: Way, message: &[u8], whose: Whose) -> Option<Fault> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let (at, fault) = self.fault?;
        // Every server says that it is ready for the next query, even after an error.
        let fits = match fault {
            Fault::Error => way == Way::ToClient && message[0] != b'Z',
            // PostgreSQL's own tools do not count the rows that arrive. Where a connection has TLS, none is lost.
            Fault::Dropped | Fault::Doubled => whose == Whose::Lifeboat || message[0] != b'D',
            _ => true,
        };
        if number < at || !fits || self.done.swap(true, Ordering::SeqCst) {
            return None;
        }
        let text = String::from_utf8_lossy(&message[5..message.len().min(85)]).into_owned();
        let kind = char::from(message[0]);
        let struck = format!("message {number} of {whose:?}, {way:?}: {kind} {text:?}");
        *self.struck.lock().unwrap() = Some(struck);
        Some(fault)
    }
}

async fn serve(proxy: Arc<Proxy>, client: TcpStream, server: TcpStream) -> io::Result<()> {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        split(client, server);
    let startup = read_startup(&mut from_client).await?;
    to_server.write_all(&startup).await?;
    let connection = Arc::new(Connection {
        proxy,
        whose: Whose::of(&startup),
        is_logged_in: AtomicBool::new(false),
        last: Mutex::new(Instant::now()),
        dead: watch::Sender::new(false),
    });
    let mut dead = connection.dead.subscribe();
    let cut = tokio::select! {
        cut = connection.carry(Way::ToServer, &mut from_client, &mut to_server) => cut,
        cut = connection.carry(Way::ToClient, &mut from_server, &mut to_client) => cut,
        _ = dead.changed() => Ok(Some(Cut)),
    };
    if cut?.is_some() {
        for half in [from_client.as_ref(), from_server.as_ref()] {
            socket2::SockRef::from(half).set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(())
}

impl Connection {
    async fn carry(
        self: &Arc<Self>,
        way: Way,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<Option<Cut>> {
        loop {
            let (kind, message) = read_message(from).await?;
            *self.last.lock().unwrap() = Instant::now();
            match self.proxy.fault_of(way, &message, self.whose) {
                None => to.write_all(&message).await?,
                Some(Fault::Dropped) => self.clone().bury_when_quiet(),
                Some(Fault::Reset) => return Ok(Some(Cut)),
                Some(Fault::Error) => to.write_all(&error_response()).await?,
                Some(Fault::Delayed) => {
                    let delay = match self.is_logged_in.load(Ordering::SeqCst) {
                        true => DELAY,
                        false => DELAY_OF_LOGIN,
                    };
                    tokio::time::sleep(delay).await;
                    to.write_all(&message).await?;
                }
                Some(Fault::Truncated) => {
                    to.write_all(&message[..message.len() / 2]).await?;
                    to.flush().await?;
                    return Ok(None);
                }
                Some(Fault::Doubled) => {
                    to.write_all(&message).await?;
                    to.write_all(&message).await?;
                }
            }
            if kind == b'Z' && way == Way::ToClient {
                self.is_logged_in.store(true, Ordering::SeqCst);
            }
        }
    }

    fn bury_when_quiet(self: Arc<Self>) {
        tokio::spawn(async move {
            loop {
                let quiet = self.last.lock().unwrap().elapsed();
                match QUIET.checked_sub(quiet) {
                    Some(left) => tokio::time::sleep(left + Duration::from_millis(1)).await,
                    None => break,
                }
            }
            self.dead.send_replace(true);
        });
    }
}

fn error_response() -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C55000\0M{TOLD}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    [b"E", &length[..], fields.as_bytes()].concat()
}
