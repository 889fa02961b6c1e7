//! What opens the registry of a build: made once, kept in a Secret of its namespace, and gone with it.
//!
//! Decides: what stands in that Secret. Must not: show a password, or make a second one where there is one. Input: the names
//! of the server, or a Secret that was read.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::certificate::{self, Subject};
use super::{PORT, RegistryError};

/// The user. The password is the secret.
const USER: &str = "build";
/// bcrypt's least work: the server computes it for each request, and a password of 244 random bits needs no more.
const COST: u32 = 4;
/// Where the server finds its files.
pub(super) const FILES: &str = "/etc/build-resources/registry";
/// Where it keeps what is pushed.
pub(super) const STORAGE: &str = "/var/lib/registry";

/// How a build reaches its registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// The name, for whoever uses the cluster's DNS.
    pub host: String,
    /// The address, for whoever does not.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The authority of its certificate, as PEM. No secret.
    pub authority: String,
    /// The user.
    pub user: String,
    /// The secret.
    pub password: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, address, port) = (&self.host, &self.address, &self.port);
        write!(out, "Access({host}, {address}, {port})")
    }
}

/// The key of each thing in the Secret.
const ADDRESS: &str = "address";
const HOST: &str = "host";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const AUTHORITY: &str = "ca.crt";

/// What a new registry gets.
pub(super) struct Wanted {
    /// The name of its Service.
    pub(super) host: String,
    /// The address of its Service.
    pub(super) address: IpAddr,
    /// When it begins at the earliest.
    pub(super) from: Timestamp,
    /// When it ends at the latest.
    pub(super) until: Timestamp,
}

/// The contents of the Secret of a new registry, with a password that nobody has seen.
///
/// # Errors
/// When the certificate cannot be made.
pub(super) fn fresh(wanted: &Wanted) -> Result<BTreeMap<String, String>, RegistryError> {
    let password = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let hash = bcrypt::hash(&password, COST).map_err(|error| RegistryError::Make(error.to_string()))?;
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let made = certificate::make(&Subject {
        // The last two for who comes through a forwarded port.
        names: &[wanted.host.clone(), "localhost".to_owned()],
        addresses: &[wanted.address, IpAddr::from([127, 0, 0, 1])],
        from: day(wanted.from).saturating_sub(1.day()),
        until: day(wanted.until).saturating_add(2.days()),
    })
    .map_err(RegistryError::Make)?;
    Ok([
        (HOST, wanted.host.clone()),
        (ADDRESS, wanted.address.to_string()),
        (USERNAME, USER.to_owned()),
        (PASSWORD, password),
        (AUTHORITY, made.authority),
        ("tls.crt", made.certificate),
        ("tls.key", made.key),
        ("htpasswd", format!("{USER}:{hash}\n")),
        ("config.yml", config()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into())
}

/// What of the Secret the server sees: not the password.
pub(super) const SERVED: &[&str] = &["tls.crt", "tls.key", "htpasswd", "config.yml"];

/// The configuration of the server, in the words that distribution has had since its version 2.
fn config() -> String {
    format!(
        "version: 0.1\n\
         log: {{level: info, accesslog: {{disabled: true}}}}\n\
         storage:\n  filesystem: {{rootdirectory: {STORAGE}}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: :{PORT}\n  tls: {{certificate: {FILES}/tls.crt, key: {FILES}/tls.key}}\n\
         auth:\n  htpasswd: {{realm: build, path: {FILES}/htpasswd}}\n"
    )
}

impl Access {
    /// What a Secret says that was made here.
    ///
    /// # Errors
    /// When it says less: it is none of ours, or was changed.
    pub(crate) fn read(secret: &Secret) -> Result<Self, RegistryError> {
        let name = || secret.metadata.namespace.clone().unwrap_or_default();
        let text = |key: &str| {
            let bytes: &ByteString = secret.data.as_ref()?.get(key)?;
            String::from_utf8(bytes.0.clone()).ok()
        };
        let need = |key: &'static str| text(key).ok_or_else(|| RegistryError::Malformed(name(), key));
        Ok(Access {
            host: need(HOST)?,
            address: need(ADDRESS)?.parse().map_err(|_| RegistryError::Malformed(name(), ADDRESS))?,
            port: PORT,
            authority: need(AUTHORITY)?,
            user: need(USERNAME)?,
            password: need(PASSWORD)?,
        })
    }

    /// The file in which container tools look for credentials.
    pub fn docker_config(&self) -> serde_json::Value {
        use base64::Engine as _;
        let auth = base64::prelude::BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
        let entry = serde_json::json!({"username": self.user, "password": self.password, "auth": auth});
        let name = |host: &dyn fmt::Display| format!("{host}:{}", self.port);
        serde_json::json!({"auths": {name(&self.host): entry, name(&self.address): entry}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            host: "registry.main-0123456789ab-0-1.svc".to_owned(),
            address: IpAddr::from([10, 96, 0, 7]),
            from: Timestamp::from_second(1_800_000_000).unwrap(),
            until: Timestamp::from_second(1_800_028_800).unwrap(),
        }
    }

    fn secret(data: BTreeMap<String, String>) -> Secret {
        let data = data.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    #[test]
    fn row_34_a_credential_is_read_as_it_was_made_and_no_two_are_alike() {
        let data = fresh(&wanted()).unwrap();
        let access = Access::read(&secret(data.clone())).unwrap();
        assert_eq!(access.host, wanted().host);
        assert_eq!((access.address, access.port), (wanted().address, 5000));
        assert_eq!(access.password.len(), 64);
        assert_ne!(access.password, Access::read(&secret(fresh(&wanted()).unwrap())).unwrap().password);
        let (user, hash) = data["htpasswd"].trim_end().split_once(':').unwrap();
        assert_eq!(user, access.user);
        assert!(bcrypt::verify(&access.password, hash).unwrap());
        assert!(!bcrypt::verify("another", hash).unwrap());
        assert!(!format!("{access:?}").contains(&access.password));
    }

    #[test]
    fn row_34_the_server_sees_no_password_and_a_foreign_secret_is_refused() {
        let data = fresh(&wanted()).unwrap();
        for key in SERVED {
            assert!(!data[*key].contains(&data[PASSWORD]), "{key}");
        }
        for key in [HOST, ADDRESS, USERNAME, PASSWORD, AUTHORITY] {
            let mut less = data.clone();
            less.remove(key);
            let refused = Access::read(&secret(less)).unwrap_err();
            assert!(matches!(refused, RegistryError::Malformed(_, named) if named == key), "{refused}");
        }
    }

    #[test]
    fn row_34_container_tools_find_the_credential_under_name_and_address() {
        let access = Access::read(&secret(fresh(&wanted()).unwrap())).unwrap();
        let config = access.docker_config();
        for host in ["registry.main-0123456789ab-0-1.svc:5000", "10.96.0.7:5000"] {
            assert_eq!(config["auths"][host]["password"], access.password, "{host}");
        }
    }
}
