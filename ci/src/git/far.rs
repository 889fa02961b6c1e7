//! How a command is run over there, and what it is connected with: the one thing that the rest does not know.
//!
//! Decides: how much of others' output is kept. Must not: know what is run. Input: streams.

use std::io::Cursor;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::GitError;

/// Something to read from.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;
/// Something to write to.
pub type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Runs a command over there and returns its exit code, once both its outputs are drained. It returns when the command
/// has ended, whether the input has or not.
pub type Far = Arc<dyn Fn(Vec<String>, Pipes) -> BoxFuture<'static, Result<i32, GitError>> + Send + Sync>;

/// What a command is connected with.
pub struct Pipes {
    /// What it reads; its end is passed on.
    pub input: Input,
    /// Where its output goes.
    pub output: Output,
    /// Where its messages go.
    pub errors: Output,
}

impl Pipes {
    /// For a command that is given a text and says one.
    pub(super) fn captured(text: String, output: &Capture, errors: &Capture) -> Self {
        Pipes {
            input: Box::new(Cursor::new(text.into_bytes())),
            output: Box::new(output.clone()),
            errors: Box::new(errors.clone()),
        }
    }
}

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// There.
    sent: AtomicU64,
    /// Back, messages included.
    received: AtomicU64,
}

impl Meter {
    /// Both numbers, sent first.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// The same way with a meter in it.
pub(super) fn metered(far: Far, meter: Arc<Meter>) -> Far {
    Arc::new(move |command, pipes| {
        let through = |inner| Box::new(Metered { inner, meter: meter.clone() });
        let input = Box::new(Metered { inner: pipes.input, meter: meter.clone() });
        far(command, Pipes { input, output: through(pipes.output), errors: through(pipes.errors) })
    })
}

struct Metered<T> {
    inner: T,
    meter: Arc<Meter>,
}

fn count(number: &AtomicU64, bytes: usize) {
    number.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl AsyncRead for Metered<Input> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        count(&self.meter.sent, buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered<Output> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        count(&self.meter.received, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Keeps the first bytes of what is written, and swallows the rest.
#[derive(Debug, Clone)]
pub(super) struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    most: usize,
}

impl Capture {
    pub(super) fn of(most: usize) -> Self {
        Capture { kept: Arc::default(), most }
    }

    /// What was kept, as text.
    pub(super) fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).trim_end().to_owned()
    }
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.most.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncWriteExt, copy};
    use tokio::process::Command;

    use super::*;

    /// A far side that is a process of this machine.
    pub(in crate::git) fn here() -> Far {
        Arc::new(|command, pipes| Box::pin(local(command, pipes)))
    }

    async fn local(command: Vec<String>, mut pipes: Pipes) -> Result<i32, GitError> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout, mut stderr) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let feed = async {
            let _ = copy(&mut pipes.input, &mut stdin).await;
            let _ = stdin.shutdown().await;
            drop(stdin);
            std::future::pending::<()>().await
        };
        let drain = async {
            let (out, err) =
                tokio::join!(copy(&mut stdout, &mut pipes.output), copy(&mut stderr, &mut pipes.errors));
            out.and(err).unwrap();
            child.wait().await.unwrap()
        };
        let status = tokio::select! { () = feed => unreachable!(), status = drain => status };
        Ok(status.code().unwrap_or(255))
    }

    #[tokio::test]
    async fn a_meter_counts_both_ways_and_a_capture_is_bounded() {
        let meter = Arc::new(Meter::default());
        let (output, errors) = (Capture::of(3), Capture::of(100));
        let command = ["sh", "-c", "cat; echo oh >&2; exit 7"].map(str::to_owned).to_vec();
        let pipes = Pipes::captured("12345".to_owned(), &output, &errors);
        assert_eq!(metered(here(), meter.clone())(command, pipes).await.unwrap(), 7);
        assert_eq!((output.text().as_str(), errors.text().as_str(), meter.read()), ("123", "oh", (5, 8)));
    }
}
