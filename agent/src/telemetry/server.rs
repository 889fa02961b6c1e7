//! `/metrics` on a unix socket and, where it is asked for, on a loopback address: read-only, bounded, and gone with the
//! daemon.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::routing::get;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::metrics::{Format, Metrics};
use crate::error::{Failure, Reason};

/// Connections at one time; a scraper needs one.
const CONNECTIONS: usize = 8;
/// How long one connection may live, idle or not: nobody can hold one of the few for ever.
const LIFETIME: Duration = Duration::from_secs(15);
/// Anybody on the host may read metrics, as from any exporter.
const MODE: u32 = 0o666;

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The socket cannot be made.
    #[error("listening on `{}`", path.display())]
    Listen {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be had.
    #[error("listening on `{address}`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What systemd handed over is not a unix socket.
    #[error("taking the metrics socket from systemd")]
    Inherited {
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for ServerError {
    fn reason(&self) -> Reason {
        match self {
            ServerError::Listen { .. } | ServerError::Bind { .. } | ServerError::Inherited { .. } => {
                Reason::InvalidSettings
            }
        }
    }
}

/// The socket that systemd opened for us, if it did. Call before threads exist: it cleans the environment.
///
/// # Errors
/// When something else than a listening unix socket was handed over.
pub fn inherited() -> Result<Option<StdListener>, ServerError> {
    listenfd::ListenFd::from_env().take_unix_listener(0).map_err(|source| ServerError::Inherited { source })
}

/// A socket at `path`, in place of one that a dead agent left there. Anything else that lies there is left alone.
///
/// # Errors
/// When the directory is missing or not ours, or `path` is not a socket.
pub fn listen(path: &Path) -> Result<StdListener, ServerError> {
    let failed = |source| ServerError::Listen { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(failed(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is not a socket is there",
            )));
        }
        Ok(_) | Err(_) => {}
    }
    // Made aside and renamed, so that the path always leads to a socket that answers, with its final mode.
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    // A crash between the two steps may have left one of ours.
    let _ = std::fs::remove_file(&aside);
    let listener = StdListener::bind(&aside).map_err(failed)?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(MODE)).map_err(failed)?;
    std::fs::rename(&aside, path).map_err(failed)?;
    Ok(listener)
}

/// A listener at `address`, which the settings allow only on the loopback.
///
/// # Errors
/// When somebody else has the port.
pub fn bind(address: SocketAddr) -> Result<StdTcpListener, ServerError> {
    StdTcpListener::bind(address).map_err(|source| ServerError::Bind { address, source })
}

/// Serves `metrics` on `listener` until `stop`.
///
/// # Errors
/// When the listener cannot be used; single connections fail for themselves.
pub async fn serve(listener: StdListener, metrics: Arc<Metrics>, stop: CancellationToken) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    serve_on(UnixListener::from_std(listener)?, metrics, stop).await
}

/// Serves `metrics` on a TCP `listener` until `stop`, within the same bounds.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_tcp(
    listener: StdTcpListener,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    serve_on(TcpListener::from_std(listener)?, metrics, stop).await
}

async fn serve_on<L: Listener>(
    listener: L,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = Bounded { listener, free: Arc::new(Semaphore::new(CONNECTIONS)), lifetime: LIFETIME };
    let answer = move |headers: HeaderMap| {
        let metrics = Arc::clone(&metrics);
        async move { answer(&metrics, &headers) }
    };
    let router = Router::new().route("/metrics", get(answer));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn answer(metrics: &Metrics, headers: &HeaderMap) -> ([(HeaderName, &'static str); 1], String) {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let openmetrics = accepts.into_iter().any(|value| value.contains("application/openmetrics-text"));
    let (format, content_type) = if openmetrics {
        (Format::OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (Format::Plain, "text/plain; version=0.0.4; charset=utf-8")
    };
    ([(CONTENT_TYPE, content_type)], metrics.encode(format))
}

/// A listener whose connections are few and mortal.
struct Bounded<L> {
    listener: L,
    free: Arc<Semaphore>,
    lifetime: Duration,
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Mortal<L::Io>;
    type Addr = ();

    async fn accept(&mut self) -> (Mortal<L::Io>, ()) {
        // The semaphore is never closed; were it, accepting without a permit would still be right.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, _) = Listener::accept(&mut self.listener).await;
        (Mortal { stream, end: Box::pin(sleep(self.lifetime)), _permit: permit }, ())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that ends when its time is up.
struct Mortal<S> {
    stream: S,
    end: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<S> Mortal<S> {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Mortal<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mortal<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
