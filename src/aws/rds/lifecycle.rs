//! What a drill does to instances and clusters of its own: a new password, stop, start, deletion.

use super::Rds;
use super::convert::tags_to_sdk;
use crate::aws::call_error::{from_sdk, unless_gone};
use crate::error::Result;
use crate::model::snapshot::Kind;

impl Rds {
    /// Gives the master user this password, at once; RDS needs a while for it.
    pub(crate) async fn set_password(
        &self,
        kind: Kind,
        identifier: &str,
        password: &str,
    ) -> Result<()> {
        let what = format!("cannot set the password of {kind} {identifier}");
        send!(self, kind, from_sdk(what);
            "ModifyDBInstance" modify_db_instance | "ModifyDBCluster" modify_db_cluster;
            each db_instance_identifier | db_cluster_identifier = identifier;
            both master_user_password = password, apply_immediately = true;)
    }

    /// Starts to stop it: its storage stays, its compute is not paid for.
    pub(crate) async fn stop_db(&self, kind: Kind, identifier: &str) -> Result<()> {
        let what = format!("cannot stop {kind} {identifier}");
        send!(self, kind, from_sdk(what);
            "StopDBInstance" stop_db_instance | "StopDBCluster" stop_db_cluster;
            each db_instance_identifier | db_cluster_identifier = identifier;)
    }

    /// Starts a stopped cluster: it cannot be deleted otherwise.
    pub(crate) async fn start_cluster(&self, identifier: &str) -> Result<()> {
        let call = self.client.start_db_cluster();
        let reply = call.db_cluster_identifier(identifier).send().await;
        reply.map(drop).map_err(|why| {
            let what = format!("cannot start cluster {identifier}");
            from_sdk(operation!("StartDBCluster"), what, why)
        })
    }

    /// Starts to delete it, without a last snapshot, its automated backups with it; one that is gone
    /// already is no error.
    pub(crate) async fn delete_db(&self, kind: Kind, identifier: &str) -> Result<()> {
        let what = format!("cannot delete {kind} {identifier}");
        unless_gone(send!(self, kind, from_sdk(what);
            "DeleteDBInstance" delete_db_instance | "DeleteDBCluster" delete_db_cluster;
            each db_instance_identifier | db_cluster_identifier = identifier;
            both skip_final_snapshot = true, delete_automated_backups = true;))
    }

    /// Sets one tag.
    pub(crate) async fn tag(&self, arn: &str, key: &str, value: &str) -> Result<()> {
        let tags = [(key.to_owned(), value.to_owned())].into();
        let call = self.client.add_tags_to_resource().resource_name(arn);
        let reply = call.set_tags(tags_to_sdk(&tags)).send().await;
        reply.map(drop).map_err(|why| {
            let what = format!("cannot tag {arn} {key}");
            from_sdk(operation!("AddTagsToResource"), what, why)
        })
    }
}
