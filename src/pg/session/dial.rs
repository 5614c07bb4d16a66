//! A socket to the server, with the options we want, before any protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::error::{Error, Kind, Result};
use crate::pg::connect::server::{KEEPALIVE_COUNT, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, Server};

/// What a receive buffer should hold: rows keep arriving while a part is being compressed.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A connected socket.
pub(super) enum ServerStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Dials the socket folder, or each address of the host in turn.
pub(super) async fn dial(server: &Server) -> Result<ServerStream> {
    if server.is_socket() {
        let path = Path::new(&server.host).join(format!(".s.PGSQL.{}", server.port));
        return match UnixStream::connect(&path).await {
            Ok(stream) => Ok(ServerStream::Unix(stream)),
            Err(error) => Err(refusal(server, &path.display().to_string(), error)),
        };
    }
    let addresses = lookup(server).await?;
    // One black hole among several addresses must not eat all the time there is.
    let share = server
        .connect_timeout
        .filter(|_| addresses.len() > 1)
        .map(|limit| limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX));
    let mut last = None;
    for address in addresses {
        match dial_tcp(SocketAddr::new(address, server.port), share).await {
            Ok(stream) => return Ok(ServerStream::Tcp(stream)),
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((address, error)) => {
            let place = SocketAddr::new(address, server.port).to_string();
            refusal(server, &place, error)
        }
        None => Error::failed(format!("connecting to {server}: no address")),
    })
}

async fn lookup(server: &Server) -> Result<Vec<IpAddr>> {
    let copy = server.clone();
    tokio::task::spawn_blocking(move || copy.lookup())
        .await
        .map_err(|error| {
            Error::failed(format!("looking up the host name {:?}", server.host)).because(error)
        })?
        .map_err(|error| Error::new(error.kind(), format!("connecting to {server}")).because(error))
}

async fn dial_tcp(address: SocketAddr, limit: Option<Duration>) -> io::Result<TcpStream> {
    let connecting = prepared(address)?.connect(address);
    match limit {
        None => connecting.await,
        Some(limit) => tokio::time::timeout(limit, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

fn prepared(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_COUNT);
    socket.set_tcp_keepalive(&keepalive)?;
    if grants_receive_buffer() {
        // A request only. The window scale is agreed on in the handshake, so before connecting.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    socket.set_nonblocking(true)?;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

/// Linux limits the request to `rmem_max`, 208 KiB by default, and stops growing the buffer by
/// itself, which reaches 6 MiB: worse than no request.
fn grants_receive_buffer() -> bool {
    std::fs::read_to_string("/proc/sys/net/core/rmem_max")
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok())
        .is_none_or(|max| max >= RECEIVE_BUFFER)
}

fn refusal(server: &Server, place: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "is the server running, and does it listen on this address and port?"
        }
        io::ErrorKind::NotFound => {
            "is a server running on this machine, with its socket in this folder? \
             Name a host to connect over the network"
        }
        io::ErrorKind::PermissionDenied => "this user may not open the server's socket",
        _ => "check that security groups and firewalls let this machine in",
    };
    Error::new(
        Kind::Unavailable,
        format!("connecting to {server} at {place}"),
    )
    .because(error)
    .hint(hint)
}
