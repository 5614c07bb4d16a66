//! From the SDK's errors to ours: the operation and its object, the service's code and message,
//! and one hint.

use std::error::Error as StdError;

use aws_sdk_s3::error::ProvideErrorMetadata;
pub(super) use aws_sdk_s3::error::SdkError;
pub(super) use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::error::{Error, Kind};
use crate::http;

/// A call to the service, as its errors name it.
pub(super) struct Operation {
    pub name: &'static str,
    /// As in "cannot read s3://…".
    pub verb: &'static str,
    /// The IAM actions it needs.
    pub rights: &'static str,
}

impl Operation {
    pub(super) const fn new(name: &'static str, verb: &'static str, rights: &'static str) -> Self {
        Self { name, verb, rights }
    }
}

/// An error, and what a caller within this store decides by.
pub(super) struct Fault {
    pub error: Error,
    pub code: String,
    pub status: u16,
    /// The request may have been carried out all the same.
    pub ambiguous: bool,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self {
            error,
            code: String::new(),
            status: 0,
            ambiguous: false,
        }
    }
}

/// What a service says of a call that failed.
pub(super) trait ServiceError:
    ProvideErrorMetadata + StdError + Send + Sync + 'static
{
}

impl<E: ProvideErrorMetadata + StdError + Send + Sync + 'static> ServiceError for E {}

impl Fault {
    pub(super) fn new<E: ServiceError>(
        operation: &Operation,
        name: &str,
        error: SdkError<E, HttpResponse>,
    ) -> Self {
        let response = error.raw_response();
        let status = response.map_or(0, |response| response.status().as_u16());
        let what = format!("cannot {} {name}", operation.verb);
        let SdkError::ServiceError(service) = &error else {
            let ambiguous = !matches!(error, SdkError::ConstructionFailure(_));
            return Self {
                status,
                ambiguous,
                ..unanswered(what, error).into()
            };
        };
        let (code, message) = (service.err().code(), service.err().message());
        // The reply to a HEAD has no body, and so no code.
        let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        let text = match message.filter(|message| !message.is_empty()) {
            Some(message) => format!("{what}: {}: {code}: {message}", operation.name),
            None => format!("{what}: {}: {code}", operation.name),
        };
        let (kind, hint) = meaning(&code, message.unwrap_or(""), status, operation);
        Self {
            error: Error::new(kind, text).hint_if_any(hint),
            code,
            status,
            ambiguous: status >= 500,
        }
    }

    /// Whether the caller lacks the right, rather than valid credentials.
    pub(super) fn is_forbidden(&self) -> bool {
        self.status == 403 && self.error.kind() == Kind::Denied
    }
}

