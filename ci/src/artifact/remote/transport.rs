//! HTTP to one server: where it is, whom its certificate must please, and what of its answers is shown.
//!
//! Decides: how long it may be silent, and how much of its troubles is told. Must not: follow a redirect, or show a secret
//! that the server says back. Input: answers of a server, untrusted. kube's client is the HTTP client: it does TLS with an
//! authority of our choice, and the tree has it already.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use k8s_openapi::ByteString;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::artifact::ArtifactError;
use crate::censor::{Censor, Secrets};
use crate::error::{chain, shown};

/// Most of what a server says of its troubles.
const TROUBLE: usize = 4 << 10;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// One server.
pub(super) struct Transport {
    client: Client,
}

impl Transport {
    /// A server that answers at `address` (`HOST:PORT`), and is called `name` in errors. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the authority is none.
    pub(super) async fn new(
        name: &str,
        address: &str,
        authority: Option<&str>,
    ) -> Result<Self, ArtifactError> {
        let wrong = |why: String| ArtifactError::Way { registry: name.to_owned(), why };
        let mut cluster = json!({"server": format!("https://{address}")});
        if let (Some(pem), Some(cluster)) = (authority, cluster.as_object_mut()) {
            let data = json!(ByteString(pem.as_bytes().to_vec()));
            cluster.insert("certificate-authority-data".to_owned(), data);
        }
        let told: Kubeconfig = serde_json::from_value(json!({
            "clusters": [{"name": "r", "cluster": cluster}],
            "users": [{"name": "r", "user": {}}],
            "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
            "current-context": "r",
        }))
        .map_err(|error| wrong(shown(&error.to_string())))?;
        let config = Config::from_custom_kubeconfig(told, &KubeConfigOptions::default()).await;
        let mut config = config.map_err(|error| wrong(shown(&chain(&error))))?;
        config.proxy_url = None;
        config.read_timeout = Some(SILENCE);
        config.write_timeout = Some(SILENCE);
        let client = Client::try_from(config).map_err(|error| wrong(shown(&chain(&error))))?;
        Ok(Transport { client })
    }

    /// Sends one request; any answer is one.
    ///
    /// # Errors
    /// When none comes.
    pub(super) async fn send(
        &self,
        request: Result<Request<Body>, http::Error>,
        operation: &str,
    ) -> Result<Response<Body>, ArtifactError> {
        let away = |problem: String| ArtifactError::Away { operation: operation.to_owned(), problem };
        let request = request.map_err(|error| away(error.to_string()))?;
        self.client.send(request).await.map_err(|error| away(shown(&chain(&error))))
    }
}

/// The whole body of an answer, of at most so many bytes.
///
/// # Errors
/// When it is larger, or breaks off.
pub(super) async fn body(
    answer: Response<Body>,
    most: usize,
    operation: &str,
) -> Result<Vec<u8>, ArtifactError> {
    let read = Limited::new(answer.into_body(), most).collect().await.map_err(|error| {
        let operation = operation.to_owned();
        if error.is::<LengthLimitError>() {
            let why = format!("it is larger than {most} bytes");
            return ArtifactError::Document { what: operation, why };
        }
        ArtifactError::Away { operation, problem: shown(&error.to_string()) }
    })?;
    Ok(read.to_bytes().to_vec())
}

/// The error that an answer is, without the secrets that the server was told.
pub(super) async fn refused(operation: &str, answer: Response<Body>, secrets: &[String]) -> ArtifactError {
    let code = answer.status().as_u16();
    let said = body(answer, TROUBLE, operation).await.unwrap_or_default();
    ArtifactError::Refused { operation: operation.to_owned(), code, message: told(&said, secrets) }
}

fn told(said: &[u8], secrets: &[String]) -> String {
    let Ok(secrets) = Secrets::new(secrets) else { return String::new() };
    let (mut censor, mut clean) = (Censor::new(Arc::new(secrets)), Vec::new());
    censor.push(said, &mut clean);
    censor.finish(&mut clean);
    shown(&String::from_utf8_lossy(&clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_31_a_server_that_says_a_password_back_does_not_get_it_into_an_error() {
        let said = told(b"no: password-1 (dTpwYXNzd29yZC0x)\n\x1b", &["password-1".to_owned()]);
        assert!(said.starts_with("no: ") && said.ends_with("\\u{1b}"), "{said}");
        assert!(!said.contains("password-1") && !said.contains("wYXNzd29yZC"), "{said}");
    }
}
