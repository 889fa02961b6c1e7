//! A proxy before the API server that counts writes and breaks one of them.
//!
//! To its client it speaks plain HTTP, so that it sees where a request begins and ends; it hands on whose request it is, and
//! the admin's where it says nobody's. A connection that changes its protocol (exec) does not pass: for those there is the
//! [`Relay`](crate::relay::Relay), which cuts bytes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kube::Client;
use kube::config::AuthInfo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Cluster, runtime};

/// Most bytes of one request.
const LARGEST: usize = 4 << 20;

/// What becomes of the write that is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is done; then the client is killed before it hears of it.
    Kill,
    /// It is done, but the connection ends instead of an answer.
    LoseAnswer,
    /// It is not done, and answered with this status.
    Refuse(u16),
    /// It is done so much later.
    Delay(Duration),
}

/// One proxy for one client; its port is free again when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    writes: AtomicU64,
    hit: u64,
    fault: Fault,
    victim: watch::Sender<Option<Pid>>,
}

#[derive(Clone)]
struct Server {
    shared: Arc<Shared>,
    admin: Client,
    bearer: Client,
}

impl FaultProxy {
    /// A proxy that breaks the write number `hit`, counted from 1; 0 breaks none.
    #[track_caller]
    pub fn before(cluster: &Cluster, hit: u64, fault: Fault) -> Self {
        let mut nobody = extensions_agent::cluster::read(cluster.admin_kubeconfig()).unwrap();
        nobody.auth_info = AuthInfo::default();
        let shared =
            Arc::new(Shared { writes: AtomicU64::new(0), hit, fault, victim: watch::Sender::new(None) });
        let inside = runtime().enter();
        let server = Server {
            shared: Arc::clone(&shared),
            admin: cluster.client(),
            bearer: Client::try_from(nobody).unwrap(),
        };
        drop(inside);
        let listener = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let kubeconfig = written(cluster, listener.local_addr().unwrap());
        let routes = axum::Router::new().fallback(pass).with_state(server);
        let serving = runtime().spawn(async move { axum::serve(listener, routes).await.unwrap() });
        FaultProxy { kubeconfig, shared, serving }
    }

    /// The kubeconfig that leads through it.
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// Whom [`Fault::Kill`] kills; a write that is hit before this is known waits for it.
    pub fn victim(&self, process: u32) {
        self.shared.victim.send_replace(Some(Pid::from_raw(process.try_into().unwrap())));
    }

    /// How many writes have come through.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn written(cluster: &Cluster, address: SocketAddr) -> PathBuf {
    let path = cluster.dir().join("tmp").join(format!("through-{}.kubeconfig", Uuid::new_v4()));
    let document = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "admin",
        "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "admin", "context": {"cluster": "proxy", "user": "nobody"}}],
    });
    fs::write(&path, document.to_string()).unwrap();
    path
}

async fn pass(State(server): State<Server>, request: Request) -> Response {
    let shared = &server.shared;
    let is_write = request.method() != Method::GET;
    let hit = is_write && shared.writes.fetch_add(1, Ordering::SeqCst) + 1 == shared.hit;
    match shared.fault {
        Fault::Refuse(code) if hit => {
            return (StatusCode::from_u16(code).unwrap(), "refused by the test").into_response();
        }
        Fault::Delay(time) if hit => tokio::time::sleep(time).await,
        Fault::Refuse(_) | Fault::Delay(_) | Fault::Kill | Fault::LoseAnswer => {}
    }
    let answer = forward(&server, request).await;
    match shared.fault {
        Fault::Kill if hit => {
            let mut victim = shared.victim.subscribe();
            let victim = victim.wait_for(Option::is_some).await.unwrap().unwrap();
            kill(victim, Signal::SIGKILL).unwrap();
            std::future::pending().await
        }
        // A handler that panics ends its connection, and its words go nowhere.
        Fault::LoseAnswer if hit => std::panic::resume_unwind(Box::new(())),
        Fault::Kill | Fault::LoseAnswer | Fault::Refuse(_) | Fault::Delay(_) => answer,
    }
}

async fn forward(server: &Server, mut request: Request) -> Response {
    let named = request.headers().contains_key(header::AUTHORIZATION);
    let client = if named { &server.bearer } else { &server.admin };
    request.headers_mut().remove(header::HOST);
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST).await.unwrap();
    let request = axum::http::Request::from_parts(head, kube::client::Body::from(body));
    match client.send(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
