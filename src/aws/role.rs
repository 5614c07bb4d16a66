//! The role that lifeboat assumes in an account.

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub arn: String,
    pub external_id: Option<String>,
    /// Shown in CloudTrail.
    pub session_name: String,
}
