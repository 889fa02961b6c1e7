//! A registry that is talked to: blobs and manifests by digest, as the distribution specification has them.
//!
//! Decides: the requests, and which answers are good. Must not: believe a digest that it has not computed, follow a redirect,
//! or hold more than one piece of a blob. Input: answers of a server, untrusted. kube's client is the HTTP client: it does
//! TLS with an authority of our choice, and the tree has it already.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use http::{HeaderName, Method, Request, Response, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use k8s_openapi::ByteString;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use super::ArtifactError;
use super::digest::Digest;
use crate::error::{chain, shown};
use crate::registry::Access;

/// Bytes of a blob that travel in one request.
const PIECE: usize = 4 << 20;
/// Most of what a registry says of its troubles.
const TROUBLE: usize = 4 << 10;
/// How long a registry may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Largest manifest, in bytes; what registries agree on.
const MANIFEST: usize = 4 << 20;
/// The manifests that are taken: of an image and of an index, as OCI and as docker call them.
pub(crate) const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What opens a registry. No `Debug`: it holds a password.
#[derive(Clone, Default)]
pub struct Opens {
    /// User and password.
    pub who: Option<(String, String)>,
    /// The authority of its certificate as PEM; none for those that this machine trusts.
    pub authority: Option<String>,
}

impl From<&Access> for Opens {
    fn from(access: &Access) -> Self {
        let who = Some((access.user.clone(), access.password.clone()));
        Opens { who, authority: Some(access.authority.clone()) }
    }
}

/// A manifest as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its type.
    pub(crate) media_type: String,
    /// Its bytes: the digest is theirs.
    pub(crate) bytes: Vec<u8>,
}

/// One registry.
pub struct Remote {
    client: Client,
    /// The name that pullspecs call it by: `HOST:PORT`.
    pub(crate) name: String,
}

impl Remote {
    /// A registry that answers at `address` (`HOST:PORT`) and is called `name`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address, the authority or the credential is none.
    pub async fn new(name: &str, address: &str, opens: &Opens) -> Result<Self, ArtifactError> {
        let wrong = |why: String| ArtifactError::Way { registry: name.to_owned(), why };
        let mut cluster = json!({"server": format!("https://{address}")});
        if let (Some(pem), Some(cluster)) = (&opens.authority, cluster.as_object_mut()) {
            let data = json!(ByteString(pem.clone().into_bytes()));
            cluster.insert("certificate-authority-data".to_owned(), data);
        }
        let user = match &opens.who {
            Some((user, password)) => json!({"username": user, "password": password}),
            None => json!({}),
        };
        let told: Kubeconfig = serde_json::from_value(json!({
            "clusters": [{"name": "r", "cluster": cluster}],
            "users": [{"name": "r", "user": user}],
            "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
            "current-context": "r",
        }))
        .map_err(|_| wrong("no client can be made of it".to_owned()))?; // the error would show the password
        let config = Config::from_custom_kubeconfig(told, &KubeConfigOptions::default()).await;
        let mut config = config.map_err(|error| wrong(shown(&chain(&error))))?;
        config.proxy_url = None;
        config.read_timeout = Some(SILENCE);
        config.write_timeout = Some(SILENCE);
        let client = Client::try_from(config).map_err(|error| wrong(shown(&chain(&error))))?;
        Ok(Remote { client, name: name.to_owned() })
    }

