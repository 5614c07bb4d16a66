"""Against the bucket's settings."""

import json

from ..conftest import allow, document
from .accounts import BUCKET, REGION, SOURCE, STRANGER, role_arn
from .attack import answered, attack

# It is what break-glass is for; each such call is an alarm.
SETTERS = ("break-glass",)
EVERY_OBJECT = f"arn:aws:s3:::{BUCKET}/*"
FOREIGN_KEY = f"arn:aws:kms:{REGION}:{STRANGER}:key/00000000-0000-0000-0000-000000000000"


def _set(what, method, but=SETTERS, codes=None, **asked):
    @attack("s3", what, but=but, codes=codes)
    def _(a, who):
        getattr(a.client(who, "s3"), method)(Bucket=BUCKET, **asked)


def _letting(principal):
    return {"Policy": json.dumps(document(allow("s3:*", EVERY_OBJECT, Principal=principal)))}


def _replicating(role):
    rule = {
        "ID": "x",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": "arn:aws:s3:::elsewhere"},
    }
    return {"ReplicationConfiguration": {"Role": role_arn(role), "Rules": [rule]}}


def _expiring():
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    return {"LifecycleConfiguration": {"Rules": [{**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]}}


def _locking(rule):
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **rule}}


def _encrypting():
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": FOREIGN_KEY}
    return {"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}}


def _listing():
    to = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::elsewhere", "Format": "CSV"}}
    what = {"IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"}}
    return {"Id": "x", "InventoryConfiguration": {"Id": "x", "Destination": to, **what}}


BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
SHORTER = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}

# The public access block refuses this to break-glass, too.
_set("let everybody in", "put_bucket_policy", but=(), **_letting("*"))
_set("let production in", "put_bucket_policy", **_letting({"AWS": SOURCE}))
_set("delete the bucket's policy", "delete_bucket_policy")
_set("let everything expire tomorrow", "put_bucket_lifecycle_configuration", **_expiring())
_set("delete the lifecycle", "delete_bucket_lifecycle")
# Object Lock refuses this to break-glass, too.
_set(
    "suspend versioning",
    "put_bucket_versioning",
    but=(),
    codes=answered("InvalidBucketState", "break-glass"),
    VersioningConfiguration={"Status": "Suspended"},
)
_set("lock new objects for a day", "put_object_lock_configuration", **_locking(SHORTER))
_set("lock new objects no longer", "put_object_lock_configuration", **_locking({}))
# Break-glass hands roles to tasks, to schedules and to CloudFormation, and to nothing else.
_set("replicate elsewhere as prove", "put_bucket_replication", but=(), **_replicating("lifeboat-prove"))
_set("replicate elsewhere as scheduler", "put_bucket_replication", but=(), **_replicating("lifeboat-scheduler"))
_set("replicate elsewhere as break-glass", "put_bucket_replication", but=(), **_replicating("lifeboat-break-glass"))
_set("delete the replication", "delete_bucket_replication")
_set("encrypt new objects under a foreign key", "put_bucket_encryption", **_encrypting())
_set("delete the encryption", "delete_bucket_encryption")
_set(
    "let writers own their objects",
    "put_bucket_ownership_controls",
    OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
)
_set("delete the ownership controls", "delete_bucket_ownership_controls")
# Without ACLs S3 refuses this to break-glass, too.
_set(
    "make the bucket public by its ACL",
    "put_bucket_acl",
    but=(),
    codes=answered("AccessControlListNotSupported", "break-glass"),
    ACL="public-read-write",
)
_set(
    "allow public access",
    "put_public_access_block",
    PublicAccessBlockConfiguration=dict.fromkeys(BLOCKS, False),
)
_set("delete the public access block", "delete_public_access_block")
_set("notify others", "put_bucket_notification_configuration", NotificationConfiguration={})
_set("log elsewhere", "put_bucket_logging", BucketLoggingStatus={})
_set("make a website of it", "put_bucket_website", WebsiteConfiguration={"IndexDocument": {"Suffix": "x"}})
_set(
    "open it to browsers",
    "put_bucket_cors",
    CORSConfiguration={"CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"]}]},
)
_set("let requesters pay", "put_bucket_request_payment", RequestPaymentConfiguration={"Payer": "Requester"})
_set("accelerate it", "put_bucket_accelerate_configuration", AccelerateConfiguration={"Status": "Enabled"})
_set("tag the bucket", "put_bucket_tagging", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
_set("list it to elsewhere", "put_bucket_inventory_configuration", **_listing())
_set("delete the bucket", "delete_bucket", but=())
