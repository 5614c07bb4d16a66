//! An encrypted connection, and what of it SCRAM may bind to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::x509;
use crate::pg::session::tap::{Rows, Tap};

pub(crate) struct PgTlsStream<S> {
    stream: Box<Tap<tokio_rustls::client::TlsStream<S>>>,
    /// The server has shown that it holds its certificate's key.
    holds_key: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PgTlsStream<S> {
    pub(super) fn new(
        stream: tokio_rustls::client::TlsStream<S>,
        rows: Rows,
        holds_key: bool,
    ) -> Self {
        Self {
            stream: Box::new(Tap::new(stream, rows)),
            holds_key,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for PgTlsStream<S> {
    /// `tls-server-end-point`: SCRAM then proves that nobody sits in between, even where the
    /// certificate is not verified. It binds to the certificate, which is public: it proves nothing of
    /// who does not hold its key.
    fn channel_binding(&self) -> ChannelBinding {
        let (_, connection) = self.stream.get_ref().get_ref();
        connection
            .peer_certificates()
            .filter(|_| self.holds_key)
            .and_then(|chain| chain.first())
            .and_then(|cert| x509::end_point_hash(cert))
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for PgTlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PgTlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
