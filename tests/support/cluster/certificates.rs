//! The keys and certificates of one cluster: a CA of its own, made anew each time, so that no secret is ever kept.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::command::{run, tool};

/// Makes `ca`, `server`, `admin` and `accounts` (the key that signs service account tokens) in `dir`, as `.pem` and `.key`.
/// The server is known at loopback and at these addresses.
pub(super) fn make(dir: &Path, addresses: &[Ipv4Addr]) {
    fs::create_dir_all(dir).unwrap();
    // Without it openssl would add what the machine's own configuration says.
    let config = dir.join("openssl.cnf");
    fs::write(&config, "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    let ca = [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign",
        "subjectKeyIdentifier=hash",
    ];
    sign(dir, &config, "ca", "/CN=proof", &ca);
    let mut names = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc".to_owned();
    for address in addresses {
        let _ = write!(names, ",IP:{address}");
    }
    let server = [LEAF, "extendedKeyUsage=serverAuth", names.as_str()];
    sign(dir, &config, "server", "/CN=kube-apiserver", &server);
    let client = [LEAF, "extendedKeyUsage=clientAuth"];
    sign(dir, &config, "admin", "/O=system:masters/CN=admin", &client);
    sign(dir, &config, "accounts", "/CN=accounts", &client);
}

/// Makes `kubelet` for this Node at this address: both what it serves with and who it is.
pub(super) fn kubelet(dir: &Path, node: &str, address: Ipv4Addr) {
    let names = format!("subjectAltName=IP:{address},DNS:{node}");
    let both = [LEAF, "extendedKeyUsage=serverAuth,clientAuth", names.as_str()];
    let subject = format!("/O=system:nodes/CN=system:node:{node}");
    sign(dir, &dir.join("openssl.cnf"), "kubelet", &subject, &both);
}

const LEAF: &str = "basicConstraints=critical,CA:FALSE";

/// A key `<name>.key` and a certificate `<name>.pem` for it, signed by the CA, or by itself when it is the CA.
fn sign(dir: &Path, config: &Path, name: &str, subject: &str, extensions: &[&str]) {
    let mut command = tool("openssl", dir);
    command.current_dir(dir).args(["req", "-x509", "-new", "-noenc", "-days", "3650"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]).arg("-config").arg(config);
    command.args(["-subj", subject, "-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    if name != "ca" {
        command.args(["-CA", "ca.pem", "-CAkey", "ca.key"]);
    }
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    run(&mut command);
}
