//! `/metrics` over HTTP: read-only and bounded.
//!
//! Decides: how many may ask at once, and for how long. Must not: serve anything else. Input: the metrics.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::error::{Failure, Reason};

/// Connections at one time; a scraper needs one.
const CONNECTIONS: usize = 8;
/// How long one connection may live, idle or not: nobody can hold one of the few for ever.
const LIFETIME: Duration = Duration::from_secs(15);

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listening on `{address}`")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

impl Failure for ListenError {
    fn reason(&self) -> Reason {
        Reason::Usage
    }

    fn cure(&self) -> Option<String> {
        Some("name an address with `--listen` that is free".to_owned())
    }
}

/// A listener at `address`.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Serves `metrics` on `listener` until `stop`.
///
/// # Errors
/// When the listener cannot be used; single connections fail for themselves.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, stop: CancellationToken) -> io::Result<()> {
    let answer = move || {
        let text = metrics.encode();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    let bounded = Bounded { listener, free: Arc::new(Semaphore::new(CONNECTIONS)) };
    let router = Router::new().route("/metrics", get(answer));
    axum::serve(bounded, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// A listener whose connections are few and mortal.
struct Bounded {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Mortal;
    type Addr = ();

    async fn accept(&mut self) -> (Mortal, ()) {
        // The semaphore is never closed; were it, accepting without a permit would still be right.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, _) = Listener::accept(&mut self.listener).await;
        (Mortal { stream, end: Box::pin(sleep(LIFETIME)), _permit: permit }, ())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that ends when its time is up.
struct Mortal {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Mortal {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match Future::poll(self.end.as_mut(), context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Mortal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.check(context) {
            Ok(()) => Pin::new(&mut self.stream).poll_read(context, into),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.check(context) {
            Ok(()) => Pin::new(&mut self.stream).poll_write(context, bytes),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
