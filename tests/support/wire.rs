//! PostgreSQL's messages, for proxies before a server.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

pub type Halves = (OwnedReadHalf, OwnedWriteHalf);

/// Of the client and of the server; what is written leaves at once.
pub fn split(client: TcpStream, server: TcpStream) -> (Halves, Halves) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    (client.into_split(), server.into_split())
}

/// The first message has no type; with its length.
pub async fn read_startup(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let len = from.read_u32().await?;
    let mut message = vec![0; len as usize];
    message[..4].copy_from_slice(&len.to_be_bytes());
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// A message with its type, and the whole of it.
pub async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = from.read_u8().await?;
    let len = from.read_u32().await?;
    let mut message = vec![0; len as usize + 1];
    message[0] = kind;
    message[1..5].copy_from_slice(&len.to_be_bytes());
    from.read_exact(&mut message[5..]).await?;
    Ok((kind, message))
}
