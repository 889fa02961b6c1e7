//! Ed25519 keys in the forms that OpenSSH reads.
//!
//! Decides: the bytes of a key file. Must not: keep a key, or show one. Input: random bytes. The form is that of OpenSSH's
//! `PROTOCOL.key`; a crate for it would bring a second Ed25519 beside ring's.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::cluster::armoured;

const KIND: &str = "ssh-ed25519";
/// Private parts are padded to this.
const BLOCK: usize = 8;

/// A new pair of keys.
pub(super) struct Pair {
    /// The file of the private key.
    pub(super) private: String,
    /// `ssh-ed25519 AAAA…`, as it stands in `known_hosts` and `authorized_keys`.
    pub(super) public: String,
}

/// A pair that nobody has seen.
///
/// # Errors
/// When the system gives no random bytes.
pub(super) fn fresh() -> Result<Pair, String> {
    let random = SystemRandom::new();
    let mut seed = [0; 32];
    let mut check = [0; 4];
    random
        .fill(&mut seed)
        .and_then(|()| random.fill(&mut check))
        .map_err(|_| "the system gives no random bytes".to_owned())?;
    of_seed(&seed, check)
}

fn of_seed(seed: &[u8; 32], check: [u8; 4]) -> Result<Pair, String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| error.to_string())?;
    let public = pair.public_key().as_ref();
    let blob = [text(KIND.as_bytes()), text(public)].concat();

    let mut secret = [check, check].concat(); // twice, by which a reader knows that it has decrypted well
    secret.extend(text(KIND.as_bytes()));
    secret.extend(text(public));
    secret.extend(text(&[seed, public].concat()));
    secret.extend(text(b"")); // no comment
    for byte in 1..=BLOCK {
        if secret.len() % BLOCK == 0 {
            break;
        }
        secret.push(u8::try_from(byte).unwrap_or(0));
    }

    let mut file = b"openssh-key-v1\0".to_vec();
    file.extend(text(b"none")); // no cipher: the file is 0600, and the key ends with the node
    file.extend(text(b"none"));
    file.extend(text(b""));
    file.extend(1_u32.to_be_bytes());
    file.extend(text(&blob));
    file.extend(text(&secret));
    Ok(Pair {
        private: armoured("OPENSSH PRIVATE KEY", &file),
        public: format!("{KIND} {}", BASE64_STANDARD.encode(blob)),
    })
}

/// A text of SSH: its length, and its bytes.
fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test vector of RFC 8032.
    #[test]
    fn row_27_a_key_is_the_one_of_its_seed() {
        let mut seed = [0; 32];
        seed.copy_from_slice(
            &hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap(),
        );
        let pair = of_seed(&seed, [1, 2, 3, 4]).unwrap();
        let blob = BASE64_STANDARD.decode(pair.public.strip_prefix("ssh-ed25519 ").unwrap()).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(hex::encode(&blob[blob.len() - 32..]), public);
        let body: String = pair.private.lines().filter(|line| !line.starts_with("-----")).collect();
        let file = BASE64_STANDARD.decode(body).unwrap();
        assert!(file.starts_with(b"openssh-key-v1\0") && file.ends_with(&[1, 2, 3, 4, 5]), "{file:?}");
        assert_eq!(file.len(), 234);
    }

    #[test]
    fn row_27_no_two_keys_are_alike() {
        let (one, two) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one.public, two.public);
        assert_ne!(one.private, two.private);
    }
}
