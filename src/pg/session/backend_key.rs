//! The process id that the server announced at login, which tokio-postgres keeps to itself.
//!
//! A pooler announces a number of its own; a server its backend's. So the comparison with
//! `pg_backend_pid()` distinguishes them, whatever addresses are translated in between.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf,
};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::error::Error;

const SSL_REQUEST: i32 = 80_877_103;
const CANCEL_REQUEST: i32 = 80_877_102;

/// Makes the token write its cancel request to us instead of to a server.
pub(super) async fn announced_pid(token: CancelToken) -> Option<i32> {
    let (theirs, mut ours) = tokio::io::duplex(64);
    let writing = token.cancel_query_raw(theirs, Passthrough);
    let (_, pid) = tokio::join!(writing, read_pid(&mut ours));
    pid.ok().flatten()
}

async fn read_pid(stream: &mut DuplexStream) -> io::Result<Option<i32>> {
    loop {
        let (_length, code) = (stream.read_i32().await?, stream.read_i32().await?);
        match code {
            SSL_REQUEST => stream.write_all(b"S").await?,
            CANCEL_REQUEST => return stream.read_i32().await.map(Some),
            _ => return Ok(None),
        }
    }
}

/// "TLS" that does nothing: the bytes stay in this process.
struct Passthrough;

struct Plain(DuplexStream);

impl TlsConnect<DuplexStream> for Passthrough {
    type Stream = Plain;
    type Error = Error;
    type Future = Ready<Result<Plain, Error>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Plain(stream)))
    }
}

impl TlsStream for Plain {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
