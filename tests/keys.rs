//! Keys that KMS keeps: identities wrapped by it, manifests signed by it, and their rotation.

use crate::support::cloud::{self, REGION, allow};

#[tokio::test]
async fn the_tests_own_aws_answers_and_denies() {
    let account = cloud::account();
    let key = account.wrapping_key().await;
    let user = account.user("reader", &[allow("kms:DescribeKey", key.as_str())]);
    let kms = aws_sdk_kms::Client::new(&user.sdk(REGION));
    assert!(kms.describe_key().key_id(&key).send().await.is_ok());
    let denied = kms.schedule_key_deletion().key_id(&key).send().await;
    assert!(denied.is_err());
    assert!(account.bucket().await.starts_with("lifeboat-"));
    assert!(cloud::calls(&account).contains(&"kms:ScheduleKeyDeletion".to_owned()));
    cloud::nothing_unknown(&[&account]);
}
