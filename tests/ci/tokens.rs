//! A service that hands out tokens for a registry, as the distribution specification has it. It is ours; whoever believes
//! its tokens is a real registry.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// What the service calls the registry, and itself.
pub(crate) const SERVICE: &str = "the registry";
pub(crate) const ISSUER: &str = "the service";
/// Who may write; anybody may read.
const WRITES: &str = "ci";

/// A running service.
pub(crate) struct TokenService {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    // Dropped last: what it runs ends with it.
    _runtime: Runtime,
}

struct Shared {
    password: String,
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
    handed: AtomicU64,
    lasts: AtomicU64,
}

impl TokenService {
    /// Serves with the certificate and the key `server` of that directory, which sign the tokens too.
    pub(crate) fn start(dir: &Path, password: &str) -> Self {
        let file = |name: &str| fs::read(dir.join(name)).unwrap();
        let certificate = CertificateDer::from_pem_slice(&file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&file("server.key")).unwrap();
        let own = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            key.secret_der(),
            &SystemRandom::new(),
        );
        let shared = Arc::new(Shared {
            password: password.to_owned(),
            key: own.unwrap(),
            certificate: certificate.to_vec(),
            handed: AtomicU64::new(0),
            lasts: AtomicU64::new(300),
        });
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls { listener, acceptor: TlsAcceptor::from(Arc::new(tls.unwrap())) };
        let routes = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(tls, routes).await.unwrap() });
        TokenService { address, shared, _runtime: runtime }
    }

    /// How many tokens it has handed out.
    pub(crate) fn handed(&self) -> u64 {
        self.shared.handed.load(Ordering::SeqCst)
    }

    /// From now on it says of its tokens that they count for so many seconds.
    pub(crate) fn lasts(&self, seconds: u64) {
        self.shared.lasts.store(seconds, Ordering::SeqCst);
    }
}

/// A listener whose connections are encrypted.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Who asks: a user with the right password, nobody in particular, or somebody who is refused.
fn who(shared: &Shared, request: &Request) -> Result<Option<String>, StatusCode> {
    let Some(said) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let basic = said.to_str().ok().and_then(|said| said.strip_prefix("Basic "));
    let text = basic.and_then(|basic| BASE64_STANDARD.decode(basic).ok()).unwrap_or_default();
    match String::from_utf8_lossy(&text).split_once(':') {
        Some((user, password)) if password == shared.password => Ok(Some(user.to_owned())),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let user = match who(&shared, &request) {
        Ok(user) => user,
        // It says back what it was told, as a hostile one would.
        Err(status) => return (status, format!("{:?}", request.headers())).into_response(),
    };
    let query = request.uri().query().unwrap_or_default();
    let asked = |key: &str| -> Vec<String> {
        let pairs = form_urlencoded::parse(query.as_bytes());
        pairs.filter(|(name, _)| name == key).map(|(_, value)| value.into_owned()).collect()
    };
    if asked("service") != [SERVICE] {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let access: Vec<_> = asked("scope").iter().filter_map(|scope| granted(scope, user.as_deref())).collect();
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({"iss": ISSUER, "sub": user.unwrap_or_default(), "aud": SERVICE, "nbf": now - 60, "iat": now,
        "exp": now + 300, "jti": uuid::Uuid::new_v4(), "access": access});
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [BASE64_STANDARD.encode(&shared.certificate)]});
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(&claims));
    let signature = shared.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    let token = format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()));
    shared.handed.fetch_add(1, Ordering::SeqCst);
    json!({"token": token, "expires_in": shared.lasts.load(Ordering::SeqCst)}).to_string().into_response()
}

/// What is granted of `repository:NAME:pull,push`.
fn granted(scope: &str, user: Option<&str>) -> Option<serde_json::Value> {
    let [kind, name, rights] = scope.splitn(3, ':').collect::<Vec<_>>()[..] else { return None };
    let may = |right: &&str| *right == "pull" || user == Some(WRITES);
    let rights: Vec<&str> = rights.split(',').filter(may).collect();
    Some(json!({"type": kind, "name": name, "actions": rights}))
}