    async fn ask(&self, what: &Ask, body: Vec<u8>) -> Result<Response<Body>, ArtifactError> {
        let away = |problem: String| ArtifactError::Away { operation: self.operation(what), problem };
        let mut request = Request::builder().method(what.method.clone()).uri(&what.path);
        for (name, value) in &what.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body)).map_err(|error| away(error.to_string()))?;
        self.client.send(request).await.map_err(|error| away(shown(&chain(&error))))
    }

    fn operation(&self, what: &Ask) -> String {
        format!("{} {} at {}", what.method.as_str().to_lowercase(), what.object, shown(&self.name))
    }

    /// Asks, and takes only an answer with this status.
    async fn demand(&self, what: &Ask, body: Vec<u8>, status: u16) -> Result<Response<Body>, ArtifactError> {
        let answer = self.ask(what, body).await?;
        if answer.status().as_u16() == status {
            return Ok(answer);
        }
        let code = answer.status().as_u16();
        let said = Limited::new(answer.into_body(), TROUBLE).collect().await;
        let said = said.map(|all| all.to_bytes().to_vec()).unwrap_or_default();
        let message = shown(&String::from_utf8_lossy(&said));
        Err(ArtifactError::Refused { operation: self.operation(what), code, message })
    }

    /// Whether it has a blob.
    ///
    /// # Errors
    /// When the registry is away.
    pub(crate) async fn has(&self, repository: &str, digest: &Digest) -> Result<bool, ArtifactError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let ask = Ask::new(Method::HEAD, path, format!("blob {digest}"));
        Ok(self.ask(&ask, Vec::new()).await?.status().is_success())
    }

    /// Sends a blob of that many bytes, unless it is there already. What is not what it should be is never completed there;
    /// the registry computes the digest too.
    ///
    /// # Errors
    /// When it cannot be read or sent, or has another digest.
    pub(crate) async fn send(
        &self,
        repository: &str,
        (digest, size): (&Digest, u64),
        blob: impl AsyncRead + Unpin,
    ) -> Result<(), ArtifactError> {
        if self.has(repository, digest).await? {
            return Ok(());
        }
        let object = format!("blob {digest}");
        let begin = Ask::new(Method::POST, format!("/v2/{repository}/blobs/uploads/"), object.clone());
        let mut place = self.next(&self.demand(&begin, Vec::new(), 202).await?)?;
        let (mut hash, mut at) = (Sha256::new(), 0_u64);
        let mut blob = blob.take(size.saturating_add(1)); // one more, to see that it is too long
        loop {
            let mut piece = Vec::new();
            let most = u64::try_from(PIECE).unwrap_or(u64::MAX);
            let read = (&mut blob).take(most).read_to_end(&mut piece).await;
            let read = read.map_err(|error| ArtifactError::Away {
                operation: format!("reading {object}"),
                problem: shown(&error.to_string()),
            })?;
            if read == 0 {
                break;
            }
            hash.update(&piece);
            let end = at + u64::try_from(read).unwrap_or(0);
            let ask = Ask::new(Method::PATCH, place, object.clone())
                .with(CONTENT_TYPE, "application/octet-stream".to_owned())
                .with(CONTENT_RANGE, format!("{at}-{}", end - 1));
            place = self.next(&self.demand(&ask, piece, 202).await?)?;
            at = end;
        }
        let came = Digest::computed(hash);
        if (&came, at) != (digest, size) {
            let why = format!("{at} bytes with {came} came, not {size}");
            return Err(ArtifactError::Different { what: object, why });
        }
        let joint = if place.contains('?') { '&' } else { '?' };
        let ask = Ask::new(Method::PUT, format!("{place}{joint}digest={digest}"), object);
        match self.demand(&ask, Vec::new(), 201).await {
            Err(ArtifactError::Refused { code: 400, message, .. }) => {
                Err(ArtifactError::Different { what: ask.object, why: message })
            }
            other => other.map(drop),
        }
    }

    /// Where an upload goes on: the path only, so that nobody else is sent our password.
    fn next(&self, answer: &Response<Body>) -> Result<String, ArtifactError> {
        let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let place = place.and_then(|text| text.parse::<Uri>().ok());
        let place = place.as_ref().and_then(Uri::path_and_query).map(ToString::to_string);
        place.filter(|path| path.starts_with("/v2/")).ok_or_else(|| ArtifactError::Away {
            operation: format!("beginning an upload to {}", shown(&self.name)),
            problem: "the answer does not say where it goes on".to_owned(),
        })
    }

    /// The bytes of a blob as they come. They are not proven: whoever reads them compares the digest at the end.
    ///
    /// # Errors
    /// When it is not there, or the registry is away.
    pub(crate) async fn blob(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<impl AsyncRead + Unpin + use<>, ArtifactError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let ask = Ask::new(Method::GET, path, format!("blob {digest}"));
        let answer = self.demand(&ask, Vec::new(), 200).await?;
        let failed = |error: kube::Error| std::io::Error::other(error.to_string());
        let stream = futures_util::TryStreamExt::map_err(answer.into_body().into_data_stream(), failed);
        Ok(StreamReader::new(Box::pin(stream)))
    }

    /// A manifest, by a digest that is proven, or by a tag that is not.
    ///
    /// # Errors
    /// When it is not there or too large, has another digest, or the registry is away.
    pub(crate) async fn manifest(&self, repository: &str, reference: &str) -> Result<Stored, ArtifactError> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let object = format!("manifest {reference}");
        let ask = Ask::new(Method::GET, path, object.clone()).with(ACCEPT, MANIFESTS.join(", "));
        let answer = self.demand(&ask, Vec::new(), 200).await?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_owned();
        let body = Limited::new(answer.into_body(), MANIFEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let why = format!("it is larger than {MANIFEST} bytes");
                return ArtifactError::Document { what: self.operation(&ask), why };
            }
            ArtifactError::Away { operation: self.operation(&ask), problem: shown(&error.to_string()) }
        })?;
        let bytes = body.to_bytes().to_vec();
        if let Ok(digest) = reference.parse::<Digest>()
            && Digest::of(&bytes) != digest
        {
            return Err(ArtifactError::Different { what: object, why: "other bytes came".to_owned() });
        }
        Ok(Stored { media_type, bytes })
    }

    /// Stores a manifest under its digest, or under a tag.
    ///
    /// # Errors
    /// When the registry refuses it, as it does where a blob of it is missing, or is away.
    pub(crate) async fn store(
        &self,
        repository: &str,
        reference: &str,
        manifest: &Stored,
    ) -> Result<(), ArtifactError> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let ask = Ask::new(Method::PUT, path, format!("manifest {reference}"))
            .with(CONTENT_TYPE, manifest.media_type.clone());
        self.demand(&ask, manifest.bytes.clone(), 201).await.map(drop)
    }
}

/// One request.
struct Ask {
    method: Method,
    path: String,
    /// What it is about, for whoever reads an error.
    object: String,
    headers: Vec<(HeaderName, String)>,
}

impl Ask {
    fn new(method: Method, path: String, object: String) -> Self {
        Ask { method, path, object, headers: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}
