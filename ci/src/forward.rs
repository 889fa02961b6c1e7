//! A port of a pod, here: through the API server, with the build's own token, and with nothing listening in between.
//!
//! Decides: when a connection is over. Must not: half-close the way to the pod: the protocol cannot, and what still comes
//! from there would be lost. Input: bytes of others on both sides.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cluster::ClusterError;
use crate::error::{Failure, Reason, shown};

/// After our side ended, how long the pod may be silent before the connection is over.
const SILENCE: Duration = Duration::from_secs(10);
/// Most connections at a time through one listener; more wait.
const CONNECTIONS: usize = 64;
/// Bytes of one read.
const PIECE: usize = 64 * 1024;

/// One port of one pod.
#[derive(Clone)]
pub struct Port {
    /// Speaks with the build's token.
    pub client: Client,
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port that something in the pod listens on.
    pub port: u16,
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Nothing listens there, or the way to the pod is broken.
    #[error("port {port} of pod `{pod}`: {why}")]
    Pod {
        /// The pod.
        pod: String,
        /// The port.
        port: u16,
        /// In the cluster's words.
        why: String,
    },
    /// Our side.
    #[error("passing bytes on")]
    Local(#[source] std::io::Error),
}

impl Failure for ForwardError {
    fn reason(&self) -> Reason {
        match self {
            ForwardError::Cluster(error) => error.reason(),
            ForwardError::Pod { .. } => Reason::Again,
            ForwardError::Local(_) => Reason::Output,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            ForwardError::Cluster(error) => error.cure(),
            ForwardError::Pod { .. } => {
                Some("look whether anything listens on that port in the pod".to_owned())
            }
            ForwardError::Local(_) => None,
        }
    }
}

impl Port {
    /// Joins our side with the port, until the pod closes; or until our side has ended and the pod says nothing more.
    ///
    /// # Errors
    /// When the cluster refuses, nothing listens there, or our side cannot be written.
    pub async fn join(
        &self,
        mut input: impl AsyncRead + Unpin,
        mut output: impl AsyncWrite + Unpin,
    ) -> Result<(), ForwardError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let operation = || format!("create pods/{}/portforward", self.pod);
        let opened = pods.portforward(&self.pod, &[self.port]).await;
        let mut forward = opened.map_err(|error| ClusterError::of(operation(), &error))?;
        let refused =
            |why: &str| ForwardError::Pod { pod: self.pod.clone(), port: self.port, why: shown(why) };
        let stream = forward.take_stream(self.port).ok_or_else(|| refused("there is no stream"))?;
        let failed = forward.take_error(self.port);
        let (from, mut to) = tokio::io::split(stream);
        let (ended, end) = watch::channel(false);
        let sending = async {
            let _ = copy(&mut input, &mut to).await; // however our side ended, the pod may still have something to say
            let _ = ended.send(true);
            std::future::pending::<()>().await;
        };
        // Whoever is dropped here is not used again.
        let done = tokio::select! {
            done = pass(from, &mut output, end, SILENCE) => done,
            () = sending => Ok(()),
        };
        done.map_err(ForwardError::Local)?;
        forward.abort();
        match failed {
            Some(failed) => match timeout(Duration::ZERO, failed).await {
                Ok(Some(why)) => Err(refused(&why)),
                Ok(None) | Err(_) => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Takes connections for ever, each with a connection to the pod of its own; returns why no more can be taken. That one
    /// of them failed is told to `failed`.
    pub async fn listen(&self, listener: TcpListener, mut failed: impl FnMut(ForwardError)) -> ForwardError {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                // Both arms lose nothing when they are dropped.
                taken = listener.accept(), if running.len() < CONNECTIONS => match taken {
                    Ok((stream, _)) => {
                        let port = self.clone();
                        running.spawn(async move {
                            let (input, output) = stream.into_split();
                            port.join(input, output).await
                        });
                    }
                    Err(error) => return ForwardError::Local(error),
                },
                Some(done) = running.join_next() => {
                    if let Ok(Err(error)) = done {
                        failed(error);
                    }
                }
            }
        }
    }
}

/// Passes on what comes from the pod, until it ends, or is silent for `limit` after our side `end`ed.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    output: &mut (impl AsyncWrite + Unpin),
    mut end: watch::Receiver<bool>,
    limit: Duration,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let silence = async {
            let _ = end.wait_for(|ended| *ended).await;
            sleep(limit).await;
        };
        let read = tokio::select! {
            read = from.read(&mut piece) => read?, // reads all or nothing
            () = silence => 0,
        };
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return output.shutdown().await;
        };
        output.write_all(bytes).await?;
        output.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_27_what_the_pod_says_after_our_end_still_comes() {
        let (mut pod, ours) = tokio::io::duplex(64);
        let (ended, end) = watch::channel(false);
        let mut seen = Vec::new();
        let said = async {
            pod.write_all(b"before ").await.unwrap();
            ended.send(true).unwrap();
            tokio::task::yield_now().await;
            pod.write_all(b"after").await.unwrap();
            drop(pod);
        };
        let (done, ()) = tokio::join!(pass(ours, &mut seen, end, SILENCE), said);
        done.unwrap();
        assert_eq!(seen, b"before after");
    }

    #[tokio::test]
    async fn row_27_a_pod_that_says_nothing_more_is_left() {
        let (_pod, ours) = tokio::io::duplex(64);
        let (ended, end) = watch::channel(false);
        ended.send(true).unwrap();
        let mut seen = Vec::new();
        pass(ours, &mut seen, end, Duration::from_millis(1)).await.unwrap();
        assert_eq!(seen, b"");
    }
}
