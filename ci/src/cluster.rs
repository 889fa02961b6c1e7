//! The way to a cluster: a client, what a kubeconfig for others needs, and what an answer means.
//!
//! Decides: which class an API error has. Must not: know what is read or written. Input: a kubeconfig, or the account of
//! the pod that this runs in.

mod sessions;

use std::path::{Path, PathBuf};

use http::HeaderValue;
use http::header::USER_AGENT;
use k8s_openapi::ByteString;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::error::{Failure, Reason, chain, shown};
pub use sessions::Sessions;

/// Under which name our fields are owned.
pub const MANAGER: &str = "build-resources";

/// What we call ourselves in each request.
const AGENT: &str = concat!("build-resources/", env!("CARGO_PKG_VERSION"));

/// One cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Asks it.
    pub client: Client,
    /// What others need to ask it.
    pub address: Address,
    /// How many connections commands and copies may hold at a time.
    pub sessions: Sessions,
    /// Where nodes are made in it.
    pub layout: Layout,
    /// The same without our identity.
    anonymous: Config,
}

impl Cluster {
    /// A client that speaks with another token.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn with_token(&self, token: &str) -> Result<Client, ClusterError> {
        let mut config = self.anonymous.clone();
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config).map_err(|error| ClusterError::Client(shown(&chain(&error))))
    }

    /// The same cluster behind another client.
    #[must_use]
    pub fn through(&self, client: Client) -> Self {
        Cluster { client, ..self.clone() }
    }
}

/// Where nodes are made in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Each in a namespace of its own.
    Namespaces,
    /// Each in a project of its own, which is asked for.
    Projects {
        /// Whether the cluster has a registry, for which projects get credentials.
        registry: bool,
    },
    /// All in this namespace.
    Shared(String),
}

/// What a kubeconfig says of a cluster. No secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The URL.
    pub server: String,
    /// The authority of its certificate, as PEM in base64.
    pub authority: Option<String>,
    /// The name in its certificate, where it is not that of the URL.
    pub tls_server_name: Option<String>,
}

/// Why a cluster cannot be asked, or what it answered.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no usable kubeconfig. Its text is not repeated: it holds secrets.
    #[error("reading the kubeconfig{}{}", named(" `", path.as_deref().map(Path::to_string_lossy).as_deref()), named(", context `", context.as_deref()))]
    Kubeconfig {
        /// The file; none stands for the default places.
        path: Option<PathBuf>,
        /// The context.
        context: Option<String>,
    },
    /// No client could be made of it.
    #[error("making a client: {0}")]
    Client(String),
    /// The cluster answered that it will not.
    #[error("{operation}: the API server answered {code} {reason}: {message}")]
    Refused {
        /// What was asked: `create pods/one`.
        operation: String,
        /// The HTTP status.
        code: u16,
        /// Its reason in one word.
        reason: String,
        /// Its words, escaped and cut.
        message: String,
    },
    /// The cluster did not answer.
    #[error("{operation}: {problem}")]
    Away {
        /// What was asked.
        operation: String,
        /// What happened instead of an answer.
        problem: String,
    },
}

/// Whether the cluster takes no such pod at all, now or later.
fn unfit(message: &str) -> bool {
    message.contains("violates PodSecurity") || message.contains("failed quota")
}

fn named(before: &str, text: Option<&str>) -> String {
    text.map(|text| format!("{before}{}`", shown(text))).unwrap_or_default()
}

impl ClusterError {
    /// What `operation` came to.
    pub fn of(operation: impl Into<String>, error: &kube::Error) -> Self {
        let operation = operation.into();
        if let kube::Error::Api(status) = error {
            return ClusterError::Refused {
                operation,
                code: status.code,
                reason: shown(&status.reason),
                message: shown(&status.message),
            };
        }
        ClusterError::Away { operation, problem: shown(&chain(error)) }
    }

    /// Whether a quota has no room now. It may have later.
    pub fn is_over_quota(&self) -> bool {
        matches!(self, ClusterError::Refused { code: 403, message, .. } if message.contains("exceeded quota"))
    }

