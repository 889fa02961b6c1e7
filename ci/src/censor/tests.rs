//! No secret comes through, however the stream is cut; and what is none comes through as it is.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

fn secrets(all: &[impl AsRef<[u8]>]) -> Arc<Secrets> {
    Arc::new(Secrets::new(all).unwrap())
}

/// Puts a text through in pieces that end at `cuts`.
fn through(secrets: &Arc<Secrets>, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut censor = Censor::new(secrets.clone());
    let mut out = Vec::new();
    let mut at = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    for cut in cuts {
        censor.push(&text[at..cut], &mut out);
        at = cut;
    }
    censor.push(&text[at..], &mut out);
    censor.finish(&mut out);
    out
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What base64 makes of a secret in a text: everything but the characters that it shares with its neighbours.
fn core(before: usize, secret: &[u8], after: usize) -> String {
    let text = [vec![b'x'; before], secret.to_vec(), vec![b'y'; after]].concat();
    let encoded = BASE64_STANDARD.encode(text);
    encoded[(before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6].to_owned()
}

#[test]
fn row_31_every_form_is_taken_out() {
    let secret = b"a>pass?word>";
    let all = secrets(&[secret]);
    for before in 0..6 {
        for after in 0..4 {
            let text = [vec![b'x'; before], secret.to_vec(), vec![b'y'; after]].concat();
            for form in [
                BASE64_STANDARD.encode(&text),
                BASE64_URL_SAFE.encode(&text),
                BASE64_URL_SAFE_NO_PAD.encode(&text),
            ] {
                let out = through(&all, format!("code: {form};").as_bytes(), &[]);
                let core = core(before, secret, after);
                let url = core.replace('+', "-").replace('/', "_");
                let text = String::from_utf8(out).unwrap();
                assert!(text.contains("***") && !text.contains(&core) && !text.contains(&url), "{text}");
                assert!(text.len() <= "code: ***;".len() + 16, "only the secret goes: {text}");
            }
        }
    }
}

#[test]
fn row_31_a_secret_is_marked_once_and_the_rest_stays() {
    let all = secrets(&["hunter2-hunter2", "2-hunter2-tail", "  spaced-out-secret\n"]);
    for (text, wanted) in [
        ("pw=hunter2-hunter2\n", "pw=***\n"),
        ("hunter2-hunter2hunter2-hunter2", "******"),
        ("<hunter2-hunter2-tail>", "<***>"), // they overlap
        ("spaced-out-secret ", "*** "),
        ("hunter2-hunter", "hunter2-hunter"),
        ("", ""),
    ] {
        assert_eq!(String::from_utf8(through(&all, text.as_bytes(), &[])).unwrap(), wanted);
    }
}

#[test]
fn row_31_a_short_secret_is_ignored_and_too_many_are_refused() {
    let all = secrets(&["1234567", "12345678"]);
    assert_eq!(all.ignored(), 1);
    assert_eq!(through(&all, b"1234567 12345678", &[]), b"1234567 ***");
    assert!(matches!(Secrets::new(&[vec![1; 1 << 20], vec![2]]), Err(CensorError { count: 2, .. })));
    assert!(matches!(Secrets::new(&["long enough"; 1001]), Err(CensorError { .. })));
    assert!(!format!("{all:?}").contains("12345678"));
}

#[test]
fn row_31_the_lines_of_a_key_are_secrets_and_its_armour_is_not() {
    let armour = |what: &str| format!("-----{what} PRIVATE KEY-----");
    let key = format!("{}\nMC4CAQAwBQYDK2Vw\nBCIEIDs4bGlu\n{}\n", armour("BEGIN"), armour("END"));
    let all = secrets(&[&key]);
    assert_eq!(through(&all, b"1: MC4CAQAwBQYDK2Vw\\nBCIEIDs4bGlu", &[]), b"1: ***\\n***");
    let other = format!("{}\nAAAABBBBCCCC", armour("BEGIN"));
    assert_eq!(through(&all, other.as_bytes(), &[]), other.as_bytes());
}

#[test]
fn row_31_a_long_secret_is_found_piece_by_piece() {
    let long: Vec<u8> = (0..9_001_u32).map(|number| b'a' + (number * number % 23) as u8).collect();
    let all = secrets(&[&long]);
    let text = [b"<", long.as_slice(), b">"].concat();
    let out = through(&all, &text, &[5000]);
    assert_eq!(out.iter().filter(|byte| byte.is_ascii_lowercase()).count(), 0, "{out:?}");
    let encoded = BASE64_STANDARD.encode(&long);
    let out = through(&all, encoded.as_bytes(), &[]);
    assert!(out.len() < 20, "a character for each border of two pieces may stay: {out:?}");
}

#[test]
fn row_31_only_what_may_be_a_secret_waits() {
    let mut censor = Censor::new(secrets(&["correct horse battery"]));
    let mut out = Vec::new();
    censor.push(b"prompt> ", &mut out);
    assert_eq!(out, b"prompt> ");
    censor.push(b"so correct horse", &mut out);
    assert_eq!(out, b"prompt> so ");
    censor.push(b" rode", &mut out);
    assert_eq!(out, b"prompt> so correct horse rode");
}

fn secret() -> impl Strategy<Value = Vec<u8>> {
    // Few letters, so that forms overlap, begin alike, and contain each other.
    vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'/'), any::<u8>()], SHORTEST..60)
        .prop_filter("no white space around, no mark in it", |secret| {
            secret.trim_ascii().len() == secret.len() && !secret.contains(&b'*')
        })
}

