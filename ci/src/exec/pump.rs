//! Moves the bytes of one session: stdin up, stdout and stderr down, each at its own speed.
//!
//! Decides: when a session has ended, and whether that end is proven. Must not: know what runs. Input: a websocket and local
//! streams. A local stream that is not read holds back what comes down, and nothing that goes up; the other way round too.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio::{select, try_join};
use tokio_tungstenite::tungstenite::{Bytes, Error as SocketError, Message};

use super::frame::{self, CLOSE, Channel, STDIN};
use super::heart::{Heart, PING};
use super::last::{self, Mark};
use super::{ExecError, Exit};

/// Most bytes of stdin in one message.
const FRAME: usize = 64 << 10;
/// Messages of each output that wait for a local stream. A server sends at most 32 KiB in one.
const WAITING: usize = 16;

/// Runs one session to its end. Where the far side marks the end of the command, stdin begins as it expects and ends with it.
///
/// # Errors
/// See [`super::run`].
pub(super) async fn pump<S>(
    socket: S,
    stdin: Option<impl AsyncRead>,
    stdout: impl AsyncWrite,
    stderr: impl AsyncWrite,
    mark: Option<&mut Mark>,
) -> Result<Exit, ExecError>
where
    S: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError>,
{
    let (sink, stream) = socket.split();
    let heart = Mutex::new(Heart::new(Instant::now()));
    let (to_out, out) = mpsc::channel(WAITING);
    let (to_err, err) = mpsc::channel(WAITING);
    let over = Notify::new();
    let first = mark.is_some().then_some(last::FIRST);
    let down = async {
        let down = downstream(stream, to_out, (to_err, mark), &heart, &over);
        try_join!(down, pass_on(out, stdout, "stdout"), pass_on(err, stderr, "stderr"))
    };
    select! {
        ended = down => ended.map(|(exit, (), ())| exit),
        failed = upstream(sink, (first, stdin), &heart, &over) => match failed {
            Ok(never) => match never {},
            Err(source) => Err(ExecError::Local { stream: "stdin", source }),
        },
    }
}

fn locked(heart: &Mutex<Heart>) -> MutexGuard<'_, Heart> {
    heart.lock().unwrap_or_else(PoisonError::into_inner) // it holds numbers, which are never half changed
}

/// Sends stdin, its end, and pings, until the session is over. Only a failure to read stdin ends it.
async fn upstream(
    mut sink: impl Sink<Message, Error = SocketError> + Unpin,
    (first, stdin): (Option<&[u8]>, Option<impl AsyncRead>),
    heart: &Mutex<Heart>,
    over: &Notify,
) -> Result<Infallible, std::io::Error> {
    let mut tick = interval(PING);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = stdin.is_some();
    let mut stdin = pin!(stdin);
    let mut buffer = vec![0; FRAME];
    if let Some(first) = first {
        say(&mut sink, of_stdin(first)).await;
    }
    loop {
        let message = select! {
            // Both may be left at any time: a tick comes again, and a read that has not ended has taken nothing.
            _ = tick.tick() => Message::Ping(Bytes::copy_from_slice(&locked(heart).ping())),
            () = over.notified(), if open => {
                open = false; // the command has ended, and what it has not read is thrown away
                Message::binary(vec![CLOSE, STDIN])
            }
            read = read(stdin.as_mut().as_pin_mut(), &mut buffer), if open => {
                match buffer.get(..read?) {
                    None | Some([]) => {
                        open = false;
                        Message::binary(vec![CLOSE, STDIN])
                    }
                    Some(bytes) => {
                        locked(heart).sending();
                        of_stdin(bytes)
                    }
                }
            }
        };
        say(&mut sink, message).await;
    }
}

/// Sends a message. Does not return where that fails: whoever reads the socket sees the same, and says it.
async fn say(sink: &mut (impl Sink<Message, Error = SocketError> + Unpin), message: Message) {
    if sink.send(message).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The message that carries these bytes of stdin.
fn of_stdin(bytes: &[u8]) -> Message {
    Message::binary([&[STDIN], bytes].concat())
}

async fn read(
    stdin: Option<std::pin::Pin<&mut impl AsyncRead>>,
    buffer: &mut [u8],
) -> Result<usize, std::io::Error> {
    match stdin {
        Some(mut stdin) => stdin.read(buffer).await,
        None => Ok(0),
    }
}

/// Takes in what the server sends, until the session is over.
async fn downstream(
    mut stream: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    out: mpsc::Sender<Bytes>,
    (err, mut mark): (mpsc::Sender<Bytes>, Option<&mut Mark>),
    heart: &Mutex<Heart>,
    over: &Notify,
) -> Result<Exit, ExecError> {
    let mut status = None;
    loop {
        let end = match next(&mut stream, heart).await {
            Ok(Some(Ok(Message::Binary(mut bytes)))) => {
                let channel = frame::channel(bytes.first().copied())?;
                let body = bytes.split_off(1);
                match channel {
                    Channel::Stdout => give(&out, body).await,
                    Channel::Stderr => give(&err, own(mark.as_deref_mut(), body, over)).await,
                    Channel::Status => {
                        status = Some(frame::exit(&body));
                        locked(heart).ended();
                    }
                    Channel::Close => {}
                }
                locked(heart).heard(Instant::now()); // what came while a local stream was full is heard from here on
                continue;
            }
            Ok(Some(Ok(Message::Pong(carried)))) => {
                locked(heart).pong(&carried, Instant::now());
                continue;
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Frame(_)))) => {
                locked(heart).alive(Instant::now()); // the library answers pings
                continue;
            }
            Ok(Some(Ok(Message::Text(_)))) => return Err(ExecError::Odd("a message of text".to_owned())),
            Ok(Some(Ok(Message::Close(_)))) => End::Proper,
            Ok(None) => End::Broken("it was closed".to_owned()),
            Ok(Some(Err(error))) => End::Broken(error.to_string()),
            Err(seconds) => End::Silent(seconds),
        };
        if let Some(mark) = mark {
            give(&err, mark.rest()).await;
        }
        return judge(status, end, locked(heart).in_flight());
    }
}

