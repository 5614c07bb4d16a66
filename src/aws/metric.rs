//! Metrics in CloudWatch.

use roxmltree::Document;

use super::account::Account;
use super::call_error::Operation;
use super::query::Query;
use crate::error::{Error, Result};

const VERSION: &str = "2010-08-01";
/// The right to put metrics is granted for this namespace only (condition key cloudwatch:namespace).
const NAMESPACE: &str = "lifeboat";

/// Puts a data point of a metric without dimensions, dated by CloudWatch's clock, not ours. `name`
/// contains nothing that a form has to encode. After a lost reply the point may be stored twice: a sum
/// of ones stays above zero, one of zeros stays zero.
pub(crate) async fn put(account: &Account, name: &'static str, value: u8) -> Result<()> {
    let what = || format!("cannot put the metric {name}");
    let query = Query {
        operation: Operation {
            name: "PutMetricData",
            rights: "cloudwatch:PutMetricData in the namespace lifeboat",
        },
        service: "monitoring",
        body: format!(
            "Action=PutMetricData&Namespace={NAMESPACE}&MetricData.member.1.MetricName={name}\
             &MetricData.member.1.Value={value}&MetricData.member.1.Unit=Count&Version={VERSION}"
        ),
        what: what(),
    };
    let answer = query.send(account).await?;
    if is_stored(&answer) {
        return Ok(());
    }
    Err(
        Error::failed(format!("{}: the answer is not CloudWatch's", what()))
            .hint("what stands between here and CloudWatch?"),
    )
}

/// Whether CloudWatch answered, and not a proxy in its place.
fn is_stored(answer: &str) -> bool {
    let document = Document::parse(answer);
    document.is_ok_and(|answer| answer.root_element().has_tag_name("PutMetricDataResponse"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cloudwatchs_own_answer_says_that_it_is_there() {
        assert!(is_stored(
            "<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PutMetricDataResponse>"
        ));
        for other in ["", "ok", "<html>log in first</html>", "{}"] {
            assert!(!is_stored(other), "{other}");
        }
    }

    #[test]
    fn no_foreign_answer_passes_for_cloudwatchs() {
        crate::foreign::each_text("xml", |answer| {
            assert!(!is_stored(answer) || answer.contains("PutMetricDataResponse"));
        });
    }
}
