//! AWS's signature version 4 of a URL, computed a second time from its documentation.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// What a pre-signed GET says of itself, and its signature.
#[derive(Debug)]
pub struct Presigned {
    pub host: String,
    /// Decoded, without the signature.
    pub query: BTreeMap<String, String>,
    pub signature: String,
}

impl Presigned {
    /// Reads `host:port/?query`.
    pub fn read(url: &str) -> Option<Self> {
        let (host, query) = url.split_once("/?")?;
        let mut pairs = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            let twice = pairs.insert(decoded(name)?, decoded(value)?);
            if twice.is_some() {
                return None;
            }
        }
        Some(Self {
            host: host.to_owned(),
            signature: pairs.remove("X-Amz-Signature")?,
            query: pairs,
        })
    }

    pub fn get(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Access key, date, region and service.
    pub fn scope(&self) -> Option<[&str; 4]> {
        let parts: Vec<&str> = self.get("X-Amz-Credential").split('/').collect();
        match parts[..] {
            [key, date, region, service, "aws4_request"] => Some([key, date, region, service]),
            _ => None,
        }
    }

    /// The signature that the holder of this secret makes.
    pub fn signature_by(&self, secret: &str) -> Option<String> {
        let [_, date, region, service] = self.scope()?;
        let query: Vec<String> = (self.query.iter())
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let request = format!(
            "GET\n/\n{}\nhost:{}\n\nhost\n{}",
            query.join("&"),
            self.host,
            hex(&Sha256::digest(b""))
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{date}/{region}/{service}/aws4_request\n{}",
            self.get("X-Amz-Date"),
            hex(&Sha256::digest(request.as_bytes()))
        );
        let key = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
        let key = [region, service, "aws4_request"]
            .iter()
            .fold(key, |key, part| hmac(&key, part.as_bytes()));
        Some(hex(&hmac(&key, text.as_bytes())))
    }
}

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize();
    outer.to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[test]
fn the_key_is_derived_as_in_the_documentations_example() {
    // AWS General Reference, "Examples of how to derive a signing key for Signature Version 4".
    let key = hmac(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20120215");
    let key = hmac(&hmac(&hmac(&key, b"us-east-1"), b"iam"), b"aws4_request");
    assert_eq!(
        hex(&key),
        "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
    );
}
