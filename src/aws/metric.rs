//! CloudWatch's metrics: one call of it.

use roxmltree::Document;

use super::account::Account;
use super::fault::Operation;
use super::query::Query;
use crate::error::{Error, Result};

const VERSION: &str = "2010-08-01";
/// What the right to call is bound to, by the key cloudwatch:namespace.
const NAMESPACE: &str = "lifeboat";

/// Puts a data point of a metric without dimensions, which is dated by CloudWatch's clock, not ours.
/// `name` has nothing in it that a form would have to encode. Done twice after a lost reply, it is
/// there twice: a sum of ones stays above nought, one of noughts stays nought.
pub async fn put(account: &Account, name: &'static str, value: u8) -> Result<()> {
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
    if is_taken(&answer) {
        return Ok(());
    }
    Err(
        Error::failed(format!("{}: the answer is not CloudWatch's", what()))
            .hint("what stands between here and CloudWatch?"),
    )
}

/// What answers in CloudWatch's place has not stored anything.
fn is_taken(answer: &str) -> bool {
    let document = Document::parse(answer);
    document.is_ok_and(|answer| answer.root_element().has_tag_name("PutMetricDataResponse"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cloudwatchs_own_answer_says_that_it_is_there() {
        assert!(is_taken(
            "<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PutMetricDataResponse>"
        ));
        for other in ["", "ok", "<html>log in first</html>", "{}"] {
            assert!(!is_taken(other), "{other}");
        }
    }
}
