//! A registry that is talked to: blobs and manifests by digest, as the distribution specification has them.
//!
//! Decides: the requests, and which answers are good. Must not: believe a digest that it has not computed, or hold more than
//! one piece of a blob. Input: answers of a server, untrusted.

mod challenge;
mod login;
mod transport;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use http::{HeaderName, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use kube::client::Body;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use super::ArtifactError;
use super::digest::Digest;
use crate::error::shown;
use crate::registry::Access;
use challenge::Need;
use login::Login;
pub use login::Opens;
use transport::{Transport, body, refused};

/// Bytes of a blob that travel in one request.
const PIECE: usize = 4 << 20;
/// Largest manifest, in bytes; what registries agree on.
const MANIFEST: usize = 4 << 20;
/// The manifests that are taken: of an image and of an index, as OCI and as docker call them.
pub(crate) const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

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
    transport: Transport,
    login: Login,
    /// The name that pullspecs call it by: `HOST:PORT`.
    pub(crate) name: String,
}

impl Remote {
    /// A registry that answers at `address` (`HOST:PORT`) and is called `name`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the authority is none.
    pub async fn new(name: &str, address: &str, opens: &Opens) -> Result<Self, ArtifactError> {
        let transport = Transport::new(name, address, opens.authority.as_deref()).await?;
        Ok(Remote { transport, login: Login::new(opens.clone()), name: name.to_owned() })
    }

    async fn ask(&self, what: &Ask, sent: Vec<u8>) -> Result<Response<Body>, ArtifactError> {
        let mut request = Request::builder().method(what.method.clone()).uri(&what.path);
        for (name, value) in &what.headers {
            request = request.header(name, value);
        }
        if let Some(header) = self.login.header(&self.transport, &self.name, &what.need).await? {
            request = request.header(AUTHORIZATION, header);
        }
        self.transport.send(request.body(Body::from(sent)), &self.operation(what)).await
    }

    fn operation(&self, what: &Ask) -> String {
        format!("{} {} at {}", what.method.as_str().to_lowercase(), what.object, shown(&self.name))
    }

    /// Asks, and takes only an answer with this status.
    async fn demand(&self, what: &Ask, sent: Vec<u8>, status: u16) -> Result<Response<Body>, ArtifactError> {
        let answer = self.ask(what, sent).await?;
        if answer.status().as_u16() == status {
            return Ok(answer);
        }
        Err(refused(&self.operation(what), answer, &self.login.secrets().await).await)
    }

    /// Whether it has a blob.
    ///
    /// # Errors
    /// When the registry is away.
    pub(crate) async fn has(&self, repository: &str, digest: &Digest) -> Result<bool, ArtifactError> {
        let ask = Ask::new(Method::HEAD, repository, &format!("blobs/{digest}"), format!("blob {digest}"));
        let status = self.ask(&ask, Vec::new()).await?.status();
        // A registry leads elsewhere, to where its bytes lie, only for what it has.
        Ok(status.is_success() || status.is_redirection())
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
        let begin = Ask::new(Method::POST, repository, "blobs/uploads/", object.clone());
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
            let ask = Ask::new(Method::PATCH, repository, "", object.clone())
                .there(place)
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
        let place = format!("{place}{joint}digest={digest}");
        let ask = Ask::new(Method::PUT, repository, "", object).there(place);
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
        let ask = Ask::new(Method::GET, repository, &format!("blobs/{digest}"), format!("blob {digest}"));
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
        let object = format!("manifest {reference}");
        let ask = Ask::new(Method::GET, repository, &format!("manifests/{reference}"), object.clone())
            .with(ACCEPT, MANIFESTS.join(", "));
        let answer = self.demand(&ask, Vec::new(), 200).await?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_owned();
        let bytes = body(answer, MANIFEST, &self.operation(&ask)).await?;
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
        let path = format!("manifests/{reference}");
        let ask = Ask::new(Method::PUT, repository, &path, format!("manifest {reference}"))
            .with(CONTENT_TYPE, manifest.media_type.clone());
        self.demand(&ask, manifest.bytes.clone(), 201).await.map(drop)
    }
}

/// One request.
struct Ask {
    method: Method,
    path: String,
    need: Need,
    /// What it is about, for whoever reads an error.
    object: String,
    headers: Vec<(HeaderName, String)>,
}

impl Ask {
    /// About something below a repository. Whoever only reads needs no right to write.
    fn new(method: Method, repository: &str, below: &str, object: String) -> Self {
        let push = !matches!(method, Method::GET | Method::HEAD);
        let need = Need { repository: repository.to_owned(), push };
        Ask { method, path: format!("/v2/{repository}/{below}"), need, object, headers: Vec::new() }
    }

    /// At a path that the registry named.
    fn there(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}
