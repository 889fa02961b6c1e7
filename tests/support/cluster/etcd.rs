//! Words with etcd itself, through its JSON gateway: health, the current revision, and compaction.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// Whether it serves.
pub(super) fn healthy(address: SocketAddr) -> Result<(), String> {
    let answer = ask(address, "GET", "/health", "")?;
    if answer["health"] == "true" { Ok(()) } else { Err(answer.to_string()) }
}

/// Forgets everything before the current revision.
#[track_caller]
pub(super) fn compact(address: SocketAddr) {
    let any = json!({ "key": "AA==", "range_end": "AA==", "count_only": true }).to_string();
    let range = ask(address, "POST", "/v3/kv/range", &any).unwrap();
    let revision = range["header"]["revision"].as_str().unwrap_or_else(|| panic!("no revision in {range}"));
    let order = json!({ "revision": revision, "physical": true }).to_string();
    let done = ask(address, "POST", "/v3/kv/compaction", &order).unwrap();
    assert!(done["header"].is_object(), "compaction at {revision}: {done}");
}

/// One request over plain HTTP, on a connection of its own.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value, String> {
    let words = |error: std::io::Error| format!("{method} {path}: {error}");
    let mut stream = TcpStream::connect(address).map_err(words)?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(words)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(words)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).map_err(|error| format!("{method} {path}: {error} in {answer}"))
}
