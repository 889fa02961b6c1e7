//! A registry that is not the cluster's: a real one (Debian's `docker-registry`) with a certificate and a password, on
//! loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use build_resources::artifact::{Opens, Remote};
use build_resources::promote::Place;
use proof::command::{run, tool};
use proof::images::Layout;
use proof::process::{Running, bound};
use proof::registry;
use proof::relay::Relay;
use proof::scratch::{Scratch, environment};

use crate::tokens::{ISSUER, SERVICE, TokenService};

pub(crate) const USER: &str = "ci";
pub(crate) const PASSWORD: &str = "intermediate-password";
/// Of that password, with the least work.
const HASH: &str = "$2b$04$tsLPr.IbNaKePBXpoDsM4OUtAHnjSf0IOEy2TUyAZL9stfnNQJclq";

/// A running registry.
pub(crate) struct Intermediate {
    _server: Running,
    /// Who hands out tokens for it, where it takes no password.
    pub(crate) tokens: Option<TokenService>,
    /// What stands before it.
    pub(crate) relay: Relay,
    address: SocketAddr,
    scratch: Scratch,
}

impl Intermediate {
    /// One that takes a user and a password.
    pub(crate) fn start() -> Self {
        Intermediate::with(|dir| {
            fs::write(dir.join("htpasswd"), format!("{USER}:{HASH}\n")).unwrap();
            (None, format!("htpasswd: {{realm: ci, path: {}}}", dir.join("htpasswd").display()))
        })
    }

    /// One that takes tokens only.
    pub(crate) fn with_tokens() -> Self {
        Intermediate::with(|dir| {
            let tokens = TokenService::start(dir, PASSWORD);
            let (realm, trust) = (format!("https://{}/token", tokens.address), dir.join("ca.pem"));
            let auth = format!(
                "token: {{realm: '{realm}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {}}}",
                trust.display()
            );
            (Some(tokens), auth)
        })
    }

    fn with(auth: impl FnOnce(&Path) -> (Option<TokenService>, String)) -> Self {
        let scratch = Scratch::new("intermediate-");
        let dir = scratch.path();
        for name in ["storage", "home", "run", "tmp", "trust"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        certificate(dir);
        fs::write(dir.join("trust/policy.json"), r#"{"default": [{"type": "insecureAcceptAnything"}]}"#)
            .unwrap();
        let (tokens, auth) = auth(dir);
        let (server, address) = registry::serve(dir, &config(dir, &auth));
        let registry = Intermediate { _server: server, tokens, relay: Relay::to(address), address, scratch };
        registry.log_in(USER, PASSWORD);
        registry
    }

    /// Its name: `127.0.0.1:PORT`, by way of the relay.
    pub(crate) fn host(&self) -> String {
        self.relay.address().to_string()
    }

    /// Writes down that user and password for it; returns the file.
    pub(crate) fn log_in(&self, user: &str, password: &str) -> PathBuf {
        let path = self.scratch.path().join("auth.json");
        let entry = serde_json::json!({"username": user, "password": password});
        fs::write(&path, serde_json::json!({"auths": {self.host(): entry}}).to_string()).unwrap();
        path
    }

    /// The arguments that name it to the program.
    pub(crate) fn arguments(&self, repository: &str) -> Vec<String> {
        let file = |name: &str| self.scratch.path().join(name).display().to_string();
        let place = format!("{}/{repository}", self.host());
        let words =
            ["--intermediate", &place, "--credentials", &file("auth.json"), "--authority", &file("ca.pem")];
        words.map(str::to_owned).to_vec()
    }

    /// A repository of it, as the library opens it.
    pub(crate) async fn place(&self, repository: &str) -> Place {
        let file = |name: &str| self.scratch.path().join(name);
        let name = format!("{}/{repository}", self.host()).parse().unwrap();
        Place::open(name, Some(&file("auth.json")), Some(&file("ca.pem"))).await.unwrap()
    }

    /// The registry without the relay, to copy from.
    pub(crate) async fn remote(&self) -> Remote {
        let authority = fs::read_to_string(self.scratch.path().join("ca.pem")).unwrap();
        let opens = Opens { who: Some((USER.to_owned(), PASSWORD.to_owned())), authority: Some(authority) };
        Remote::new("the registry of a build", &self.address.to_string(), &opens).await.unwrap()
    }

    /// Pushes a layout, all architectures of it.
    pub(crate) fn push(&self, layout: &Layout, repository: &str) {
        let there = format!("docker://{}/{repository}:1", self.address);
        let creds = format!("{USER}:{PASSWORD}");
        let flags = ["--all", "--preserve-digests", "--dest-creds", &creds, "--dest-cert-dir", self.trust()];
        self.skopeo(&[&["copy"][..], &flags, &[&layout.reference(), &there]].concat());
    }

    /// The tags of a repository.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let there = format!("docker://{}/{repository}", self.address);
        let creds = format!("{USER}:{PASSWORD}");
        let said = self.skopeo(&["list-tags", "--creds", &creds, "--cert-dir", self.trust(), &there]);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        said["Tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    /// Fetches an image whole, all architectures of it.
    pub(crate) fn pull(&self, repository: &str, digest: &str) {
        let from = format!("docker://{}/{repository}@{digest}", self.address);
        let to = format!("dir:{}", tempfile::tempdir_in(self.scratch.path()).unwrap().keep().display());
        let creds = format!("{USER}:{PASSWORD}");
        let flags =
            ["copy", "--all", "--preserve-digests", "--src-creds", &creds, "--src-cert-dir", self.trust()];
        self.skopeo(&[&flags[..], &[&from, &to]].concat());
    }

    /// Loses what it has under a digest.
    pub(crate) fn lose(&self, digest: &str) {
        fs::remove_file(registry::stored(self.scratch.path(), digest)).unwrap();
    }

    fn trust(&self) -> &str {
        // Leaked: a few bytes of a test.
        self.scratch.path().join("trust").display().to_string().leak()
    }

    fn skopeo(&self, args: &[&str]) -> String {
        let mut command = bound("skopeo");
        environment(&mut command, self.scratch.path());
        command.arg("--policy").arg(self.scratch.path().join("trust/policy.json")).args(args);
        run(&mut command)
    }
}

/// A certificate for loopback, and the authority that signed it.
fn certificate(dir: &Path) {
    fs::write(dir.join("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    let sign = |name: &str, more: &[&str]| {
        let mut command = tool("openssl", dir);
        command.current_dir(dir).args([
            "req",
            "-x509",
            "-new",
            "-noenc",
            "-days",
            "30",
            "-config",
            "openssl.cnf",
        ]);
        command.args([
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-subj",
            &format!("/CN={name}"),
        ]);
        command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]).args(more);
        run(&mut command);
    };
    let issues = "keyUsage=critical,keyCertSign,cRLSign";
    sign("ca", &["-addext", "basicConstraints=critical,CA:TRUE", "-addext", issues]);
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth"];
    let leaf = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
    sign("server", &[&leaf[..], &names].concat());
    fs::copy(dir.join("ca.pem"), dir.join("trust/ca.crt")).unwrap();
}

fn config(dir: &Path, auth: &str) -> String {
    let file = |name: &str| dir.join(name).display().to_string();
    format!(
        "version: 0.1\nlog: {{level: info, formatter: json}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n\
         http:\n  addr: 127.0.0.1:0\n  tls: {{certificate: {}, key: {}}}\nauth:\n  {auth}\n",
        file("storage"),
        file("server.pem"),
        file("server.key"),
    )
}
