//! A proxy before a PostgreSQL server that counts the statements of all its clients, and kills one of them
//! at a chosen one: before the server gets it, or before anybody hears of it.

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::wire::{read_message, read_startup, split};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The server never sees the statement.
    Before,
    /// It runs the statement, and has nobody to tell.
    After,
}

/// Lives as long as the runtime that it was started in.
pub struct Deadly {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Which statement is the last one, from 1 on; 0: none is.
    last: usize,
    when: When,
    victim: AtomicU32,
    seen: AtomicUsize,
    /// What was sent at that moment.
    text: Mutex<String>,
    dead: AtomicBool,
    died: watch::Sender<bool>,
}

impl Deadly {
    pub async fn before(server: u16, last: usize, when: When) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            last,
            when,
            victim: AtomicU32::new(0),
            seen: AtomicUsize::new(0),
            text: Mutex::default(),
            dead: AtomicBool::new(false),
            died: watch::Sender::new(false),
        });
        let for_clients = shared.clone();
        tokio::spawn(async move {
            let mut died = for_clients.died.subscribe();
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    // Nobody connects to a proxy that is gone.
                    _ = died.wait_for(|died| *died) => return,
                };
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(for_clients.clone().serve(client, server));
            }
        });
        Self { port, shared }
    }

    /// Whom to kill. What it may do before this is known is too little to be a statement.
    pub fn aim_at(&self, process: u32) {
        self.shared.victim.store(process, Ordering::SeqCst);
    }

    /// Statements so far.
    pub fn seen(&self) -> usize {
        self.shared.seen.load(Ordering::SeqCst)
    }

    /// The statement at which it killed; empty: it did not.
    pub fn killed_at(&self) -> String {
        self.shared.text.lock().unwrap().clone()
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        let ((from_client, to_client), (from_server, to_server)) = split(client, server);
        let down = tokio::spawn(self.clone().to_client(from_server, to_client));
        // A connection that breaks off is what this is for.
        let _ = self.to_server(from_client, to_server).await;
        let _ = down.await;
    }

    /// After the kill nothing is passed on, but the server's words are read until it closes.
    async fn to_client(self: Arc<Self>, mut server: OwnedReadHalf, client: OwnedWriteHalf) {
        let mut client = Some(client);
        let mut block = vec![0; 65536];
        let mut died = self.died.subscribe();
        loop {
            let read = tokio::select! {
                read = server.read(&mut block) => read.unwrap_or(0),
                _ = died.wait_for(|died| *died), if client.is_some() => {
                    client = None;
                    continue;
                }
            };
            if read == 0 {
                return;
            }
            if self.dead.load(Ordering::SeqCst) {
                client = None;
            }
            if let Some(client) = &mut client {
                let _ = client.write_all(&block[..read]).await;
            }
        }
    }

    async fn to_server(
        &self,
        mut client: OwnedReadHalf,
        mut server: OwnedWriteHalf,
    ) -> io::Result<()> {
        let startup = read_startup(&mut client).await?;
        server.write_all(&startup).await?;
        let mut died = self.died.subscribe();
        loop {
            let (kind, message) = tokio::select! {
                message = read_message(&mut client) => message?,
                // The server finds its client gone.
                _ = died.wait_for(|died| *died) => return Ok(()),
            };
            // Query, Parse, Execute, CopyDone.
            let is_statement = matches!(kind, b'Q' | b'P' | b'E' | b'c');
            let is_last = is_statement && self.is_last();
            if self.dead.load(Ordering::SeqCst) && !is_last {
                return Ok(());
            }
            if is_last && self.when == When::Before {
                self.kill(&message);
                return Ok(());
            }
            server.write_all(&message).await?;
            if is_last {
                self.kill(&message);
                return Ok(());
            }
        }
    }

    fn is_last(&self) -> bool {
        let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let last = number == self.last;
        if last {
            self.dead.store(true, Ordering::SeqCst);
        }
        last
    }

    fn kill(&self, message: &[u8]) {
        let text = String::from_utf8_lossy(&message[5..]).into_owned();
        // Before: whoever waits for the victim asks for it.
        *self.text.lock().unwrap() = format!("{}: {text}", char::from(message[0]));
        let victim = self.victim.load(Ordering::SeqCst);
        // 0 would be this process and all of its group.
        assert_ne!(victim, 0, "nobody was aimed at");
        let victim = victim.to_string();
        let killed = Command::new("kill").args(["-KILL", &victim]).status();
        assert!(killed.unwrap().success(), "process {victim}");
        self.died.send_replace(true);
    }
}
