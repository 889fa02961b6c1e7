//! The side of the pod: its keys in a Secret, its configuration beside them.
//!
//! Decides: what sshd lets in: one key, no password. Must not: give the pod the build's private key. Input: a place, or a
//! Secret that was read.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{
    KeyToPath, PodSpec, Probe, Secret, SecretVolumeSource, TCPSocketAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Entrance, Keys, PORT, SshError, keys};
use crate::config::{Variable, Way};
use crate::objects::{Place, metadata};

/// The name of the Secret.
pub(crate) const SECRET: &str = "ssh";
/// Where the pod finds what it is given of it.
const FILES: &str = "/etc/build-resources/ssh";
/// What the pod is given of it.
const SERVED: &[&str] = &[HOST_KEY, AUTHORIZED, CONFIG];
/// Process 1 of a pod that is reached by SSH. It takes in orphans as any shell does, and ends when told to.
const COMMAND: &str = "trap 'exit 0' TERM INT; mkdir -p /run/sshd; \
    \"$(command -v sshd || echo /usr/sbin/sshd)\" -D -e -f /etc/build-resources/ssh/sshd_config & \
    while :; do sleep 30 & wait $!; done";

const VOLUME: &str = "build-resources-ssh";
const HOST_KEY: &str = "host_key";
const HOST: &str = "host_key.pub";
const AUTHORIZED: &str = "authorized_keys";
const PRIVATE: &str = "user_key";
const CONFIG: &str = "sshd_config";

/// The server of one node, as far as it is known before it has keys.
#[derive(Debug, Clone)]
pub struct Server {
    /// What leads to it without the API server.
    pub(crate) entrance: Option<Entrance>,
    secret: ObjectMeta,
    config: String,
}

impl Server {
    /// The server of this place, where its label wants one.
    pub(crate) fn of(place: &Place<'_>) -> Option<Self> {
        match place.label.access {
            Way::Exec => None,
            Way::Ssh => Some(Server {
                entrance: Entrance::of(place),
                secret: metadata(place, SECRET, Some(place.namespace)),
                config: config(&place.label.env),
            }),
        }
    }

    /// A Secret with keys that nobody has seen.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn secret(&self) -> Result<Secret, SshError> {
        let host = keys::fresh().map_err(SshError::Make)?;
        let user = keys::fresh().map_err(SshError::Make)?;
        let data = [
            (HOST_KEY, host.private),
            (HOST, host.public),
            (AUTHORIZED, format!("{}\n", user.public)),
            (PRIVATE, user.private),
            (CONFIG, self.config.clone()),
        ];
        Ok(Secret {
            metadata: self.secret.clone(),
            immutable: Some(true),
            string_data: Some(data.map(|(key, value)| (key.to_owned(), value)).into()),
            ..Secret::default()
        })
    }
}

/// Gives the machine of a pod its server: process 1 starts it, and the pod is ready when it listens.
pub(crate) fn equip(spec: &mut PodSpec) {
    let item =
        |key: &&str| KeyToPath { key: (*key).to_owned(), path: (*key).to_owned(), ..KeyToPath::default() };
    spec.volumes.get_or_insert_default().push(Volume {
        name: VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(SECRET.to_owned()),
            default_mode: Some(0o400),
            items: Some(SERVED.iter().map(item).collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let Some(machine) = spec.containers.first_mut() else { return };
    machine.command = Some(["/bin/sh", "-c", COMMAND].map(str::to_owned).to_vec());
    machine.volume_mounts.get_or_insert_default().push(VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: FILES.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    // Often only until it listens: each look is a connection, and a small machine is slow to serve those.
    let probe = |seconds, times| Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(PORT.into()),
            ..TCPSocketAction::default()
        }),
        period_seconds: Some(seconds),
        failure_threshold: Some(times),
        ..Probe::default()
    };
    machine.startup_probe = Some(probe(1, 600));
    machine.readiness_probe = Some(probe(30, 3));
}

/// The configuration of sshd. A session gets the environment of the label: sshd does not pass on its own.
fn config(env: &[Variable]) -> String {
    let mut text = format!(
        "Port {PORT}\nHostKey {FILES}/{HOST_KEY}\nAuthorizedKeysFile {FILES}/{AUTHORIZED}\n\
         AuthenticationMethods publickey\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nUsePAM no\nMaxStartups 100\nPrintMotd no\nSubsystem sftp internal-sftp\n"
    );
    // A directory that the kubelet mounts is writable for all by its mode, but not in fact: it is read-only.
    text.push_str("StrictModes no\n");
    for variable in env.iter().filter(|variable| is_settable(variable)) {
        let _ = writeln!(text, "SetEnv \"{}={}\"", variable.name, variable.value); // writing to a String cannot fail
    }
    text
}

/// Whether sshd's configuration can say it: it has no way to write a quotation mark or the end of a line.
pub(crate) fn is_settable(variable: &Variable) -> bool {
    let text = format!("{}{}", variable.name, variable.value);
    !text.contains(['"', '\\']) && !text.chars().any(char::is_control)
}

/// What a Secret says that was made here.
///
/// # Errors
/// When it says less.
pub(crate) fn read(secret: &Secret) -> Result<Keys, SshError> {
    let text = |key: &'static str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
            .ok_or_else(|| SshError::Malformed(secret.metadata.namespace.clone().unwrap_or_default(), key))
    };
    Ok(Keys { host: text(HOST)?, private: text(PRIVATE)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_27_a_session_has_the_environment_of_its_label() {
        let variable = |name: &str, value: &str| Variable { name: name.to_owned(), value: value.to_owned() };
        let text = config(&[
            variable("HOME", "/work space"),
            variable("ODD", "a\"b"),
            variable("TWO", "a\nPermitRootLogin yes"),
        ]);
        assert!(text.contains("SetEnv \"HOME=/work space\"\n") && !text.contains("ODD"), "{text}");
        assert!(!text.contains("PermitRootLogin yes"), "a value adds no line: {text}");
        assert!(text.contains("PasswordAuthentication no\n"));
    }

    #[test]
    fn row_27_the_pod_does_not_get_the_key_of_the_build() {
        assert!(!SERVED.contains(&PRIVATE));
    }
}
