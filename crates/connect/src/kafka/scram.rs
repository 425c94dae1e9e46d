//! SCRAM-SHA-256 and SCRAM-SHA-512, the client's side (RFC 5802, RFC 7677).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::{MessageDigest, hash};
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use weir_core::{Error, Result};

/// Rounds that a server may ask for; more would only keep us busy.
const MAX_ROUNDS: usize = 1 << 20;

/// One exchange: [`Scram::first`], [`Scram::proof`], [`Scram::check`].
pub(super) struct Scram {
    digest: MessageDigest,
    password: String,
    nonce: String,
    /// The first message without its header.
    bare: String,
    /// What the server must prove at the end.
    signature: Vec<u8>,
}

fn bad(what: &str) -> Error {
    Error::io(format!("the broker's SCRAM message is wrong: {what}"))
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|p| p.strip_prefix(name)?.strip_prefix('='))
}

impl Scram {
    pub(super) fn new(sha512: bool, username: &str, password: &str, nonce: &str) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            digest: if sha512 { MessageDigest::sha512() } else { MessageDigest::sha256() },
            password: password.to_owned(),
            nonce: nonce.to_owned(),
            bare: format!("n={name},r={nonce}"),
            signature: Vec::new(),
        }
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        let failed = |e| Error::internal(format!("SCRAM: {e}"));
        let key = PKey::hmac(key).map_err(failed)?;
        Signer::new(self.digest, &key).and_then(|mut s| s.sign_oneshot_to_vec(data)).map_err(failed)
    }

    /// The answer to the server's first message.
    pub(super) fn proof(&mut self, server: &[u8]) -> Result<String> {
        let server = std::str::from_utf8(server).map_err(|_| bad("not UTF-8"))?;
        let nonce = field(server, "r").ok_or_else(|| bad("no nonce"))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(bad("another nonce"));
        }
        let salt = field(server, "s").and_then(|s| STANDARD.decode(s).ok());
        let salt = salt.ok_or_else(|| bad("no salt"))?;
        let rounds = field(server, "i").and_then(|i| i.parse::<usize>().ok());
        let rounds =
            rounds.filter(|r| (1..=MAX_ROUNDS).contains(r)).ok_or_else(|| bad("rounds"))?;
        let mut salted = vec![0u8; self.digest.size()];
        pbkdf2_hmac(self.password.as_bytes(), &salt, rounds, self.digest, &mut salted)
            .map_err(|e| Error::internal(format!("SCRAM: {e}")))?;
        let client_key = self.hmac(&salted, b"Client Key")?;
        let stored =
            hash(self.digest, &client_key).map_err(|e| Error::internal(format!("SCRAM: {e}")))?;
        // "biws" is the header "n,," in base 64.
        let bare = format!("c=biws,r={nonce}");
        let message = format!("{},{server},{bare}", self.bare);
        let signature = self.hmac(&stored, message.as_bytes())?;
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(k, s)| k ^ s).collect();
        let server_key = self.hmac(&salted, b"Server Key")?;
        self.signature = self.hmac(&server_key, message.as_bytes())?;
        Ok(format!("{bare},p={}", STANDARD.encode(proof)))
    }

    /// Checks that the server knows the password too.
    pub(super) fn check(&self, server: &[u8]) -> Result<()> {
        let server = std::str::from_utf8(server).map_err(|_| bad("not UTF-8"))?;
        let given = field(server, "v").and_then(|v| STANDARD.decode(v).ok());
        if self.signature.is_empty() || given.as_deref() != Some(&self.signature[..]) {
            return Err(bad("its signature does not match"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_of_rfc_7677() {
        let mut s = Scram::new(false, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(s.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(
            s.proof(server).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        s.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert!(s.check(b"v=AAAA").is_err());
        assert!(Scram::new(false, "u", "p", "n").proof(b"r=m,s=AA==,i=1").is_err());
    }
}
