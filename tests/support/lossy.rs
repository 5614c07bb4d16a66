//! A proxy before a PostgreSQL server that loses the connection at a COMMIT of rows.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::wire::{read_message, read_startup, split};

/// When the connection is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The server has committed; the client does not hear of it.
    OfReply,
    /// The client's COMMIT is passed on, and the client is gone; the server does not notice.
    /// Only where the COMMIT comes with this text.
    OfClient(String),
}

/// Lives as long as the runtime that it was started in.
#[derive(Clone)]
pub struct Lossy {
    pub port: u16,
    losses: Arc<AtomicUsize>,
}

struct Connection {
    loss: Loss,
    left: Arc<AtomicUsize>,
    losses: Arc<AtomicUsize>,
    /// Rows were copied over it.
    copies: AtomicBool,
    /// The client is to be cut off.
    gone: Notify,
}

impl Lossy {
    /// Loses the connection at the first `times` commits that follow a COPY.
    pub async fn before(server: String, loss: Loss, times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Self {
            port: listener.local_addr().unwrap().port(),
            losses: Arc::default(),
        };
        let losses = it.losses.clone();
        let left = Arc::new(AtomicUsize::new(times));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = Arc::new(Connection {
                    loss: loss.clone(),
                    left: left.clone(),
                    losses: losses.clone(),
                    copies: AtomicBool::new(false),
                    gone: Notify::new(),
                });
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(connection.serve(client, server));
            }
        });
        it
    }

    /// How many connections were lost so far.
    pub fn losses(&self) -> usize {
        self.losses.load(Ordering::Relaxed)
    }
}

impl Connection {
    async fn serve(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        let ((from_client, to_client), (from_server, to_server)) = split(client, server);
        let up = tokio::spawn(self.clone().to_server(from_client, to_server));
        // A connection that breaks off is what this is for.
        let _ = self.to_client(from_server, to_client).await;
        up.abort();
    }

    async fn to_client(
        &self,
        mut server: OwnedReadHalf,
        mut client: OwnedWriteHalf,
    ) -> io::Result<()> {
        loop {
            let (kind, message) = tokio::select! {
                message = read_message(&mut server) => message?,
                () = self.gone.notified() => {
                    drop(client);
                    return std::future::pending().await;
                }
            };
            match kind {
                // CopyInResponse.
                b'G' => self.copies.store(true, Ordering::Relaxed),
                // CommandComplete.
                b'C' if &message[5..] == b"COMMIT\0"
                    && self.loss == Loss::OfReply
                    && self.is_to_be_lost() =>
                {
                    return Ok(());
                }
                _ => {}
            }
            client.write_all(&message).await?;
        }
    }

    async fn to_server(
        self: Arc<Self>,
        mut client: OwnedReadHalf,
        mut server: OwnedWriteHalf,
    ) -> io::Result<()> {
        let startup = read_startup(&mut client).await?;
        server.write_all(&startup).await?;
        loop {
            let (kind, message) = read_message(&mut client).await?;
            server.write_all(&message).await?;
            let text = String::from_utf8_lossy(&message);
            let commits = kind == b'Q' && text.ends_with("COMMIT\0");
            let with = matches!(&self.loss, Loss::OfClient(with) if text.contains(with));
            if commits && with && self.is_to_be_lost() {
                break;
            }
        }
        self.gone.notify_one();
        drop(client);
        // The server's side stays open, as after a network partition.
        std::future::pending().await
    }

    fn is_to_be_lost(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        let lost = self.copies.load(Ordering::Relaxed)
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok();
        if lost {
            self.losses.fetch_add(1, Ordering::Relaxed);
        }
        lost
    }
}
