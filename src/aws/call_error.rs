//! From the SDK's errors to ours: the call, the service's code and message, and one hint.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::role::Role;
use crate::error::{Error, Kind, Result, causes, find};
use crate::http;

type Cause = dyn StdError + 'static;

/// A call to AWS, as its errors name it.
pub(super) struct Operation {
    pub name: &'static str,
    /// The IAM actions it needs.
    pub rights: &'static str,
}

const ASSUME_ROLE: Operation = Operation {
    name: "AssumeRole",
    rights: "sts:AssumeRole on the role, and the role's trust policy must admit it",
};

const NETWORK: &str = "is the network up, and is the region right?";
const NO_CREDENTIALS: &str = "no usable AWS credentials: set a profile, or AWS_ACCESS_KEY_ID and \
                              AWS_SECRET_ACCESS_KEY, or run `aws sso login`";

/// The service's code, such as `DBSnapshotNotFound`; empty where no answer came.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or_default()
}

/// `what` says what could not be done, as in "cannot share arn:…".
pub(super) fn from_sdk<E>(
    operation: &Operation,
    what: String,
    error: SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let status = error
        .raw_response()
        .map_or(0, |response| response.status().as_u16());
    let SdkError::ServiceError(service) = &error else {
        return no_answer(what, &error);
    };
    let (code, message) = (service.err().code(), service.err().message());
    from_reply(
        operation,
        what,
        status,
        code.unwrap_or_default(),
        message.unwrap_or_default(),
    )
}

/// The error in a service's reply; its code and message may be empty.
pub(super) fn from_reply(
    operation: &Operation,
    what: String,
    status: u16,
    code: &str,
    message: &str,
) -> Error {
    let code = match code {
        "" => format!("HTTP {status}"),
        code => code.to_owned(),
    };
    let text = match message {
        "" => format!("{what}: {}: {code}", operation.name),
        message => format!("{what}: {}: {code}: {message}", operation.name),
    };
    let (kind, hint) = kind_and_hint(&code, status, operation);
    Error::new(kind, text).hint_if_any(hint)
}

/// What was to be deleted is gone already: the reply to an earlier attempt may have been lost.
pub(super) fn unless_gone(deleted: Result<()>) -> Result<()> {
    if_there(deleted).map(drop)
}

/// What was asked for; `None` if AWS says that there is no such thing.
pub(super) fn if_there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// A token for `host` could not be made: for want of credentials.
pub(super) fn no_token(host: &str, error: &Cause) -> Error {
    no_answer(format!("cannot make an IAM token for {host}"), error)
}

/// Why there are no credentials: what STS said of the role, or where else none were found.
pub(super) fn no_credentials(error: &CredentialsError, role: Option<&Role>) -> Error {
    if let Some(refused) = find::<AssumeRoleError>(error)
        && let Some(code) = refused.code()
    {
        let message = refused.message().unwrap_or_default();
        let (kind, hint) = match (code, role) {
            ("AccessDenied", Some(role)) => (Kind::Denied, Some(hint_on_role(role))),
            // Whatever the status was: the other codes do not need it.
            _ => kind_and_hint(code, 400, &ASSUME_ROLE),
        };
        let error = Error::new(kind, format!("{}: {code}: {message}", ASSUME_ROLE.name));
        return error.hint_if_any(hint);
    }
    let not_loaded = causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .find(|cause| matches!(cause, CredentialsError::CredentialsNotLoaded(_)));
    if let Some(not_loaded) = not_loaded {
        return Error::new(Kind::Unauthenticated, in_one_line(not_loaded)).hint(NO_CREDENTIALS);
    }
    let why = in_one_line(error);
    let (kind, hint) = match error {
        CredentialsError::ProviderTimedOut(_) => (Kind::Unavailable, NETWORK),
        _ if find::<ConnectorError>(error).is_some() => {
            (Kind::Unavailable, http::hint_on(&why).unwrap_or(NETWORK))
        }
        _ => (Kind::Unauthenticated, NO_CREDENTIALS),
    };
    Error::new(kind, why).hint(hint)
}

fn hint_on_role(role: &Role) -> String {
    let external_id = match role.external_id {
        Some(_) => "with this external_id",
        None => "without an external_id",
    };
    format!(
        "does it exist (AWS does not say), has the caller sts:AssumeRole on it, and does its trust \
         policy admit the caller {external_id}?"
    )
}

/// No answer from the service itself: no connection, no credentials, no time left.
pub(super) fn no_answer(what: String, error: &Cause) -> Error {
    if let Some(own) = find::<Error>(error) {
        return Error::new(own.kind(), what).because(own.repeat());
    }
    let (kind, why) = (Kind::Unavailable, in_one_line(error));
    let hint = http::hint_on(&why).unwrap_or(NETWORK);
    Error::new(kind, what)
        .because(Error::new(kind, why))
        .hint(hint)
}

/// Error and causes, each said once, in one line.
fn in_one_line(error: &Cause) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said.join(": ")
}

fn kind_and_hint(code: &str, status: u16, operation: &Operation) -> (Kind, Option<String>) {
    const OVERLOADED: &str = "AWS is overloaded or down: try again later";
    let (kind, hint) = match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => (
            Kind::Unauthenticated,
            "the credentials have expired: renew them (for example `aws sso login`)",
        ),
        "RequestTimeTooSkewed" | "SignatureDoesNotMatch" | "InvalidSignatureException" => (
            Kind::Unauthenticated,
            "is this machine's clock right, and does the secret belong to the access key?",
        ),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "AuthFailure" => (
            Kind::Unauthenticated,
            "AWS does not know these credentials: are they current, and of this partition?",
        ),
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalError" => (Kind::Unavailable, OVERLOADED),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            return (Kind::Denied, Some(needed_rights(operation)));
        }
        _ if matches!(status, 401 | 403) => return (Kind::Denied, Some(needed_rights(operation))),
        _ if status >= 500 || status == 429 => (Kind::Unavailable, OVERLOADED),
        _ if code.contains("NotFound") => return (Kind::NotFound, None),
        _ if code.contains("AlreadyExists") => return (Kind::Exists, None),
        _ => return (Kind::Failed, None),
    };
    (kind, Some(hint.to_owned()))
}

fn needed_rights(operation: &Operation) -> String {
    format!("the caller needs {}", operation.rights)
}
