//! KMS: wrapping age identities, and signing.
