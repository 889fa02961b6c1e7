//! What a registry asks of who comes: a password, or a token that a service hands out for it.
//!
//! ```text
//!  WWW-Authenticate: Bearer realm="https://auth.example.com/token",service="registry.example.com"
//!        ──► GET /token?service=registry.example.com&scope=repository:ci/payload:pull,push   at auth.example.com
//! ```
//!
//! Decides: which of its offers is taken, and what the service is asked. Must not: talk to anybody, or take a service that
//! is reached without TLS. Input: headers of a registry, untrusted. The service is the registry's choice, as everywhere: a
//! registry that wants our password could as well have asked for it itself.

use form_urlencoded::Serializer;
use http::{HeaderValue, Uri};
use http_auth::{ChallengeParser, ChallengeRef};

/// Longest header, and longest part of it that is sent on.
const LONGEST: usize = 4 << 10;

/// What is wanted of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    /// Its name.
    pub(super) repository: String,
    /// Whether anything is written.
    pub(super) push: bool,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// User and password with each request.
    Password,
    /// A token of this service.
    Token(Service),
}

/// Who hands out tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// `HOST:PORT` or `HOST`.
    pub(super) address: String,
    /// The path there, with what the registry wants to be asked.
    path: String,
    /// What the service calls the registry.
    name: Option<String>,
}

impl Service {
    /// The path and query that ask for a token.
    pub(super) fn question(&self, need: &Need, user: Option<&str>) -> String {
        let rights = if need.push { "pull,push" } else { "pull" };
        let mut query = Serializer::new(String::new());
        if let Some(name) = &self.name {
            query.append_pair("service", name);
        }
        query.append_pair("scope", &format!("repository:{}:{rights}", need.repository));
        if let Some(user) = user {
            query.append_pair("account", user);
        }
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}{}", self.path, query.finish())
    }
}

fn value(challenge: &ChallengeRef<'_>, key: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value.to_unescaped())
}

fn service(challenge: &ChallengeRef<'_>) -> Result<Service, String> {
    let realm = value(challenge, "realm").ok_or("it names no service that hands out tokens")?;
    let uri: Uri = realm.parse().map_err(|_| "the service that hands out tokens has no address")?;
    if uri.scheme_str() != Some("https") {
        return Err("the service that hands out tokens is not reached by https".to_owned());
    }
    let address = uri.authority().map(ToString::to_string).unwrap_or_default();
    if address.is_empty() || address.contains('@') {
        return Err("the service that hands out tokens has no address".to_owned());
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Service { address, path, name: value(challenge, "service") })
}

/// What the headers of an answer `401` ask for. A token is taken before a password: the registry need not see that.
///
/// # Errors
/// When nothing that is asked for can be given.
pub(super) fn read<'a>(headers: impl Iterator<Item = &'a HeaderValue>) -> Result<Asked, String> {
    let mut refused = "it does not say how to log in".to_owned();
    let mut password = false;
    for header in headers {
        let text = header.to_str().ok().filter(|text| text.len() <= LONGEST).unwrap_or_default();
        // What cannot be read ends the list, as it would be guessed where the next challenge begins.
        for challenge in ChallengeParser::new(text).map_while(Result::ok) {
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                match service(&challenge) {
                    Ok(service) => return Ok(Asked::Token(service)),
                    Err(why) => refused = why,
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                password = true;
            } else {
                refused = "it asks for neither a password nor a token".to_owned();
            }
        }
    }
    if password { Ok(Asked::Password) } else { Err(refused) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[&str]) -> Result<Asked, String> {
        let headers: Vec<HeaderValue> = headers.iter().map(|text| text.parse().unwrap()).collect();
        read(headers.iter())
    }

    fn token(headers: &[&str]) -> Service {
        match asked(headers) {
            Ok(Asked::Token(service)) => service,
            other => panic!("{headers:?}: {other:?}"),
        }
    }

    #[test]
    fn row_35_a_service_is_asked_for_one_repository_and_no_more_than_is_needed() {
        let service = token(&[
            r#"Bearer realm="https://auth.example.com/token",service="a b&c",scope="repository:x:*""#,
        ]);
        assert_eq!(service.address, "auth.example.com");
        let need = |push| Need { repository: "ci/payload".to_owned(), push };
        assert_eq!(
            service.question(&need(false), None),
            "/token?service=a+b%26c&scope=repository%3Aci%2Fpayload%3Apull"
        );
        let service = token(&[r#"Basic realm="x""#, r#"bearer Realm="https://[::1]:5001/v2/auth?a=b""#]);
        assert_eq!(service.address, "[::1]:5001", "a token is better than a password");
        assert_eq!(
            service.question(&need(true), Some("a&scope=x")),
            "/v2/auth?a=b&scope=repository%3Aci%2Fpayload%3Apull%2Cpush&account=a%26scope%3Dx"
        );
        assert_eq!(
            token(&[r#"Bearer realm="https://h""#]).question(&need(false), None).find("/?scope="),
            Some(0)
        );
    }

    #[test]
    fn row_35_what_cannot_be_given_is_not_guessed() {
        for text in [r#"Basic realm="x""#, "basic", r#"Negotiate, Basic realm="x", charset="UTF-8""#] {
            assert_eq!(asked(&[text]), Ok(Asked::Password), "{text}");
        }
        for (text, word) in [
            ("", "does not say"),
            ("Negotiate", "neither"),
            ("Bearer", "names no service"),
            (r#"Bearer realm="http://auth.example.com/token""#, "https"),
            (r#"Bearer realm="/token""#, "https"),
            (r#"Bearer realm="https://u:p@auth.example.com/token""#, "address"),
            (r#"Bearer realm="https:// x/""#, "address"),
            (r#"Bearer realm="https://auth.example.com"#, "does not say"),
        ] {
            assert!(asked(&[text]).unwrap_err().contains(word), "{text}: {:?}", asked(&[text]));
        }
        let long = format!(r#"Bearer realm="https://{}/""#, "a".repeat(LONGEST));
        assert!(asked(&[&long]).is_err() && asked(&[]).is_err());
    }
}
