//! One request to the API server, and what comes back, within bounds.
//!
//! Written by hand where kube's own parameters would cut a watch off after five minutes.

use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use http::Request;
use kube::Client;
use tokio::time::timeout;

use super::super::DesiredError;
use super::super::object::OBJECT_BYTES;
use crate::cluster::ClusterError;

/// How long an answer may take to begin or, where it is short, to end.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a watch may be silent that was marked once: the server does it about every minute then.
const SILENCE: Duration = Duration::from_secs(180);
/// How long one may be silent before. A server that has not seen any change of a kind since it started has no mark to
/// give; it hears of one from etcd within ten minutes. A shorter limit would be requests for nothing on a quiet cluster.
const UNMARKED: Duration = Duration::from_secs(15 * 60);
/// Most objects of one page.
const PAGE: usize = 100;
/// Largest page, in bytes.
const PAGE_BYTES: usize = 32 << 20;
/// Largest line of a watch, in bytes: an object and what is written around it.
const LINE_BYTES: usize = OBJECT_BYTES + 1024;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) enum Kind {
    /// The node itself.
    #[serde(rename = "nodes")]
    Nodes,
    /// The pools.
    #[serde(rename = "machineconfigpools")]
    Pools,
    /// The MachineConfigs.
    #[serde(rename = "machineconfigs")]
    Configs,
}

impl Kind {
    /// As kubectl takes it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Kind::Nodes => "nodes",
            Kind::Pools => "machineconfigpools",
            Kind::Configs => "machineconfigs",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Kind::Nodes => "/api/v1/nodes",
            Kind::Pools => "/apis/machineconfiguration.openshift.io/v1/machineconfigpools",
            Kind::Configs => "/apis/machineconfiguration.openshift.io/v1/machineconfigs",
        }
    }

    /// What is asked for: of MachineConfigs only the metadata, for each may carry megabytes.
    fn accept(self, list: bool) -> &'static str {
        match (self, list) {
            (Kind::Configs, true) => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            (Kind::Configs, false) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            (Kind::Nodes | Kind::Pools, _) => "application/json",
        }
    }
}

/// Which objects are followed: all of a kind, or one by its name.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) only: Option<String>,
}

impl Target {
    /// As it is said in an error: `list nodes/worker-0`.
    pub(super) fn operation(&self, verb: &str) -> String {
        match &self.only {
            Some(name) => format!("{verb} {}/{}", self.kind.word(), crate::text::one_line(name, 253)),
            None => format!("{verb} {}", self.kind.word()),
        }
    }

    fn address(&self, query: &str) -> String {
        let only =
            self.only.as_deref().map(|name| format!("fieldSelector=metadata.name%3D{}&", quoted(name)));
        format!("{}?{}{query}", self.kind.path(), only.unwrap_or_default())
    }

    /// One page of the list.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) async fn page(&self, client: &Client, next: Option<&str>) -> Result<Vec<u8>, DesiredError> {
        let next = next.map(|next| format!("&continue={}", quoted(next))).unwrap_or_default();
        let address = self.address(&format!("limit={PAGE}{next}"));
        let asked = Asked { address, accept: self.kind.accept(true), operation: self.operation("list") };
        asked.whole(client, PAGE_BYTES).await
    }

    /// A watch from `version` on, for about so many seconds.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) async fn watch(
        &self,
        client: &Client,
        version: &str,
        secs: u64,
    ) -> Result<Lines<impl AsyncBufRead + Unpin + use<>>, DesiredError> {
        let address = self.address(&format!(
            "watch=1&allowWatchBookmarks=true&timeoutSeconds={secs}&resourceVersion={}",
            quoted(version)
        ));
        let operation = self.operation("watch");
        let asked = Asked { address, accept: self.kind.accept(false), operation: operation.clone() };
        Ok(Lines { reader: Box::pin(asked.reader(client).await?), operation, silence: UNMARKED })
    }
}

/// The whole object of that kind and name.
///
/// # Errors
/// When it cannot be had.
pub(super) async fn get(
    client: &Client,
    kind: Kind,
    name: &str,
    limit: usize,
) -> Result<Vec<u8>, DesiredError> {
    let asked = Asked {
        address: format!("{}/{}", kind.path(), quoted(name)),
        accept: "application/json",
        operation: format!("get {}/{name}", kind.word()),
    };
    asked.whole(client, limit).await
}

struct Asked {
    address: String,
    accept: &'static str,
    operation: String,
}

