"""PutMetricData as lifeboat sends it: boto3's own client speaks another protocol."""

import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

PUT = (
    "Action=PutMetricData&Namespace=lifeboat&MetricData.member.1.MetricName=NightlySuccess"
    "&MetricData.member.1.Value=1&MetricData.member.1.Unit=Count&Version=2010-08-01"
)


def send(url, region, key, arguments=PUT):
    """Status and text."""
    url, data = f"{url}/", arguments.encode()
    request = AWSRequest("POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, data)
    by = Credentials(key["access_key_id"], key["secret_access_key"], key.get("session_token"))
    SigV4Auth(by, "monitoring", region).add_auth(request)
    request = urllib.request.Request(url, data, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def code_of(text):
    """Of an error's text, or nothing."""
    return text.partition("<Code>")[2].partition("</Code>")[0]
