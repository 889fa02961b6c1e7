//! Runs a command detached in a container and follows it, over as many sessions as it takes.
//!
//! Decides: when a session that ended is followed by another, and which end of a run is true. Must not: choose the pod or print.
//! Input: a target, a job, local streams.
//!
//! The command belongs to the container, not to a session: it goes on when a connection is cut, or when this process dies. What
//! it writes lies in files there. A session is a view from a byte offset on. Beginning is safe to repeat: a run begins once,
//! whoever asks and however often.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, sink};
use tokio::time::{Instant, sleep, timeout};
use tokio::{select, try_join};

use super::remote::{self, Ask, Offsets, RunId};
use super::view::{Event, Output, View};
use super::{BEGIN, ExecError, Exit, Target, session, watch};
use crate::error::{Failure, Reason};

/// How long a view may be silent.
const SILENCE: Silence =
    Silence { first: BEGIN.saturating_add(Duration::from_secs(30)), later: Duration::from_secs(30) };
/// Between a session that ended and the next: from, to.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often an end that contradicts itself is looked at again.
const DOUBTS: u32 = 3;
/// What a shell says when the container lacks a program that a run needs. Ours, and only believed before a run began.
const LACKING: i32 = 72;
/// What it says when the place of the runs cannot be written to.
const UNWRITABLE: i32 = 73;
/// Bytes on their way from a session to a local stream.
const BUFFER: usize = 256 << 10;
/// Most of what a view says of its own troubles.
const TROUBLE: usize = 4 << 10;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The command; none to look at a run that is there.
    pub command: Option<Vec<String>>,
    /// The name of the run.
    pub run: RunId,
    /// Below which directory of the container runs lie.
    pub spool: String,
    /// Most bytes that the command may write, both outputs together. Looked at once a second.
    pub most: u64,
    /// After how many seconds it is ended.
    pub seconds: Option<u64>,
    /// How long the way to the container may be lost before this gives up.
    pub patience: Duration,
}

impl Job {
    fn dir(&self) -> String {
        format!("{}/{}", self.spool, self.run)
    }
}

/// How a run ended, or how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code; none while it runs.
    pub code: Option<i32>,
    /// Why it was ended, where it did not end by itself: `timeout`, `output-limit`, `cancelled`.
    pub cause: Option<String>,
}

/// Takes what a run writes.
pub trait Sink {
    /// The next bytes of one output. They are not given a second time.
    fn take(&mut self, output: Output, bytes: &[u8]) -> impl Future<Output = Result<(), ExecError>>;
    /// Nothing more comes for now: what was taken is to be seen.
    fn flush(&mut self) -> impl Future<Output = Result<(), ExecError>>;
}

/// A run that is being followed.
#[derive(Debug)]
pub struct Follow {
    job: Job,
    known: Offsets,
    begun: bool,
    sessions: u64,
    cut_off: u64,
}

/// How much silence of a view is borne.
#[derive(Debug, Clone, Copy)]
struct Silence {
    /// Before its first word: it has to be reached and begun, which a busy node takes its time for.
    first: Duration,
    /// After that: it says every few seconds that it lives.
    later: Duration,
}

/// What a session brought.
#[derive(Debug)]
enum Said {
    Ended(Outcome),
    Paused,
    Again,
}

impl Follow {
    /// Of a job, from these offsets on.
    pub fn new(job: Job, known: Offsets) -> Self {
        Follow { begun: job.command.is_none(), job, known, sessions: 0, cut_off: 0 }
    }

    /// What is known of its outputs.
    pub fn known(&self) -> Offsets {
        self.known
    }

    /// Whether it has surely begun.
    pub fn begun(&self) -> bool {
        self.begun
    }

    /// How many sessions it took.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// How often a session ended before what it showed did.
    pub fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Follows it to its end; with `once`, only through what it has written so far. After an error it may be called again,
    /// with another target if need be: it goes on where it was.
    ///
    /// # Errors
    /// When the way to the container was lost for too long, the run is lost, or a local stream failed.
    pub async fn go(
        &mut self,
        target: &Target,
        once: bool,
        to: &mut impl Sink,
    ) -> Result<Outcome, ExecError> {
        let mut since = Instant::now();
        let (mut round, mut doubts) = (0, 0);
        loop {
            let before = self.known;
            let began = self.begun;
            let failed = match self.session(target, once, to).await {
                Ok(Said::Ended(outcome)) => return Ok(outcome),
                Ok(Said::Paused) => return Ok(Outcome { code: None, cause: None }),
                Ok(Said::Again) => {
                    (since, round) = (Instant::now(), 0);
                    continue;
                }
                Err(error) => error,
            };
            self.cut_off += u64::from(self.begun && failed.is_cut_off());
            if let ExecError::Disagree { .. } = failed {
                doubts += 1;
            }
            if failed.reason() != Reason::Again || failed.is_final() || doubts >= DOUBTS {
                return Err(failed);
            }
            if self.known != before || self.begun != began {
                (since, round) = (Instant::now(), 0);
            }
            if since.elapsed() >= self.job.patience {
                return Err(failed);
            }
            sleep(pause(round, self.sessions)).await;
            round = round.saturating_add(1);
        }
    }