impl Asked {
    async fn reader(&self, client: &Client) -> Result<impl AsyncBufRead + use<>, DesiredError> {
        let request = Request::get(&self.address)
            .header("accept", self.accept)
            // A compressed watch may be held back until a block is full.
            .header("accept-encoding", "identity")
            .body(Vec::new())
            .map_err(|error| away(&self.operation, &error.to_string()))?;
        let answer = timeout(ANSWER, client.request_stream(request)).await;
        answer
            .map_err(|_| away(&self.operation, &format!("no answer within {} s", ANSWER.as_secs())))?
            .map_err(|error| DesiredError::Cluster(ClusterError::of(self.operation.as_str(), &error)))
    }

    async fn whole(&self, client: &Client, limit: usize) -> Result<Vec<u8>, DesiredError> {
        let reader = self.reader(client).await?;
        let mut reader = std::pin::pin!(reader);
        let read = async {
            let mut bytes = Vec::new();
            while !take(&mut reader, &mut bytes, limit, None).await? {}
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = timeout(ANSWER, read).await;
        bytes
            .map_err(|_| away(&self.operation, &format!("no whole answer within {} s", ANSWER.as_secs())))?
            .map_err(|error| away(&self.operation, &error.to_string()))
    }
}

/// The lines of a watch.
pub(super) struct Lines<R> {
    reader: std::pin::Pin<Box<R>>,
    operation: String,
    silence: Duration,
}

impl<R: AsyncBufRead> Lines<R> {
    /// The server has marked where it stands, and will go on to.
    pub(super) fn marked(&mut self) {
        self.silence = SILENCE;
    }

    /// The next line; none when the server has ended the watch in order.
    ///
    /// Not cancel-safe: a line that was read in part is lost, so whoever drops this drops the watch.
    ///
    /// # Errors
    /// When the connection is cut or silent, or the line is over the bound.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, DesiredError> {
        let read = async {
            let mut bytes = Vec::new();
            while !take(&mut self.reader.as_mut(), &mut bytes, LINE_BYTES, Some(b'\n')).await? {}
            Ok::<_, std::io::Error>(bytes)
        };
        let line = timeout(self.silence, read).await;
        let line = line
            .map_err(|_| away(&self.operation, &format!("silent for {} s", self.silence.as_secs())))?
            .map_err(|error| away(&self.operation, &error.to_string()))?;
        Ok((!line.is_empty()).then_some(line))
    }
}

/// Takes what has come up to `end`, or everything; says whether that was all.
async fn take<R: AsyncBufRead>(
    reader: &mut std::pin::Pin<&mut R>,
    bytes: &mut Vec<u8>,
    limit: usize,
    end: Option<u8>,
) -> std::io::Result<bool> {
    let come = reader.fill_buf().await?;
    let found = end.and_then(|end| come.iter().position(|byte| *byte == end));
    let length = found.map_or(come.len(), |at| at + 1);
    if bytes.len() + length > limit {
        return Err(std::io::Error::other(format!("more than {limit} bytes")));
    }
    bytes.extend(come.iter().take(length));
    let ended = come.is_empty();
    reader.consume_unpin(length);
    Ok(ended || found.is_some())
}

fn away(operation: &str, problem: &str) -> DesiredError {
    let (operation, problem) = (operation.to_owned(), crate::text::shown(problem));
    DesiredError::Cluster(ClusterError::Away { operation, problem })
}

/// As it may stand in an address: everything that is not plain is written by its number.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_another_request() {
        let target = Target { kind: Kind::Nodes, only: Some("a&limit=0/../x".to_owned()) };
        assert_eq!(
            target.address("limit=1"),
            "/api/v1/nodes?fieldSelector=metadata.name%3Da%26limit%3D0%2F..%2Fx&limit=1"
        );
    }

    #[tokio::test]
    async fn lines_are_split_bounded_and_end_with_the_stream() {
        let mut lines = Lines {
            reader: Box::pin(&b"one\ntwo\nlast"[..]),
            operation: "watch nodes".to_owned(),
            silence: SILENCE,
        };
        for expected in ["one\n", "two\n", "last"] {
            assert_eq!(lines.next().await.unwrap().unwrap(), expected.as_bytes());
        }
        assert_eq!(lines.next().await.unwrap(), None);
        let long = vec![b'x'; LINE_BYTES + 1];
        let mut lines =
            Lines { reader: Box::pin(&long[..]), operation: "watch nodes".to_owned(), silence: SILENCE };
        assert!(lines.next().await.unwrap_err().to_string().contains("more than"));
    }
}