proptest! {
    // Each case is tried with a cut after every byte, so few cases are many.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn row_31_no_secret_survives_any_split(
        known in vec(secret(), 1..5),
        noise in vec(vec(prop_oneof![Just(b'a'), Just(b'b'), any::<u8>()], 0..40), 12),
        order in vec((0..5_usize, 0..6_usize), 12),
        cuts in vec(any::<usize>(), 0..30),
    ) {
        let all = secrets(&known);
        let mut text = Vec::new();
        for (noise, (which, how)) in noise.iter().zip(order) {
            text.extend_from_slice(noise);
            let secret = &known[which % known.len()];
            match how {
                0 => text.extend_from_slice(secret),
                1 => text.extend_from_slice(&secret[..secret.len() / 2]),
                before => text.extend_from_slice(
                    BASE64_STANDARD.encode([vec![7; before - 2], secret.clone()].concat()).as_bytes(),
                ),
            }
        }
        let out = through(&all, &text, &cuts);
        prop_assert_eq!(&out, &through(&all, &text, &[]), "a cut changes nothing");
        let every: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&out, &through(&all, &text, &every), "not even after each byte");
        for secret in &known {
            prop_assert!(!holds(&out, secret));
            for before in 0..3 {
                prop_assert!(!holds(&out, core(before, secret, 0).as_bytes()));
            }
        }
    }

    #[test]
    fn row_31_text_without_secrets_is_untouched(
        known in vec(secret(), 0..4),
        text in vec(any::<u8>(), 0..400),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let all = secrets(&known);
        let has = |part: &[u8]| holds(&text, part);
        prop_assume!(!known.iter().any(|secret| {
            has(secret) || (0..3).any(|before| has(core(before, secret, 0).as_bytes()))
                || secret.split(|byte| *byte == b'\n').any(|line| line.trim_ascii().len() >= SHORTEST && has(line.trim_ascii()))
        }));
        prop_assert_eq!(through(&all, &text, &cuts), text);
    }
}

#[tokio::test]
async fn row_31_a_writer_passes_everything_on_at_its_end() {
    let mut writer = Censored::new(Vec::new(), secrets(&["topsecret-topsecret"]));
    writer.write_all(b"a topsecret-").await.unwrap();
    writer.flush().await.unwrap();
    writer.write_all(b"topsecret b topsecret").await.unwrap();
    writer.shutdown().await.unwrap();
    assert_eq!(writer.into_inner(), b"a *** b topsecret");
}

/// `ROW_31_MIB=4096 cargo test --release -p build-resources --lib row_31_throughput -- --nocapture` tells the speed.
#[test]
fn row_31_throughput_of_a_long_log_with_twenty_secrets() {
    let mib: usize = std::env::var("ROW_31_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let known: Vec<String> =
        (0..20).map(|number| format!("{number}-{}", uuid::Uuid::new_v4().simple())).collect();
    let mut log = Vec::new();
    while log.len() < 1 << 20 {
        log.extend_from_slice(
            format!("2026-11-26 12:00:00.{} | compiling crate number {}\n", log.len(), log.len()).as_bytes(),
        );
    }
    let mut censor = Censor::new(secrets(&known));
    let mut out = Vec::new();
    let began = Instant::now();
    for _ in 0..mib {
        out.clear();
        for piece in log.chunks(32 * 1024) {
            censor.push(piece, &mut out);
        }
        assert_eq!(out.len(), log.len());
    }
    println!("{mib} MiB at {:.0} MB/s", (mib * log.len()) as f64 / 1e6 / began.elapsed().as_secs_f64());
    assert_eq!(out, log);
}