/// No answer from the service: no connection, no credentials, no time left.
fn unanswered<E: ServiceError>(what: String, error: SdkError<E, HttpResponse>) -> Error {
    let mut text = String::new();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(error) = cause {
        // Of an account's credentials: why there are none is known best there.
        if let Some(own) = error.downcast_ref::<Error>() {
            let why = Error::new(own.kind(), own.chain()).hint(own.advice());
            return Error::new(own.kind(), what).because(why);
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    let (kind, hint) = if text.contains("redentials") {
        let hint = "no usable AWS credentials: set a profile, or AWS_ACCESS_KEY_ID and \
                    AWS_SECRET_ACCESS_KEY, or run `aws sso login`";
        (Kind::Unauthenticated, hint)
    } else if matches!(error, SdkError::ConstructionFailure(_)) {
        return Error::failed(what).because(error);
    } else {
        let hint = http::hint_on(&text);
        let network = "is the network up, and are region and endpoint right?";
        (Kind::Unavailable, hint.unwrap_or(network))
    };
    Error::new(kind, what).because(error).hint(hint)
}

/// The kind of an error and what to do about it, by the service's code or else the HTTP status.
fn meaning(
    code: &str,
    message: &str,
    status: u16,
    operation: &Operation,
) -> (Kind, Option<String>) {
    let rights = operation.rights;
    let (kind, hint) = match (code, status) {
        ("ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException", _) => (
            Kind::Unauthenticated,
            "the credentials have expired: renew them (for example `aws sso login`)",
        ),
        ("RequestTimeTooSkewed", _) => (
            Kind::Refused,
            "this machine's clock is wrong: set it, for example with NTP",
        ),
        (
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidSecurity",
            _,
        ) => (
            Kind::Unauthenticated,
            "the store does not accept these credentials: are profile and endpoint right?",
        ),
        ("NoSuchBucket", _) => (
            Kind::NotFound,
            "is the bucket's name right, and the region or endpoint?",
        ),
        ("InvalidArgument", _) if message.to_lowercase().contains("version id") => {
            return (Kind::NotFound, None);
        }
        (
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentSHA256Mismatch"
            | "XAmzContentChecksumMismatch",
            _,
        ) => (
            Kind::Damaged,
            "the bytes changed on their way: try again, and suspect memory or network",
        ),
        // Ceph RGW gives no message.
        ("InvalidRequest", _)
            if message.contains("Object Lock")
                || (message.is_empty() && rights.contains("ObjectRetention")) =>
        {
            (Kind::Refused, "the bucket needs versioning and Object Lock")
        }
        // MethodNotAllowed: the version asked for is a delete marker.
        ("NoSuchKey" | "NoSuchVersion" | "NotFound" | "MethodNotAllowed", _) | (_, 404 | 405) => {
            return (Kind::NotFound, None);
        }
        ("PreconditionFailed", _) | (_, 412) => return (Kind::Exists, None),
        (
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
            _,
        )
        | (_, 301 | 307) => (
            Kind::Refused,
            "the bucket is in another region: set the repository's region",
        ),
        (
            "SlowDown"
            | "ServiceUnavailable"
            | "InternalError"
            | "RequestTimeout"
            | "Throttling"
            | "RequestLimitExceeded"
            | "ThrottlingException",
            _,
        )
        | (_, 429 | 500..) => (
            Kind::Unavailable,
            "the store is overloaded or down: try again later",
        ),
        // A code comes with all but a HEAD.
        (_, 400) if code.starts_with("HTTP") => (
            Kind::Unauthenticated,
            "this store does not say why; it answers so where the credentials have expired: renew \
             them (for example `aws sso login`)",
        ),
        (_, 401 | 403) => {
            let hint = format!(
                "the caller needs {rights} there, the bucket policy must not deny it, and the \
                 bucket must belong to the expected account"
            );
            return (Kind::Denied, Some(hint));
        }
        _ => return (Kind::Failed, None),
    };
    (kind, Some(hint.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Operation = Operation::new("PutObject", "store", "s3:PutObject");

    #[test]
    fn a_code_tells_the_kind_and_what_to_do() {
        for (code, status, kind, hint) in [
            ("AccessDenied", 403, Kind::Denied, "s3:PutObject"),
            ("HTTP 403", 403, Kind::Denied, "s3:PutObject"),
            ("ExpiredToken", 400, Kind::Unauthenticated, "expired"),
            ("RequestTimeTooSkewed", 403, Kind::Refused, "clock"),
            (
                "InvalidAccessKeyId",
                403,
                Kind::Unauthenticated,
                "credentials",
            ),
            ("NoSuchBucket", 404, Kind::NotFound, "name"),
            ("PermanentRedirect", 301, Kind::Refused, "region"),
            ("HTTP 301", 301, Kind::Refused, "region"),
            ("HTTP 400", 400, Kind::Unauthenticated, "expired"),
            ("BadDigest", 400, Kind::Damaged, "on their way"),
            ("SlowDown", 503, Kind::Unavailable, "later"),
            ("HTTP 500", 500, Kind::Unavailable, "later"),
        ] {
            let (found, advice) = meaning(code, "", status, &PUT);
            assert_eq!(found, kind, "{code}");
            assert!(advice.unwrap().contains(hint), "{code}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for (code, message, status) in [
            ("NoSuchKey", "", 404),
            ("NoSuchVersion", "", 404),
            ("HTTP 404", "", 404),
            ("MethodNotAllowed", "", 405),
            ("InvalidArgument", "Invalid version id specified", 400),
        ] {
            assert_eq!(meaning(code, message, status, &PUT).0, Kind::NotFound);
        }
        let other = meaning("InvalidArgument", "something else", 400, &PUT);
        assert_eq!(other, (Kind::Failed, None));
    }
}
