//! Asks a FleetLock server for a reboot slot, in the protocol that Zincati speaks.
//!
//! Decides: what an answer means. Must not: decide when to ask. Both requests are safe to repeat: a server grants a slot
//! again to whom it granted it, and thanks for a slot that is not held.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::error::RolloutError;
use crate::text::one_line;

/// How long one request may take, from the look-up of the name to the last byte of the answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const BYTES: u64 = 16 << 10;

/// What a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// May I reboot?
    PreReboot,
    /// I am up; take the slot back.
    SteadyState,
}

impl Question {
    const fn path(self) -> &'static str {
        match self {
            Question::PreReboot => "v1/pre-reboot",
            Question::SteadyState => "v1/steady-state",
        }
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Granted,
    /// Not now, in the words of the server.
    Refused(String),
}

/// A server, and as whom it is asked.
#[derive(Debug, Clone)]
pub struct FleetLock {
    base: String,
    id: String,
    agent: Agent,
}

#[derive(Serialize)]
struct Body<'a> {
    client_params: ClientParams<'a>,
}

#[derive(Serialize)]
struct ClientParams<'a> {
    id: &'a str,
    group: &'a str,
}

/// The body of an answer other than yes.
#[derive(Deserialize)]
struct Remark {
    kind: String,
    value: String,
}

impl FleetLock {
    /// The server at `base`, asked as `id`. Nothing is sent yet. Redirects are not followed and no proxy is used: the slot
    /// of a whole group is asked of the server that was named, and of no other.
    pub fn new(base: &str, id: String) -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(tls)
            .build();
        Self { base: base.trim_end_matches('/').to_owned(), id, agent: config.into() }
    }

    /// Asks, and waits for the answer for a bounded time.
    ///
    /// # Errors
    /// When there is no answer, or none of the protocol.
    pub async fn ask(&self, question: Question, group: &str) -> Result<Answer, RolloutError> {
        let (lock, group) = (self.clone(), group.to_owned());
        let asked = tokio::task::spawn_blocking(move || lock.ask_blocking(question, &group)).await;
        asked.unwrap_or_else(|error| Err(self.failed(question, &error.to_string())))
    }

    fn ask_blocking(&self, question: Question, group: &str) -> Result<Answer, RolloutError> {
        let failed = |problem: &str| self.failed(question, problem);
        let body = Body { client_params: ClientParams { id: &self.id, group } };
        let body = serde_json::to_string(&body).map_err(|error| failed(&error.to_string()))?;
        let asked = self
            .agent
            .post(format!("{}/{}", self.base, question.path()))
            .header("fleet-lock-protocol", "true")
            .content_type("application/json")
            .send(body);
        let mut response = asked.map_err(|error| failed(&error.to_string()))?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(Answer::Granted);
        }
        let text = response.body_mut().with_config().limit(BYTES).read_to_string();
        let remark = text.ok().and_then(|text| serde_json::from_str::<Remark>(&text).ok());
        match remark {
            Some(Remark { kind, value }) => {
                Ok(Answer::Refused(format!("{}: {}", one_line(&kind, 64), one_line(&value, 256))))
            }
            None => Err(failed(&format!("it answered {status} and nothing of the protocol"))),
        }
    }

    fn failed(&self, question: Question, problem: &str) -> RolloutError {
        RolloutError::FleetLock {
            operation: format!("asking `{}/{}`", one_line(&self.base, 256), question.path()),
            problem: one_line(problem, 256),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use axum::routing::post;
    use std::sync::Mutex;

    type Seen = Arc<Mutex<Vec<String>>>;

    /// A server that answers so, and what it was asked.
    async fn server(status: u16, answer: &'static str) -> (String, Seen) {
        let seen = Seen::default();
        let noted = Arc::clone(&seen);
        let handle = post(move |uri: Uri, headers: HeaderMap, body: String| async move {
            let protocol = headers["fleet-lock-protocol"].to_str().unwrap().to_owned();
            noted.lock().unwrap().push(format!("{uri} {protocol} {body}"));
            (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")], answer)
        });
        let app = Router::new().fallback(handle);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (base, seen)
    }

    #[tokio::test]
    async fn both_questions_are_asked_in_the_words_of_the_protocol() {
        let (base, seen) = server(200, "").await;
        let lock = FleetLock::new(&base, "c988d2509fdf".to_owned());
        for question in [Question::PreReboot, Question::SteadyState] {
            assert_eq!(lock.ask(question, "workers").await.unwrap(), Answer::Granted);
        }
        let body = r#"{"client_params":{"id":"c988d2509fdf","group":"workers"}}"#;
        assert_eq!(
            *seen.lock().unwrap(),
            [format!("/v1/pre-reboot true {body}"), format!("/v1/steady-state true {body}")]
        );
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_words_of_the_server_escaped() {
        let (base, _) =
            server(409, r#"{"kind":"failed_lock","value":"semaphore full:\u001b[2J 1 of 1"}"#).await;
        let answer = FleetLock::new(&base, "id".to_owned()).ask(Question::PreReboot, "g").await.unwrap();
        let Answer::Refused(words) = answer else { panic!("it was granted") };
        assert!(words.starts_with("failed_lock: semaphore full:") && !words.contains('\u{1b}'), "{words}");
    }

    #[tokio::test]
    async fn what_is_no_answer_of_the_protocol_grants_nothing() {
        for (status, answer) in [(500, "oops"), (404, "{}"), (302, ""), (204, ""), (409, "[1]")] {
            let (base, seen) = server(status, answer).await;
            let error =
                FleetLock::new(&base, "id".to_owned()).ask(Question::PreReboot, "g").await.unwrap_err();
            assert!(error.to_string().contains(&status.to_string()), "{error}");
            assert_eq!(seen.lock().unwrap().len(), 1, "no redirect is followed");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said_with_its_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = FleetLock::new(&base, "id".to_owned()).ask(Question::SteadyState, "g").await.unwrap_err();
        assert!(error.to_string().contains(&base), "{error}");
    }
}
