//! What tells one text from another.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The SHA-256 of a text. A file that is not there counts as the empty text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextHash([u8; 32]);

/// A text that is no SHA-256 in hex.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no SHA-256 in hex")]
pub struct NoTextHash(String);

impl TextHash {
    /// Of this text.
    pub fn of(text: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(text.as_ref()).into())
    }

    /// Of nothing.
    pub fn empty() -> Self {
        Self::of("")
    }
}

impl FromStr for TextHash {
    type Err = NoTextHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(NoTextHash(text.to_owned())),
        }
    }
}

impl fmt::Display for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_back_from_its_text() {
        let hash = TextHash::of("words\n");
        assert_eq!(hash.to_string().parse::<TextHash>().expect("a hash"), hash);
        assert!("".parse::<TextHash>().is_err() && "zz".parse::<TextHash>().is_err());
        assert_eq!(
            TextHash::empty().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
