//! Why the API server cannot be asked, or what it answered.

use std::io;
use std::path::PathBuf;

use crate::error::{Failure, Reason};
use crate::text::shown;

/// What a kubeconfig may not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafe {
    /// A program.
    Exec,
    /// A plugin that fetches credentials.
    AuthProvider,
    /// A name and a password.
    Password,
    /// Another identity than its own.
    Impersonation,
    /// A server that is not asked for its certificate.
    SkipsTls,
    /// A server that is reached without TLS.
    Plain,
    /// A proxy.
    Proxy,
}

impl Unsafe {
    const fn as_str(self) -> &'static str {
        match self {
            Unsafe::Exec => "an `exec` program",
            Unsafe::AuthProvider => "an `auth-provider`",
            Unsafe::Password => "a user name and password",
            Unsafe::Impersonation => "somebody to impersonate",
            Unsafe::SkipsTls => "`insecure-skip-tls-verify`, which switches the check of TLS off",
            Unsafe::Plain => "a server without https",
            Unsafe::Proxy => "a `proxy-url`",
        }
    }
}

/// Why the API server cannot be asked, or what it answered.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig is not there or not readable.
    #[error("reading the kubeconfig `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kubeconfig, or a file that it names, is malformed. Its text is not repeated: it holds secrets.
    #[error("the kubeconfig `{}`, or a file that it names, is malformed", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// The kubeconfig names something that an agent must not do.
    #[error("the kubeconfig `{}` names {}", path.display(), what.as_str())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What it names.
        what: Unsafe,
    },
    /// The kubeconfig of whoever runs the command is not there, or cannot be used. Its text is not repeated.
    #[error("reading the kubeconfig `{}`, or a file that it names", path.display())]
    Person {
        /// The file.
        path: PathBuf,
    },
    /// No client could be made of the kubeconfig.
    #[error("making a client for the API server: {}", shown(&source.to_string()))]
    Client {
        /// What the library said.
        source: Box<kube::Error>,
    },
    /// The host has no name that a Node could have.
    #[error("finding the name of this node")]
    HostName {
        /// What the system said.
        source: io::Error,
    },
    /// The API server answered that it will not.
    #[error("{operation}: the API server answered {code} {reason}: {message}")]
    Refused {
        /// What was asked: `get nodes/worker-0`.
        operation: String,
        /// The HTTP status.
        code: u16,
        /// Its reason in one word.
        reason: String,
        /// Its words, escaped and cut.
        message: String,
    },
    /// The API server did not answer.
    #[error("{operation}: {problem}")]
    Away {
        /// What was asked.
        operation: String,
        /// What happened instead of an answer, escaped and cut.
        problem: String,
    },
}

impl ClusterError {
    /// What `operation` came to: `get nodes/worker-0`.
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
        ClusterError::Away { operation, problem: shown(&crate::error::chain(error)) }
    }

    /// The HTTP status of the answer, where there was one.
    pub fn code(&self) -> Option<u16> {
        match self {
            ClusterError::Refused { code, .. } => Some(*code),
            ClusterError::Read { .. }
            | ClusterError::Unreadable { .. }
            | ClusterError::Unsafe { .. }
            | ClusterError::Person { .. }
            | ClusterError::Client { .. }
            | ClusterError::HostName { .. }
            | ClusterError::Away { .. } => None,
        }
    }
}

impl Failure for ClusterError {
    fn reason(&self) -> Reason {
        match self {
            ClusterError::Read { .. }
            | ClusterError::Unreadable { .. }
            | ClusterError::Unsafe { .. }
            | ClusterError::Person { .. }
            | ClusterError::Client { .. }
            | ClusterError::HostName { .. } => Reason::InvalidKubeconfig,
            ClusterError::Refused { code: 401 | 403, .. } => Reason::ClusterForbidden,
            // The object, or its kind: an older cluster, or manifests that were not applied.
            ClusterError::Refused { code: 404, .. } => Reason::MissingObject,
            ClusterError::Refused { .. } | ClusterError::Away { .. } => Reason::ClusterUnavailable,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            ClusterError::Unsafe { .. } => Some(
                "give the agent a kubeconfig of its own with a token file or a client certificate".to_owned(),
            ),
            ClusterError::Person { .. } => {
                Some("name a kubeconfig with `--kubeconfig` or KUBECONFIG; `kubectl get nodes` should work with it".to_owned())
            }
            ClusterError::HostName { .. } => Some("set `cluster.node`".to_owned()),
            ClusterError::Read { .. }
            | ClusterError::Unreadable { .. }
            | ClusterError::Client { .. }
            | ClusterError::Refused { .. }
            | ClusterError::Away { .. } => self.reason().cure().map(str::to_owned),
        }
    }
}
