//! The side of the job: `ssh -F ssh_config NODE` knows the key of the host, and the way to it.
//!
//! Decides: the text of the files. Must not: write them. Input: keys, and how this program is called.

use std::fmt::Write as _;
use std::path::Path;

use super::{Address, Keys, PORT};
use crate::config::Name;

/// How `ssh` calls this program.
#[derive(Debug, Clone)]
pub struct Client {
    /// This program with its options, up to the command.
    pub command: Vec<String>,
    /// The build.
    pub build: String,
}

/// One node that is reached by SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// What the job calls it.
    pub node: Name,
    /// What opens it.
    pub keys: Keys,
    /// Where it is; without an address the way is through the API server.
    pub address: Option<Address>,
}

/// The files of one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `ssh_config`. No secret.
    pub config: String,
    /// `known_hosts`. No secret.
    pub known_hosts: String,
    /// `ssh_key_NODE` and its text, for each node.
    pub keys: Vec<(String, String)>,
}

/// How a host is called in `known_hosts`: no name that a resolver knows.
fn alias(node: &Name) -> String {
    format!("{node}.build-resources.invalid")
}

impl Client {
    /// The files for these nodes, which will lie in `directory`; none where there are no nodes.
    pub fn files(&self, doors: &[Door], directory: &Path) -> Option<Files> {
        if doors.is_empty() {
            return None;
        }
        let mut files = Files { config: String::new(), known_hosts: String::new(), keys: Vec::new() };
        for Door { node, keys, address } in doors {
            let key = format!("ssh_key_{node}");
            let place = |name: &str| quoted(&directory.join(name).display().to_string());
            let _ = write!(
                files.config,
                "Host {node}\n{way}  HostKeyAlias {alias}\n  User root\n  IdentityFile {identity}\n  \
                 IdentitiesOnly yes\n  IdentityAgent none\n  PasswordAuthentication no\n  \
                 UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n  \
                 UpdateHostKeys no\n",
                way = self.way(node, address.as_ref()),
                alias = alias(node),
                identity = place(&key),
                known = place("known_hosts"),
            );
            let _ = writeln!(files.known_hosts, "{} {}", alias(node), keys.host);
            files.keys.push((key, keys.private.clone()));
        }
        Some(files)
    }

    /// How a node is reached. A Service is known to the machines of a cluster a moment after it has an address.
    fn way(&self, node: &Name, address: Option<&Address>) -> String {
        match address {
            None => format!("  HostName {node}\n  ProxyCommand {}\n", self.proxy(node)),
            Some(Address { host, port }) => {
                format!("  HostName {host}\n  Port {port}\n  ConnectionAttempts 5\n  ConnectTimeout 10\n")
            }
        }
    }

    /// The command that a shell runs, with `ssh`'s own percent signs doubled.
    fn proxy(&self, node: &Name) -> String {
        let port = PORT.to_string();
        let rest = ["forward", "--stdio", "--", self.build.as_str(), node.as_str(), port.as_str()];
        let words = self.command.iter().map(String::as_str).chain(rest);
        words.map(shell).collect::<Vec<_>>().join(" ").replace('%', "%%")
    }
}

/// A word as `ssh_config` takes it: in quotation marks, with its percent signs doubled.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('%', "%%"))
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=:".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_27_a_host_is_pinned_and_the_way_to_it_is_a_command() {
        let client = Client {
            command: ["/usr/bin/build-resources", "--config", "/etc/my config.yaml"]
                .map(str::to_owned)
                .to_vec(),
            build: "it's 100%".to_owned(),
        };
        let keys = Keys { host: "ssh-ed25519 AAAA".to_owned(), private: "secret".to_owned() };
        let mut door = Door { node: "one".parse().unwrap(), keys, address: None };
        let files = client.files(std::slice::from_ref(&door), Path::new("/out")).unwrap();
        assert_eq!(files.known_hosts, "one.build-resources.invalid ssh-ed25519 AAAA\n");
        assert_eq!(files.keys, [("ssh_key_one".to_owned(), "secret".to_owned())]);
        assert!(!files.config.contains("secret"));
        for line in [
            "  StrictHostKeyChecking yes\n",
            "  HostKeyAlias one.build-resources.invalid\n",
            "  ProxyCommand /usr/bin/build-resources --config '/etc/my config.yaml' forward --stdio -- 'it'\\''s 100%%' one 22\n",
        ] {
            assert!(files.config.contains(line), "{line}\n{}", files.config);
        }
        door.address = Some(Address { host: "192.0.2.7".to_owned(), port: 30022 });
        let files = client.files(&[door], Path::new("/out")).unwrap();
        assert!(
            files.config.contains("  HostName 192.0.2.7\n  Port 30022\n") && !files.config.contains("Proxy")
        );
        assert!(files.config.contains("  HostKeyAlias one.build-resources.invalid\n"), "{}", files.config);
        assert_eq!(client.files(&[], Path::new("/out")), None);
    }
}
