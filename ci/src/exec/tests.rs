//! The pump against a websocket in memory, whose other side is played by the test.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, empty, sink};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::pump::pump;
use super::{ExecError, Exit};

type Socket = WebSocketStream<DuplexStream>;

const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;

async fn sockets() -> (Socket, Socket) {
    let (near, far) = duplex(64 << 10);
    let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    (near, WebSocketStream::from_raw_socket(far, Role::Server, None).await)
}

fn message(channel: u8, body: &[u8]) -> Message {
    Message::binary([&[channel], body].concat())
}

/// The next message that is no ping.
async fn heard(server: &mut Socket) -> Vec<u8> {
    loop {
        match server.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return bytes.to_vec(),
            Message::Ping(_) => {}
            other @ (Message::Text(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.expect("it ends") })
}

#[test]
fn row_14_what_comes_after_the_status_is_not_lost() {
    block(async {
        let (near, mut server) = sockets().await;
        let (out, mut read) = duplex(1 << 20);
        let serve = async {
            server.send(message(1, b"one")).await.unwrap();
            server.send(message(3, SUCCESS.as_bytes())).await.unwrap();
            server.send(message(2, b"to stderr")).await.unwrap();
            server.send(message(1, b" two")).await.unwrap();
            server.close(None).await.unwrap();
            server
        };
        let (exit, _server) = tokio::join!(pump(near, None::<tokio::io::Empty>, out, sink(), None), serve);
        assert_eq!(exit.unwrap(), Exit { code: 0 });
        let mut text = String::new();
        read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one two");
    });
}

#[test]
fn row_12_an_end_of_stdin_is_told_and_output_still_comes() {
    block(async {
        let (near, mut server) = sockets().await;
        let (out, mut read) = duplex(1 << 20);
        let serve = async {
            let mut got = Vec::new();
            loop {
                let message = heard(&mut server).await;
                match message.as_slice() {
                    [255, 0] => break,
                    [0, rest @ ..] => got.extend_from_slice(rest),
                    other => panic!("{other:?}"),
                }
            }
            server.send(message(1, &got)).await.unwrap();
            server.send(message(3, SUCCESS.as_bytes())).await.unwrap();
            server.close(None).await.unwrap();
            server
        };
        let sent: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (exit, _server) = tokio::join!(pump(near, Some(sent.as_slice()), out, sink(), None), serve);
        assert_eq!(exit.unwrap().code, 0);
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, sent);
    });
}

#[test]
fn row_12_an_unread_stdout_does_not_hold_up_stdin() {
    block(async {
        let (near, mut server) = sockets().await;
        // Nobody reads this, and it is much smaller than what is written.
        let (out, _unread) = duplex(16);
        let (mut to_stdin, stdin) = duplex(1024);
        let session = tokio::spawn(pump(near, Some(stdin), out, sink(), None));
        for _ in 0..WAITING_AND_MORE {
            // Until the pump takes no more; the socket in between holds a little too.
            let sent = server.send(message(1, &[b'x'; 32 << 10]));
            if tokio::time::timeout(Duration::from_millis(200), sent).await.is_err() {
                break;
            }
        }
        to_stdin.write_all(b"still heard").await.unwrap();
        assert_eq!(heard(&mut server).await, b"\0still heard");
        session.abort();
    });
}

/// More messages than any queue on the way holds.
const WAITING_AND_MORE: usize = 200;

#[test]
fn row_15_a_connection_that_breaks_is_no_end_of_the_command() {
    block(async {
        let (near, mut server) = sockets().await;
        let serve = async {
            server.send(message(1, b"half")).await.unwrap();
            drop(server);
        };
        let (exit, ()) = tokio::join!(pump(near, None::<tokio::io::Empty>, sink(), sink(), None), serve);
        assert!(matches!(exit, Err(ExecError::Cut(_))), "{exit:?}");
    });
}

#[test]
fn a_local_stream_that_fails_is_said_to_have_failed() {
    block(async {
        let (near, mut server) = sockets().await;
        let (out, closed) = duplex(16);
        drop(closed);
        server.send(message(1, b"to nobody")).await.unwrap();
        let exit = pump(near, Some(empty()), out, sink(), None).await;
        assert!(matches!(exit, Err(ExecError::Local { stream: "stdout", .. })), "{exit:?}");
    });
}

#[test]
fn a_message_of_text_is_refused() {
    block(async {
        let (near, mut server) = sockets().await;
        server.send(Message::text("hello")).await.unwrap();
        let exit = pump(near, None::<tokio::io::Empty>, sink(), sink(), None).await;
        assert!(matches!(exit, Err(ExecError::Odd(_))), "{exit:?}");
    });
}

#[test]
fn row_12_a_command_that_leaves_its_stdin_unread_ends_it() {
    block(async {
        let (near, mut server) = sockets().await;
        let (line, mut mark) = super::last::line(&["true".to_owned()]);
        let (err, mut read) = duplex(1 << 20);
        let words = [b"\0", line[4].as_bytes(), b"E"].concat();
        let serve = async {
            assert_eq!(heard(&mut server).await, b"\0\n", "before all else, what the shell takes away");
            server.send(message(2, &[b"own", words.as_slice()].concat())).await.unwrap();
            while heard(&mut server).await != [255, 0] {}
            server.send(message(3, SUCCESS.as_bytes())).await.unwrap();
            server.close(None).await.unwrap();
            server
        };
        let endless = tokio::io::repeat(b'x');
        let (exit, _server) = tokio::join!(pump(near, Some(endless), sink(), err, Some(&mut mark)), serve);
        assert_eq!(exit.unwrap().code, 0);
        let mut text = String::new();
        read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "own");
    });
}
