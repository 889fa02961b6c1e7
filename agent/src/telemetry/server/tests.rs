//! A real socket, spoken to by hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;

async fn ask(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn request(target: &str, accept: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")
}

struct Served {
    root: tempfile::TempDir,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

fn served() -> Served {
    let root = tempfile::tempdir().unwrap();
    let listener = listen(&root.path().join("m")).unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, Arc::new(Metrics::new()), stop.clone()));
    Served { root, stop, task }
}

#[tokio::test]
async fn a_scraper_gets_the_form_it_accepts() {
    let served = served();
    let path = served.root.path().join("m");
    let open =
        ask(&path, &request("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")).await;
    assert!(
        open.contains("content-type: application/openmetrics-text; version=1.0.0")
            && open.ends_with("# EOF\n")
    );
    let plain = ask(&path, &request("/metrics", "*/*")).await;
    assert!(plain.contains("content-type: text/plain; version=0.0.4") && !plain.contains("# EOF"), "{plain}");
    assert!(ask(&path, &request("/other", "*/*")).await.starts_with("HTTP/1.1 404"));
    assert!(
        ask(&path, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 405")
    );
    served.stop.cancel();
    served.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_loopback_serves_the_same() {
    let stop = CancellationToken::new();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    assert!(matches!(bind(address).unwrap_err(), ServerError::Bind { .. }), "somebody has the port");
    let task = tokio::spawn(serve_tcp(listener, Arc::new(Metrics::new()), stop.clone()));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request("/metrics", "*/*").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("extensions_agent_build_info"), "{answer}");
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn more_connections_than_the_bound_wait_for_one_that_ends() {
    let served = served();
    let path = served.root.path().join("m");
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        // Half an answer to an unfinished request would prove nothing; a whole one proves that it was accepted.
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        silent.push(stream);
    }
    let waiting = tokio::spawn(async move { ask(&path, &request("/metrics", "*/*")).await });
    silent.pop();
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_ended() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("m");
    let std = listen(&path).unwrap();
    std.set_nonblocking(true).unwrap();
    let listener = UnixListener::from_std(std).unwrap();
    let mut bounded =
        Bounded { listener, free: Arc::new(Semaphore::new(1)), lifetime: Duration::from_millis(1) };
    let client = UnixStream::connect(&path).await.unwrap();
    let (mut connection, ()) = Listener::accept(&mut bounded).await;
    let error = connection.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(client);
}

#[test]
fn a_stale_socket_is_replaced_and_anything_else_is_not() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("metrics.promsock");
    drop(listen(&path).unwrap());
    assert!(path.exists(), "the dead agent left it");
    let again = listen(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left beside it");
    drop(again);

    let file = root.path().join("precious");
    std::fs::write(&file, "data").unwrap();
    assert!(matches!(listen(&file).unwrap_err(), ServerError::Listen { .. }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
    assert!(listen(&root.path().join("missing/m")).is_err());
}