    /// Ends the command, and whatever it started in its process group. Safe to repeat.
    ///
    /// # Errors
    /// When the container cannot be reached.
    pub async fn end(job: &Job, target: &Target, cause: &str) -> Result<(), ExecError> {
        let line = remote::command(&job.dir(), Offsets::default(), Ask::End { cause });
        watch(target, &line, sink(), sink()).await.map(|_| ())
    }

    /// One view.
    async fn session(&mut self, target: &Target, once: bool, to: &mut impl Sink) -> Result<Said, ExecError> {
        self.sessions = self.sessions.saturating_add(1);
        let ask = match (&self.job.command, self.begun, once) {
            (Some(command), false, _) => {
                Ask::Start { command, most: self.job.most, seconds: self.job.seconds }
            }
            (_, _, true) => Ask::Once,
            (_, _, false) => Ask::Follow,
        };
        let line = remote::command(&self.job.dir(), self.known, ask);
        let ((near, far), (near_trouble, trouble)) = (duplex(BUFFER), duplex(TROUBLE));
        let _room = target.sessions.stream().await; // waiting for it is no silence of the view
        let nothing = None::<tokio::io::Empty>;
        let mut session = std::pin::pin!(session(target, &line, nothing, (near, near_trouble), None));
        let mut view = View::from(self.known);
        let mut begun = self.begun;
        let (exit, taken) = {
            let take = async { try_join!(take(far, &mut view, &mut begun, to, SILENCE), first(trouble)) };
            let mut take = std::pin::pin!(take);
            // What a session brought is always taken to its end: only then is what is known true. Where taking fails, it
            // failed for good, or said nothing for too long.
            select! {
                exit = &mut session => (exit, take.await),
                taken = &mut take => match taken {
                    Ok(taken) => (session.await, Ok(taken)),
                    Err(error) => (Err(error), Ok((None, String::new()))),
                }
            }
        };
        self.known = view.known();
        self.begun = begun;
        let (said, trouble) = taken?;
        conclude(exit, said, &trouble, self.begun)
    }
}

/// The last word of a view.
#[derive(Debug, PartialEq, Eq)]
enum Last {
    Ended { code: i32, cause: Option<String> },
    Paused,
    Again,
    Lost,
    Missing,
    Trimmed,
}

/// Takes a view to its end; returns its last word.
async fn take(
    mut far: impl AsyncRead + Unpin,
    view: &mut View,
    begun: &mut bool,
    to: &mut impl Sink,
    silence: Silence,
) -> Result<Option<Last>, ExecError> {
    let mut buffer = vec![0; BUFFER];
    let mut last = None;
    let mut borne = silence.first;
    loop {
        let read = timeout(borne, far.read(&mut buffer)).await;
        let read = read.map_err(|_| ExecError::Silent(borne.as_secs()))?;
        borne = silence.later;
        let Ok(length @ 1..) = read else { return Ok(last) }; // a pipe in memory only ends
        let mut input = buffer.get(..length).unwrap_or_default();
        while let Some(event) = view.next(&mut input)? {
            match event {
                Event::Bytes(output, bytes) => to.take(output, bytes).await?,
                Event::Begun => *begun = true,
                Event::Beat => {}
                Event::Ended { code, cause } => last = Some(Last::Ended { code, cause }),
                Event::Paused => last = Some(Last::Paused),
                Event::Again => last = Some(Last::Again),
                Event::Lost => last = Some(Last::Lost),
                Event::Missing => last = Some(Last::Missing),
                Event::Trimmed => last = Some(Last::Trimmed),
            }
        }
        to.flush().await?;
    }
}

