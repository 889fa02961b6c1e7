//! What opens an intermediate registry: the file that container tools keep their credentials in.
//!
//! Decides: which user and password of it are those of a repository. Must not: show a password, or run a helper. Input: a
//! file of the user.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;

use super::PromoteError;
use crate::artifact::{Opens, Repository};

/// Largest such file, in bytes.
const MOST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Auths {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// Reads what opens a repository. Without credentials it is asked as nobody; without an authority those count that this
/// machine trusts.
///
/// # Errors
/// When a file cannot be read, or has nothing for this repository.
pub(super) fn read(
    repository: &Repository,
    credentials: Option<&Path>,
    authority: Option<&Path>,
) -> Result<Opens, PromoteError> {
    let wrong = |path: &Path, why: String| PromoteError::Opens { path: path.to_owned(), why };
    let mut opens = Opens::default();
    if let Some(path) = credentials {
        let text = file(path).map_err(|why| wrong(path, why))?;
        opens.who = Some(pick(&text, repository).map_err(|why| wrong(path, why.to_owned()))?);
    }
    if let Some(path) = authority {
        let text = file(path).map_err(|why| wrong(path, why))?;
        let text = String::from_utf8(text).map_err(|_| wrong(path, "it is no text".to_owned()))?;
        opens.authority = Some(text);
    }
    Ok(opens)
}

/// The bytes of a small file.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size <= MOST) {
        return Ok(bytes);
    }
    Err(format!("it is larger than {MOST} bytes"))
}

/// The user and the password of a repository: those of the longest name that it lies below, as podman has it.
fn pick(text: &[u8], repository: &Repository) -> Result<(String, String), &'static str> {
    // What serde says could show a part of it.
    let all: Auths = serde_json::from_slice(text).map_err(|_| "it is no JSON with `auths`")?;
    let mut name = repository.to_string();
    loop {
        if let Some(found) = all.auths.get(&name).or_else(|| all.auths.get(&format!("https://{name}"))) {
            return pair(found);
        }
        let Some((above, _)) = name.rsplit_once('/') else {
            return Err("`auths` has nothing for this registry");
        };
        name = above.to_owned();
    }
}

fn pair(found: &Auth) -> Result<(String, String), &'static str> {
    if let (Some(user), Some(password)) = (&found.username, &found.password) {
        return Ok((user.clone(), password.clone()));
    }
    let none = "it has no password for this registry; credential helpers are not asked";
    let auth = found.auth.as_deref().filter(|auth| !auth.is_empty()).ok_or(none)?;
    let bytes = base64::prelude::BASE64_STANDARD.decode(auth).map_err(|_| "`auth` is no base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "`auth` is no text")?;
    let (user, password) = text.split_once(':').ok_or("`auth` is no USER:PASSWORD")?;
    Ok((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::{Failure, Reason};

    fn opened(text: &Value, repository: &str) -> Result<Opens, PromoteError> {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("auth.json");
        std::fs::write(&path, text.to_string()).unwrap();
        read(&repository.parse().unwrap(), Some(&path), None)
    }

    #[test]
    fn row_35_credentials_are_those_of_the_nearest_name() {
        let text = json!({"auths": {
            "https://a.example": {"auth": "dTpvbmU6dHdv"},
            "a.example/x/y": {"username": "v", "password": "p", "auth": ""},
            "b.example:5000": {},
            "c.example": {"auth": "%%%"},
        }});
        let who = |repository: &str| opened(&text, repository).map(|opens| opens.who.unwrap());
        assert_eq!(who("a.example/x").unwrap(), ("u".to_owned(), "one:two".to_owned()));
        assert_eq!(who("a.example/x/y/z").unwrap(), ("v".to_owned(), "p".to_owned()));
        for other in ["b.example:5000/x", "c.example/x", "d.example/x", "a.example:5000/x"] {
            let refused = who(other).unwrap_err();
            assert_eq!(refused.reason(), Reason::Config, "{refused}");
            assert!(!refused.to_string().contains("one:two"));
        }
        assert!(read(&"a.example/x".parse().unwrap(), None, None).unwrap().who.is_none());
        assert!(read(&"a.example/x".parse().unwrap(), None, Some(Path::new("/none"))).is_err());
    }
}
