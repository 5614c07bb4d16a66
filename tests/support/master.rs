//! A cluster whose `postgres` is no superuser, as RDS has it; and one as it was when it was started.

use super::cluster::{Cluster, PASSWORD};

/// Takes superuser from `postgres`, and returns who has it now.
pub fn demote(cluster: &Cluster) -> &'static str {
    cluster.sql("CREATE ROLE other SUPERUSER LOGIN");
    cluster.sql_as("other", "postgres", "ALTER ROLE postgres RENAME TO rdsroot");
    let sql = format!(
        "DROP ROLE other;
         CREATE ROLE postgres LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}';
         GRANT pg_monitor, pg_read_all_data, pg_signal_backend TO postgres WITH ADMIN OPTION;
         GRANT CREATE ON DATABASE postgres TO postgres;"
    );
    cluster.sql_as("rdsroot", "postgres", &sql);
    "rdsroot"
}

/// Drops a database, and all roles but those that were there at first.
pub fn clean(cluster: &Cluster, superuser: &str, database: &str) {
    let sql = |sql: &str| cluster.sql_as(superuser, "postgres", sql);
    sql(&format!(
        "UPDATE pg_database SET datistemplate = false, datallowconn = true WHERE datname = '{database}'"
    ));
    sql(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
    let drop = "
      DO $$ DECLARE r name; BEGIN
        FOR r IN SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres$|rdsroot$)' LOOP
          BEGIN EXECUTE format('DROP OWNED BY %I CASCADE', r); EXECUTE format('DROP ROLE %I', r);
          EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END;
        END LOOP; END $$;
      SELECT count(*) FROM pg_roles WHERE rolname !~ '^(pg_|postgres$|rdsroot$)'";
    let mut rounds = 0;
    while sql(drop) != "0" {
        rounds += 1;
        assert!(rounds < 10, "roles that cannot be dropped");
    }
    sql("ALTER ROLE ALL RESET ALL");
    sql("ALTER ROLE postgres RESET ALL");
}