    /// The HTTP status, where there was an answer.
    pub fn code(&self) -> Option<u16> {
        match self {
            ClusterError::Refused { code, .. } => Some(*code),
            ClusterError::Kubeconfig { .. } | ClusterError::Client(_) | ClusterError::Away { .. } => None,
        }
    }
}

impl Failure for ClusterError {
    fn reason(&self) -> Reason {
        match self {
            ClusterError::Kubeconfig { .. } | ClusterError::Client(_) => Reason::Config,
            over if over.is_over_quota() => Reason::Again,
            ClusterError::Refused { code: 403, message, .. } if unfit(message) => Reason::Config,
            ClusterError::Refused { code: 401 | 403, .. } => Reason::Denied,
            ClusterError::Refused { code: 400 | 422, .. } => Reason::Config,
            ClusterError::Refused { .. } | ClusterError::Away { .. } => Reason::Again,
        }
    }

    fn cure(&self) -> Option<String> {
        match self.reason() {
            Reason::Denied => {
                Some("`build-resources config rbac` prints the manifest that grants it".to_owned())
            }
            Reason::Config
            | Reason::Launch
            | Reason::Blocked
            | Reason::Dependency
            | Reason::Usage
            | Reason::Unknown
            | Reason::Unservable
            | Reason::Bug
            | Reason::Output
            | Reason::Again => None,
        }
    }
}

/// Makes a client; nothing is sent yet.
///
/// # Errors
/// When there is no usable kubeconfig or context.
pub async fn connect(path: Option<&Path>, context: Option<&str>) -> Result<Cluster, ClusterError> {
    let wrong =
        || ClusterError::Kubeconfig { path: path.map(Path::to_owned), context: context.map(str::to_owned) };
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = match (path, context) {
        (Some(path), _) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|_| wrong())?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|_| wrong())?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|_| wrong())?,
        (None, None) => Config::infer().await.map_err(|_| wrong())?,
    };
    // Who reads an audit log, or gives requests their priority, knows ours from those of others.
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    let address = address(&config);
    let mut anonymous = config.clone();
    anonymous.auth_info = AuthInfo::default();
    let client = Client::try_from(config).map_err(|error| ClusterError::Client(shown(&chain(&error))))?;
    Ok(Cluster { client, address, sessions: Sessions::default(), layout: Layout::Namespaces, anonymous })
}

fn address(config: &Config) -> Address {
    let pem = match (&config.root_cert, &config.root_cert_file) {
        (Some(certificates), _) => {
            Some(certificates.iter().map(|der| armoured("CERTIFICATE", der)).collect::<String>())
        }
        (None, Some(path)) => std::fs::read_to_string(path).ok(),
        (None, None) => None,
    };
    Address {
        server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
        authority: pem.map(|pem| base64(pem.into_bytes())),
        tls_server_name: config.tls_server_name.clone(),
    }
}

/// A certificate or a key in the form that every program reads. Lines of 64 characters, as the form wants it.
pub(crate) fn armoured(what: &str, der: &[u8]) -> String {
    let text = base64(der.to_vec());
    let mut body = String::new();
    for (at, char) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            body.push('\n');
        }
        body.push(char);
    }
    format!("-----BEGIN {what}-----\n{body}\n-----END {what}-----\n")
}

/// The Kubernetes types know base64 already.
fn base64(bytes: Vec<u8>) -> String {
    match serde_json::to_value(ByteString(bytes)) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_class() {
        let refused = |code, message: &str| {
            ClusterError::Refused {
                operation: "create pods/one".to_owned(),
                code,
                reason: String::new(),
                message: message.to_owned(),
            }
            .reason()
        };
        for (code, message, reason) in [
            (403, "exceeded quota: x", Reason::Again),
            (403, "violates PodSecurity \"baseline\"", Reason::Config),
            (403, "failed quota: x: must specify limits.cpu", Reason::Config),
            (403, "cannot create pods", Reason::Denied),
            (401, "", Reason::Denied),
            (422, "", Reason::Config),
            (409, "", Reason::Again),
            (503, "", Reason::Again),
        ] {
            assert_eq!(refused(code, message), reason, "{code} {message}");
        }
    }

    #[test]
    fn a_certificate_is_armoured_in_short_lines() {
        let text = armoured("CERTIFICATE", &[7; 100]);
        assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----END CERTIFICATE-----\n"));
    }
}
