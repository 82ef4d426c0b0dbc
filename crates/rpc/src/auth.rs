//! Tokens: who may use a port.
//!
//! A JSON Web Token as the Engine API has it: HS256 over a shared secret of 32 bytes, issued within the last minute (or, for
//! clocks that differ, the next).
//!
//! Source: execution-apis, src/engine/authentication.md.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that a token's time may differ from ours.
const SKEW_SECONDS_MAX: u64 = 60;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// What both sides know.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtSecret([u8; 32]);

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret(..)")
    }
}

/// Why a text is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtSecretError {
    /// It must be 64 digits, with or without 0x before them.
    #[error("a JWT secret has 64 hexadecimal digits, this has {digits}")]
    Length {
        /// Characters that there are.
        digits: usize,
    },
    /// Something among them is no digit.
    #[error("a JWT secret is hexadecimal")]
    NotHex,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// There is none.
    #[error("missing token")]
    Missing,
    /// It does not have the form of one.
    #[error("malformed token: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// It is signed otherwise.
    #[error("unsupported signature algorithm, only HS256 is")]
    Algorithm,
    /// It is not signed with the secret.
    #[error("signature is invalid")]
    Signature,
    /// It is from another time.
    #[error("stale token: issued at {issued_at}, it is {now}")]
    Stale {
        /// Seconds since 1970, as the token says.
        issued_at: u64,
        /// Seconds since 1970, here.
        now: u64,
    },
    /// It says that it has expired.
    #[error("expired token")]
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: NumericDate,
    exp: Option<NumericDate>,
}

/// Seconds since 1970, which may have a fraction. RFC 7519, section 2.
#[derive(Clone, Copy, Deserialize)]
struct NumericDate(f64);

impl NumericDate {
    /// Whole seconds; what is before 1970 counts as that.
    fn seconds(self) -> u64 {
        self.0 as u64
    }
}

impl JwtSecret {
    /// A secret of these bytes.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// Reads a secret as files hold it: 64 hexadecimal digits, space around them is ignored.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_hex(text: &str) -> Result<Self, JwtSecretError> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut secret = [0; 32];
        if digits.len() != 64 {
            return Err(JwtSecretError::Length { digits: digits.chars().count() });
        }
        alloy_primitives::hex::decode_to_slice(digits, &mut secret).map_err(|_| JwtSecretError::NotHex)?;
        Ok(Self(secret))
    }

    /// Whether an `Authorization` header lets somebody in, now.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self, authorization: Option<&str>) -> Result<(), JwtError> {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).ok_or(JwtError::Missing)?;
        // A clock before 1970 accepts nothing.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.check_at(token.trim(), now)
    }

    fn check_at(&self, token: &str, now: u64) -> Result<(), JwtError> {
        let malformed = |reason| JwtError::Malformed { reason };
        if token.len() > TOKEN_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("no signature"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| malformed("no claims"))?;
        let bytes = |part: &str, reason| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed(reason));
        let header: Header = serde_json::from_slice(&bytes(header, "header is not base64")?)
            .map_err(|_| malformed("header names no algorithm"))?;
        if header.alg != "HS256" {
            return Err(JwtError::Algorithm);
        }
        let mut mac = self.mac();
        mac.update(signed.as_bytes());
        // Compares in constant time.
        mac.verify_slice(&bytes(signature, "signature is not base64")?).map_err(|_| JwtError::Signature)?;
        let claims: Claims = serde_json::from_slice(&bytes(claims, "claims are not base64")?)
            .map_err(|_| malformed("claims do not say when it was issued"))?;
        let issued_at = claims.iat.seconds();
        if issued_at.abs_diff(now) > SKEW_SECONDS_MAX {
            return Err(JwtError::Stale { issued_at, now });
        }
        match claims.exp.map(NumericDate::seconds) {
            Some(exp) if exp < now => Err(JwtError::Expired),
            _ => Ok(()),
        }
    }

    /// A token issued at this time, in seconds since 1970: what a client sends behind `Bearer`.
    pub fn token(&self, issued_at: u64) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed =
            format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&format!(r#"{{"iat":{issued_at}}}"#)));
        let mut mac = self.mac();
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    fn mac(&self) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        <Hmac<Sha256> as Mac>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("32 bytes are a key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_a_minute_and_for_its_secret() {
        let secret = JwtSecret::from_hex(&format!(" 0x{}\n", "ab".repeat(32))).unwrap();
        let token = secret.token(1000);
        assert_eq!(secret.check_at(&token, 1060), Ok(()));
        assert_eq!(secret.check_at(&token, 940), Ok(()));
        assert_eq!(secret.check_at(&token, 1061), Err(JwtError::Stale { issued_at: 1000, now: 1061 }));
        assert_eq!(secret.check_at(&token, 939), Err(JwtError::Stale { issued_at: 1000, now: 939 }));
        assert_eq!(JwtSecret::new([1; 32]).check_at(&token, 1000), Err(JwtError::Signature));
    }

    #[test]
    fn a_token_of_another_make_is_refused() {
        let secret = JwtSecret::new([7; 32]);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = |header: &str, claims: &str| {
            let signed = format!("{}.{}", part(header), part(claims));
            let mut mac = secret.mac();
            mac.update(signed.as_bytes());
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
        };
        assert_eq!(secret.check_at(&signed(r#"{"alg":"none"}"#, r#"{"iat":5}"#), 5), Err(JwtError::Algorithm));
        assert!(matches!(secret.check_at(&signed(r#"{"alg":"HS256"}"#, "{}"), 5), Err(JwtError::Malformed { .. })));
        assert_eq!(secret.check_at(&signed(r#"{"alg":"HS256"}"#, r#"{"iat":5,"exp":4}"#), 5), Err(JwtError::Expired));
        for claims in [r#"{"iat":5.75}"#, r#"{"iat":5e0,"exp":6.5}"#] {
            assert_eq!(secret.check_at(&signed(r#"{"alg":"HS256"}"#, claims), 5), Ok(()), "{claims}");
        }
        let late = secret.check_at(&signed(r#"{"alg":"HS256"}"#, r#"{"iat":70.5}"#), 5);
        assert_eq!(late, Err(JwtError::Stale { issued_at: 70, now: 5 }));
        for token in ["", ".", "..", "a.b.c", "....", &"x".repeat(5000)] {
            assert!(matches!(secret.check_at(token, 5), Err(JwtError::Malformed { .. })), "{token}");
        }
        assert_eq!(secret.check(None), Err(JwtError::Missing));
        assert_eq!(secret.check(Some("Basic abc")), Err(JwtError::Missing));
    }

    #[test]
    fn the_well_known_token_is_accepted() {
        // The example that jwt.io shows. Its key is shorter; HMAC fills keys up with zeros.
        let mut key = [0; 32];
        key[..19].copy_from_slice(b"your-256-bit-secret");
        let token = concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
            "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.",
            "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        );
        assert_eq!(JwtSecret::new(key).check_at(token, 1_516_239_022), Ok(()));
    }
}
