//! A writer that censors what goes through it.
//!
//! Decides: nothing. Must not: take more than it can pass on. Input: bytes of others, and a writer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{Censor, Secrets};

/// Most bytes that are taken before what they became is passed on.
const PIECE: usize = 64 * 1024;

/// A writer that censors what goes through it. A flush passes on all but the beginning of what may be a secret; only
/// [`shutdown`](tokio::io::AsyncWriteExt::shutdown) says that nothing more comes, and passes on everything.
#[derive(Debug)]
pub struct Censored<W> {
    inner: W,
    censor: Censor,
    /// Censored already.
    ready: Vec<u8>,
    /// How much of it is passed on.
    sent: usize,
    ended: bool,
}

impl<W: AsyncWrite + Unpin> Censored<W> {
    /// Censors what is written to `inner`.
    pub fn new(inner: W, secrets: Arc<Secrets>) -> Self {
        Censored { inner, censor: Censor::new(secrets), ready: Vec::new(), sent: 0, ended: false }
    }

    /// The writer behind; what is held back is lost unless it was shut down.
    pub fn into_inner(self) -> W {
        self.inner
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.ready.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.ready.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Censored<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_drain(context))?;
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        this.censor.push(piece, &mut this.ready);
        match this.poll_drain(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What waits goes with the next write or flush.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(piece.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.ended {
            this.ended = true;
            this.censor.finish(&mut this.ready);
        }
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}
