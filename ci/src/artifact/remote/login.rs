//! How a registry is told who asks: by nothing, a password with each request, or tokens of the service that it names.
//!
//! Decides: what is sent along with a request, and when a token is too old. Must not: send a password before the registry
//! has asked for one or for a token, or let anybody see it. Input: answers of a registry and of its service, untrusted.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, StatusCode};
use kube::client::Body;
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use super::challenge::{self, Asked, Need, Service};
use super::transport::{Transport, body, refused};
use crate::artifact::ArtifactError;
use crate::error::shown;

/// Largest answer of a service, in bytes.
const ANSWER: usize = 64 << 10;
/// How long a token counts whose service does not say; what the distribution specification has.
const UNSAID: u64 = 60;
/// No token is kept for longer, in seconds.
const LONGEST: u64 = 3600;

/// What opens a registry. No `Debug`: it holds a password.
#[derive(Clone, Default)]
pub struct Opens {
    /// User and password.
    pub who: Option<(String, String)>,
    /// The authority of its certificate, and of that of its service, as PEM; none for those that this machine trusts.
    pub authority: Option<String>,
}

/// What is sent along, found out at the first request.
enum Way {
    Nothing,
    Password(HeaderValue),
    Tokens(Service, Transport),
}

struct Token {
    text: String,
    until: Instant,
}

/// The login at one registry.
pub(super) struct Login {
    opens: Opens,
    way: OnceCell<Way>,
    tokens: Mutex<BTreeMap<Need, Token>>,
}

/// A header that no log shows.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Login {
    pub(super) fn new(opens: Opens) -> Self {
        Login { opens, way: OnceCell::new(), tokens: Mutex::new(BTreeMap::new()) }
    }

    /// What is sent along with a request to the registry of that name.
    ///
    /// # Errors
    /// When it asks for what cannot be given, its service gives no token, or one of them is away.
    pub(super) async fn header(
        &self,
        registry: &Transport,
        name: &str,
        need: &Need,
    ) -> Result<Option<HeaderValue>, ArtifactError> {
        match self.way.get_or_try_init(|| self.find(registry, name)).await? {
            Way::Nothing => Ok(None),
            Way::Password(header) => Ok(Some(header.clone())),
            Way::Tokens(service, there) => self.token(service, there, need).await.map(Some),
        }
    }

    /// What must not be shown, wherever a server says it.
    pub(super) async fn secrets(&self) -> Vec<String> {
        let tokens = self.tokens.lock().await;
        self.own_secrets().chain(tokens.values().map(|token| token.text.clone())).collect()
    }

    fn own_secrets(&self) -> impl Iterator<Item = String> {
        self.opens.who.iter().map(|(_, password)| password.clone())
    }

    fn password(&self) -> Option<HeaderValue> {
        let (user, password) = self.opens.who.as_ref()?;
        secret(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }

    /// Asks the registry how it wants to be asked.
    async fn find(&self, registry: &Transport, name: &str) -> Result<Way, ArtifactError> {
        let operation = format!("logging in at {}", shown(name));
        let answer = registry.send(Request::get("/v2/").body(Body::empty()), &operation).await?;
        let with_password = || self.password().map_or(Way::Nothing, Way::Password);
        if answer.status().is_success() {
            return Ok(with_password());
        }
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Err(refused(&operation, answer, &[]).await);
        }
        let wrong = |why| ArtifactError::Way { registry: name.to_owned(), why };
        match challenge::read(answer.headers().get_all(WWW_AUTHENTICATE).iter()).map_err(wrong)? {
            Asked::Password => Ok(with_password()),
            Asked::Token(service) => {
                let authority = self.opens.authority.as_deref();
                let there = Transport::new(&service.address, &service.address, authority).await?;
                Ok(Way::Tokens(service, there))
            }
        }
    }

    async fn token(
        &self,
        service: &Service,
        there: &Transport,
        need: &Need,
    ) -> Result<HeaderValue, ArtifactError> {
        let operation =
            format!("getting a token for {} from {}", shown(&need.repository), shown(&service.address));
        let unusable = |why: &str| ArtifactError::Document { what: operation.clone(), why: why.to_owned() };
        // Held while the service is asked: whoever comes meanwhile gets the same token.
        let mut tokens = self.tokens.lock().await;
        tokens.retain(|_, token| Instant::now() < token.until);
        if !tokens.contains_key(need) {
            let user = self.opens.who.as_ref().map(|(user, _)| user.as_str());
            let mut request = Request::get(service.question(need, user));
            if let Some(password) = self.password() {
                request = request.header(AUTHORIZATION, password);
            }
            let asked = Instant::now();
            let answer = there.send(request.body(Body::empty()), &operation).await?;
            if answer.status() != StatusCode::OK {
                let own: Vec<String> = self.own_secrets().collect();
                return Err(refused(&operation, answer, &own).await);
            }
            let (text, lasts) = read(&body(answer, ANSWER, &operation).await?).map_err(unusable)?;
            tokens.insert(need.clone(), Token { text, until: asked + lasts });
        }
        let header = tokens.get(need).and_then(|token| secret(&format!("Bearer {}", token.text)));
        header.ok_or_else(|| unusable("the token cannot be sent"))
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// The token of an answer, and how long it is used: a quarter less than it counts, for clocks and for the way.
fn read(answer: &[u8]) -> Result<(String, Duration), &'static str> {
    // The error of the parser would show what it stumbled over.
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| "its answer is no JSON with a token")?;
    let given = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
    let given = given.ok_or("its answer has no token")?;
    let seconds = answer.expires_in.unwrap_or(UNSAID).min(LONGEST);
    Ok((given, Duration::from_secs(seconds) * 3 / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_35_a_token_is_used_for_less_than_it_counts() {
        let lasts = |text: &str| read(text.as_bytes()).map(|(token, lasts)| (token, lasts.as_secs()));
        assert_eq!(
            lasts(r#"{"token": "a", "access_token": "b", "issued_at": "x"}"#),
            Ok(("a".to_owned(), 45))
        );
        assert_eq!(lasts(r#"{"access_token": "b", "expires_in": 300}"#), Ok(("b".to_owned(), 225)));
        assert_eq!(lasts(r#"{"token": "a", "expires_in": 999999999}"#), Ok(("a".to_owned(), 2700)));
        for bad in
            ["", "[]", "{}", r#"{"token": ""}"#, r#"{"token": 7}"#, r#"{"token": "s", "expires_in": -1}"#]
        {
            assert!(lasts(bad).is_err(), "{bad}");
        }
    }
}