/// The first part of a text, all of which is read.
async fn first(mut from: impl AsyncRead + Unpin) -> Result<String, ExecError> {
    let mut text = Vec::new();
    let mut buffer = vec![0; TROUBLE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let room = TROUBLE.saturating_sub(text.len()).min(length);
        text.extend_from_slice(buffer.get(..room).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// What a session means: its last word and the exit code of the view must say the same.
fn conclude(
    exit: Result<Exit, ExecError>,
    last: Option<Last>,
    trouble: &str,
    begun: bool,
) -> Result<Said, ExecError> {
    let exit = exit?;
    match last {
        Some(Last::Ended { code, cause }) if code == exit.code => {
            Ok(Said::Ended(Outcome { code: Some(code), cause }))
        }
        Some(Last::Ended { code, .. }) => Err(ExecError::Disagree { spool: code, view: exit.code }),
        Some(Last::Paused) => Ok(Said::Paused),
        Some(Last::Again) => Ok(Said::Again),
        Some(Last::Lost) => Err(ExecError::Lost),
        Some(Last::Missing) if !begun => Err(ExecError::Failed("the run did not begin in time".to_owned())),
        Some(Last::Missing) => Err(ExecError::Missing),
        Some(Last::Trimmed) => Err(ExecError::Trimmed),
        None if !begun && matches!(exit.code, LACKING | UNWRITABLE) => {
            Err(ExecError::Unfit(trouble.to_owned()))
        }
        None => Err(ExecError::Failed(format!("a view ended with {}: {trouble}", exit.code))),
    }
}

/// How long to wait before another session: longer each time, and not all equally long.
fn pause(round: u32, seed: u64) -> Duration {
    let (shortest, longest) = PAUSE;
    let full = shortest.saturating_mul(1 << round.min(8)).min(longest);
    let share = u32::try_from(seed.wrapping_mul(2_654_435_761) % 512).unwrap_or(0);
    full.saturating_mul(512 + share) / 1024
}

/// Two local streams, for those who want no more.
#[derive(Debug)]
pub struct Streams<O, E> {
    /// Takes stdout.
    pub stdout: O,
    /// Takes stderr.
    pub stderr: E,
}

impl<O: AsyncWrite + Unpin, E: AsyncWrite + Unpin> Sink for Streams<O, E> {
    async fn take(&mut self, output: Output, bytes: &[u8]) -> Result<(), ExecError> {
        match output {
            Output::Out => self.stdout.write_all(bytes).await.map_err(local("stdout")),
            Output::Err => self.stderr.write_all(bytes).await.map_err(local("stderr")),
        }
    }

    async fn flush(&mut self) -> Result<(), ExecError> {
        self.stdout.flush().await.map_err(local("stdout"))?;
        self.stderr.flush().await.map_err(local("stderr"))
    }
}

fn local(stream: &'static str) -> impl Fn(std::io::Error) -> ExecError {
    move |source| ExecError::Local { stream, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> Option<Last> {
        Some(Last::Ended { code, cause: None })
    }

    #[test]
    fn row_16_the_two_exit_codes_must_agree() {
        let said = conclude(Ok(Exit { code: 7 }), ended(7), "", true).unwrap();
        assert!(matches!(said, Said::Ended(Outcome { code: Some(7), cause: None })), "{said:?}");
        let said = conclude(Ok(Exit { code: 0 }), ended(7), "", true).unwrap_err();
        assert!(matches!(said, ExecError::Disagree { spool: 7, view: 0 }), "{said:?}");
        let cut = conclude(Err(ExecError::Silent(1)), ended(7), "", true).unwrap_err();
        assert!(matches!(cut, ExecError::Silent(1)), "a code that only one of them said is not believed");
        assert!(conclude(Ok(Exit { code: 0 }), None, "", true).is_err(), "no last word, no success");
    }

    #[test]
    fn row_16_codes_of_our_own_are_only_believed_before_the_run_began() {
        let unfit = conclude(Ok(Exit { code: LACKING }), None, "the image has no dd", false).unwrap_err();
        assert!(matches!(&unfit, ExecError::Unfit(text) if text.contains("dd")), "{unfit:?}");
        let cut = conclude(Ok(Exit { code: LACKING }), None, "", true).unwrap_err();
        assert_eq!(cut.reason(), Reason::Again);
    }

    #[tokio::test]
    async fn row_15_a_view_may_take_longer_for_its_first_word_than_between_two() {
        let long = Silence { first: Duration::from_secs(600), later: Duration::ZERO };
        let (mut near, far) = duplex(BUFFER);
        let (mut view, mut begun) = (View::from(Offsets::default()), false);
        let mut to = Streams { stdout: sink(), stderr: sink() };
        let late = async {
            sleep(Duration::from_millis(20)).await;
            near.write_all(b"S\n").await.unwrap();
            near
        };
        let (taken, _open) = tokio::join!(take(far, &mut view, &mut begun, &mut to, long), late);
        assert!(matches!(taken, Err(ExecError::Silent(0))), "{taken:?}");
        assert!(begun, "the first word was waited for");
    }

    #[test]
    fn row_15_the_pauses_grow_and_are_bounded() {
        for seed in 0..100 {
            assert!(pause(0, seed) <= PAUSE.0 && pause(0, seed) >= PAUSE.0 / 2);
            assert!(pause(u32::MAX, seed) <= PAUSE.1 && pause(u32::MAX, seed) >= PAUSE.1 / 2);
        }
        assert_ne!(pause(3, 1), pause(3, 2));
    }
}