/// What of a piece of stderr is the command's own; says when the command is over.
fn own(mark: Option<&mut Mark>, piece: Bytes, over: &Notify) -> Bytes {
    let Some(mark) = mark else { return piece };
    let own = mark.pass(piece);
    if mark.seen().is_some() {
        over.notify_one();
    }
    own
}

/// Waits for the next message; the error is how many seconds of silence were too many.
async fn next<S>(mut stream: S, heart: &Mutex<Heart>) -> Result<Option<S::Item>, u64>
where
    S: Stream + Unpin,
{
    let mut next = pin!(stream.next());
    loop {
        let deadline = locked(heart).deadline();
        select! {
            message = &mut next => return Ok(message),
            () = sleep_until(deadline) => {
                // More of stdin may have gone up meanwhile, and moved the deadline.
                if let Some(seconds) = locked(heart).silent(Instant::now()) {
                    return Err(seconds);
                }
            }
        }
    }
}

/// How a session ended.
#[derive(Debug)]
enum End {
    /// The server said goodbye after its last byte.
    Proper,
    /// The connection broke.
    Broken(String),
    /// Nothing came for so many seconds.
    Silent(u64),
}

/// What the end of a session proves. A server sends the status last and then says goodbye.
fn judge(status: Option<Result<Exit, ExecError>>, end: End, in_flight: bool) -> Result<Exit, ExecError> {
    match (status, end) {
        (Some(exit), End::Proper) => exit,
        // A server that still holds some of stdin resets the connection, and its goodbye is lost. It sent all it had. What did
        // not start has not read our first line either.
        (Some(exit), End::Broken(_)) if in_flight || exit.is_err() => exit,
        // The command has ended, and the server has nothing more to say but does not let go.
        (Some(exit), End::Silent(_)) => exit,
        (Some(_), End::Broken(how)) => {
            Err(ExecError::Cut(format!("after the exit code, but without a goodbye: {how}")))
        }
        (None, End::Proper) => Err(ExecError::Cut("the server closed it".to_owned())),
        (None, End::Broken(how)) => Err(ExecError::Cut(how)),
        (None, End::Silent(seconds)) => Err(ExecError::Silent(seconds)),
    }
}

async fn give(queue: &mpsc::Sender<Bytes>, body: Bytes) {
    if !body.is_empty() && queue.send(body).await.is_err() {
        std::future::pending::<()>().await; // whoever writes it out has failed, and says so
    }
}

/// Writes one output to its local stream, promptly; what has come meanwhile in one piece, since each piece may cost a local
/// stream a change of threads.
async fn pass_on(
    mut queue: mpsc::Receiver<Bytes>,
    local: impl AsyncWrite,
    stream: &'static str,
) -> Result<(), ExecError> {
    let mut local = pin!(local);
    let failed = |source| ExecError::Local { stream, source };
    let mut pieces = Vec::with_capacity(WAITING);
    while queue.recv_many(&mut pieces, WAITING).await > 0 {
        match pieces.as_slice() {
            [piece] => local.write_all(piece).await.map_err(failed)?,
            pieces => local.write_all(&pieces.concat()).await.map_err(failed)?,
        }
        pieces.clear();
        if queue.is_empty() {
            local.flush().await.map_err(failed)?;
        }
    }
    local.flush().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_14_an_end_without_a_goodbye_is_a_success_only_where_it_must_be() {
        let seven = || Some(Ok(Exit { code: 7 }));
        let broken = || End::Broken("reset".to_owned());
        assert_eq!(judge(seven(), End::Proper, false).unwrap().code, 7);
        assert_eq!(judge(seven(), broken(), true).unwrap().code, 7);
        assert_eq!(judge(seven(), End::Silent(10), false).unwrap().code, 7);
        assert!(matches!(judge(seven(), broken(), false), Err(ExecError::Cut(_))));
        let never = || Some(Err(ExecError::NotStarted("no `sh`".to_owned())));
        assert!(matches!(judge(never(), broken(), false), Err(ExecError::NotStarted(_))));
        for end in [End::Proper, broken()] {
            assert!(matches!(judge(None, end, true), Err(ExecError::Cut(_))));
        }
        assert!(matches!(judge(None, End::Silent(20), false), Err(ExecError::Silent(20))));
    }
}
