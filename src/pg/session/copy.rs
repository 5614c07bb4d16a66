//! What `COPY … TO STDOUT` sends, in blocks of whole rows.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream as _;
use tokio_postgres::CopyOutStream;

use super::failure::pg_error;
use super::tap::Rows;
use crate::error::{Error, Result};

/// The rows of one COPY. Dropped before its end, the rest is read and thrown away.
pub struct CopyRows {
    /// All but the rows: its end, or its error.
    stream: Pin<Box<CopyOutStream>>,
    rows: Rows,
    what: String,
    ended: bool,
}

impl CopyRows {
    pub(super) fn new(stream: CopyOutStream, rows: Rows, what: &str) -> Self {
        Self {
            stream: Box::pin(stream),
            rows,
            what: what.to_owned(),
            ended: false,
        }
    }

    /// Whole rows of COPY text, about 1 MiB of them, or one that is wider; `None` at the end, which
    /// only a COPY that the server completed has.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let block = poll_fn(|cx| self.poll(cx)).await?;
        match block {
            Some(block) if !block.ends_with(b"\n") => Err(Error::failed(format!(
                "cannot read {}: the server sent half a row",
                self.what
            ))),
            block => Ok(block),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>>> {
        if let Poll::Ready(block) = self.rows.poll(cx) {
            return Poll::Ready(Ok(Some(block)));
        }
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let failed = |error| pg_error(format!("cannot read {}", self.what), error);
        match self.stream.as_mut().poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(failed(error))),
            Poll::Ready(Some(Ok(_))) => Poll::Ready(Err(Error::failed(format!(
                "cannot read {}: the server sent a row outside of COPY",
                self.what
            )))),
            Poll::Ready(None) => {
                self.ended = true;
                // The last block came before the end.
                match self.rows.poll(cx) {
                    Poll::Ready(block) => Poll::Ready(Ok(Some(block))),
                    Poll::Pending => Poll::Ready(Ok(None)),
                }
            }
        }
    }
}

impl Drop for CopyRows {
    fn drop(&mut self) {
        if !self.ended {
            self.rows.abandon();
        }
    }
}
