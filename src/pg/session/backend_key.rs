//! The process id that the server announced at login, which tokio-postgres keeps to itself.
//!
//! A pooler announces a number of its own; a server its backend's. So the comparison with
//! `pg_backend_pid()` distinguishes them, whatever addresses are translated in between.

use std::future::{Ready, ready};
use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::tap::{Rows, Tap};
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

/// "TLS" that does nothing: the bytes stay in this process. The tap finds no rows in them.
struct Passthrough;

impl TlsConnect<DuplexStream> for Passthrough {
    type Stream = Tap<DuplexStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Stream, Error>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Tap::new(stream, Rows::default())))
    }
}

impl TlsStream for Tap<DuplexStream> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
