"""What happened once: the instance deleted, with it all its automated snapshots."""


def test_the_night_of_the_incident(backups):
    accounts = backups.accounts
    rds, kms = (accounts.client("production", service) for service in ("rds", "kms"))
    rds.delete_db_instance(DBInstanceIdentifier="prod", SkipFinalSnapshot=True)
    kms.disable_key(KeyId=accounts.production_key)
    backups.databases.sql("postgres", f"DROP DATABASE {backups.databases.name} WITH (FORCE)")
    assert rds.describe_db_instances()["DBInstances"] == []
    # Neither automated ones nor nightly's intermediate.
    assert rds.describe_db_snapshots()["DBSnapshots"] == []
    backups.assert_the_export_restores()
    backups.assert_the_copy_restores()


def test_the_source_account_is_gone(backups):
    """No role of it is left that anybody could become, and no key of it serves."""
    accounts = backups.accounts
    iam, kms = (accounts.client("production", service) for service in ("iam", "kms"))
    for key in kms.list_keys()["Keys"]:
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    for role in iam.list_roles()["Roles"]:
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            iam.delete_role_policy(RoleName=role["RoleName"], PolicyName=policy)
        iam.delete_role(RoleName=role["RoleName"])
    accounts.cloud.control("POST", "sessions/end")
    accounts.forget("restore")
    backups.assert_the_export_restores()
    backups.assert_the_copy_restores()
