//! From the SDK's errors to ours: the call, the service's code and message, and one hint.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{Error, Kind};

/// A call to AWS, as its errors name it.
pub(super) struct Operation {
    pub name: &'static str,
    /// The IAM actions it needs.
    pub rights: &'static str,
}

/// The service's code, such as `DBSnapshotNotFound`; empty where no answer came.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or_default()
}

/// `what` says what could not be done, as in "cannot share arn:…".
pub(super) fn error<E>(
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
        return unanswered(what, error);
    };
    let (code, message) = (service.err().code(), service.err().message());
    let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let told = match message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{what}: {}: {code}: {message}", operation.name),
        None => format!("{what}: {}: {code}", operation.name),
    };
    let (kind, hint) = meaning(&code, status, operation);
    let error = Error::new(kind, told);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// No answer from the service itself: no connection, no credentials, no time left. What a role's
/// provider was told is in the chain of causes.
fn unanswered<E>(what: String, error: SdkError<E, HttpResponse>) -> Error
where
    E: StdError + Send + Sync + 'static,
{
    no_answer(what, &error)
}

/// A token for `host` could not be made: for want of credentials.
pub(super) fn no_token(host: &str, error: &(dyn StdError + 'static)) -> Error {
    no_answer(format!("cannot make an IAM token for {host}"), error)
}

fn no_answer(what: String, error: &(dyn StdError + 'static)) -> Error {
    let mut causes: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !causes.contains(&text) {
            causes.push(text);
        }
        cause = error.source();
    }
    let text = causes.join(": ");
    let (kind, hint) = if text.contains("AccessDenied") || text.contains("not authorized") {
        (Kind::Denied, "the caller may not become that role")
    } else if text.contains("redentials") {
        let hint = "no usable AWS credentials: set a profile, or AWS_ACCESS_KEY_ID and \
                    AWS_SECRET_ACCESS_KEY, or run `aws sso login`";
        (Kind::Denied, hint)
    } else {
        let hint = "is the network up, and is the region right?";
        (Kind::Unavailable, hint)
    };
    Error::new(kind, what)
        .because(Error::new(kind, text))
        .hint(hint)
}

fn meaning(code: &str, status: u16, operation: &Operation) -> (Kind, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => (
            Kind::Denied,
            hint("the credentials have expired: renew them (for example `aws sso login`)"),
        ),
        "RequestTimeTooSkewed" | "SignatureDoesNotMatch" | "InvalidSignatureException" => (
            Kind::Denied,
            hint("is this machine's clock right, and does the secret belong to the access key?"),
        ),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "AuthFailure" => (
            Kind::Denied,
            hint("AWS does not know these credentials: are they current, and of this partition?"),
        ),
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalError" => (
            Kind::Unavailable,
            hint("AWS is overloaded or down: try again later"),
        ),
        _ if matches!(status, 401 | 403)
            || matches!(
                code,
                "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation"
            ) =>
        {
            (
                Kind::Denied,
                Some(format!("the caller needs {}", operation.rights)),
            )
        }
        _ if status >= 500 || status == 429 => (
            Kind::Unavailable,
            hint("AWS is overloaded or down: try again later"),
        ),
        _ if code.contains("NotFound") => (Kind::NotFound, None),
        _ if code.contains("AlreadyExists") => (Kind::Exists, None),
        _ => (Kind::Failed, None),
    }
}
