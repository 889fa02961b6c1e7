//! Who speaks to the API server: kubeconfigs for the admin and for each node.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// The account that all agents share; what tells them apart is the Node that each token is bound to.
pub(super) const ACCOUNT: &str = "extensions-agent";
/// Its namespace.
pub(super) const NAMESPACE: &str = "extensions-agent";

/// How long a token is good for: longer than any test.
const TOKEN_SECONDS: i64 = 6 * 60 * 60;

/// The kubeconfig of somebody who may do everything.
pub(super) fn admin(dir: &Path, server: SocketAddr) -> PathBuf {
    certified(dir, server, "admin")
}

/// The kubeconfig of the kubelet.
pub(super) fn kubelet(dir: &Path, server: SocketAddr) -> PathBuf {
    certified(dir, server, "kubelet")
}

/// The kubeconfig of whom the certificate of that name says.
fn certified(dir: &Path, server: SocketAddr, name: &str) -> PathBuf {
    let certificates = dir.join("certificates");
    let user = json!({
        "client-certificate": certificates.join(format!("{name}.pem")),
        "client-key": certificates.join(format!("{name}.key")),
    });
    let path = dir.join(format!("{name}.kubeconfig"));
    write(&path, &kubeconfig(dir, server, &user));
    path
}

/// The kubeconfig of a node's agent, with its token in a file beside, as a host has it.
pub(super) fn node(dir: &Path, node: &str, server: SocketAddr, token: &str) -> PathBuf {
    let place = dir.join("nodes").join(node);
    fs::create_dir_all(&place).unwrap();
    write(&place.join("token"), token);
    let path = place.join(format!("kubeconfig-{}", server.port()));
    write(&path, &kubeconfig(dir, server, &json!({ "tokenFile": place.join("token") })));
    path
}

/// A token of the agents' account that is bound to this Node and ends with it.
pub(super) async fn token(client: Client, node: &str) -> kube::Result<String> {
    let uid = Api::<k8s_openapi::api::core::v1::Node>::all(client.clone()).get(node).await?.metadata.uid;
    let reference = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_owned()),
        uid,
    };
    let spec = TokenRequestSpec {
        bound_object_ref: Some(reference),
        expiration_seconds: Some(TOKEN_SECONDS),
        ..TokenRequestSpec::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client, NAMESPACE);
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await?;
    Ok(answer.status.and_then(|status| status.token).expect("a token that was granted is told"))
}

/// Makes the agents' account unless the project's manifests have.
pub(super) async fn ensure_account(client: Client) -> kube::Result<()> {
    let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata: named(NAMESPACE), ..Namespace::default() };
    made(Api::all(client.clone()).create(&PostParams::default(), &namespace).await)?;
    let account = ServiceAccount { metadata: named(ACCOUNT), ..ServiceAccount::default() };
    made(Api::namespaced(client, NAMESPACE).create(&PostParams::default(), &account).await)
}

/// It was made, or was there.
pub(super) fn made<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}

/// JSON is YAML too.
fn kubeconfig(dir: &Path, server: SocketAddr, user: &serde_json::Value) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proof",
        "contexts": [{ "name": "proof", "context": { "cluster": "proof", "user": "proof" } }],
        "clusters": [{ "name": "proof", "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority": dir.join("certificates/ca.pem"),
        } }],
        "users": [{ "name": "proof", "user": user }],
    })
    .to_string()
}

/// Only the owner may read it.
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}
