"""Clients of this very server, for what applies templates."""

import functools

from .state import STATE


def of(key, region):
    """A function from a service's name to its client with these credentials."""
    import boto3
    from botocore.config import Config

    settings = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return functools.cache(
        lambda service: boto3.client(
            service,
            region_name=region,
            endpoint_url=STATE.url,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            aws_session_token=key.get("session_token"),
            config=settings,
        )
    )
