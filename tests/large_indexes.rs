//! Indexes and keys of a large table, which are built one by one: all of them come back, with what hangs on them, and
//! one that cannot be made is told with its statement.

use serde_json::Value;

use crate::support::{Database, Lifeboat, Major};

/// 40 MB of COPY text, which take no room. The last index can be made by nobody but its source.
const LARGE: &str = "
  CREATE TABLE page (id int PRIMARY KEY, kind text NOT NULL, body text,
                     CONSTRAINT \"kind and id\" UNIQUE (kind, id) DEFERRABLE);
  INSERT INTO page SELECT g, 'kind ' || g % 3, repeat('x', 1000000) FROM generate_series(1, 40) g;
  ALTER TABLE page ADD CONSTRAINT apart EXCLUDE USING btree (id WITH =);
  CREATE INDEX page_kind ON page (kind DESC) WHERE id > 5;
  CREATE INDEX \"page kind\" ON page (lower(kind), id);
  CREATE UNIQUE INDEX page_id ON page (id) INCLUDE (kind);
  COMMENT ON INDEX page_kind IS 'of pages';
  ALTER TABLE page CLUSTER ON page_id;
  ALTER TABLE page REPLICA IDENTITY USING INDEX page_id;
  CREATE TABLE link (page int REFERENCES page, kind text);
  INSERT INTO link SELECT g, 'x' FROM generate_series(1, 40) g;
  CREATE FUNCTION here(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('application_name') LIKE 'lifeboat%' THEN RAISE 'not in a restore'; END IF;
      RETURN $1;
    END$$;
  CREATE INDEX page_here ON page (here(kind));";

const INDEXES: &str = "
  SELECT string_agg(concat_ws(' ', x.indexrelid::regclass, pg_get_indexdef(x.indexrelid), x.indisclustered,
                              x.indisreplident, x.indisvalid, obj_description(x.indexrelid),
                              (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
                                WHERE k.conindid = x.indexrelid AND k.conrelid = x.indrelid)), E'\\n'
                    ORDER BY x.indexrelid::regclass::text)
    FROM pg_index x WHERE x.indrelid = 'page'::regclass AND x.indexrelid::regclass::text <> 'page_here'";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn all_indexes_of_a_large_table_come_back_and_one_that_fails_is_told() {
    for (major, jobs) in [(Major::Pg15, "1"), (Major::Pg18, "4")] {
        let (source, target) = (Database::new(major), Database::new(major));
        source.sql(LARGE);
        let lifeboat = Lifeboat::init();
        lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", major.bin()));
        lifeboat.export(&source.url());
        let (url, identity) = (target.url(), lifeboat.identity());
        let restore = [
            "restore", "latest", "--verify", "--jobs", jobs, "--target", &url,
        ];
        let identity = ["--identity", identity.to_str().unwrap()];
        let bin = major.bin();
        let bin = ["--pg-bin", bin.to_str().unwrap()];
        let ran = lifeboat.run([&restore[..], &identity, &bin].concat());
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let report = &ran.json()["result"];
        assert_eq!(report["failures"], Value::Array(Vec::new()), "{report}");
        let findings = report["findings"].as_array().unwrap();
        let failed = |one: &Value| one["why"].as_str().unwrap().contains("not in a restore");
        assert!(findings.iter().any(failed), "{report}");
        let about = |one: &Value| one["what"].as_str().unwrap().contains("page_here");
        assert!(findings.iter().all(about), "{report}");
        let sql = |one: &Value| {
            one["sql"]
                .as_str()
                .is_some_and(|sql| sql.contains("here(kind)"))
        };
        assert!(findings.iter().any(sql), "{report}");
        assert_eq!(target.sql(INDEXES), source.sql(INDEXES));
    }
}
