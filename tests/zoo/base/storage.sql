-- Storage: parameters, compression, per-column statistics, table access method.

SET ROLE zoo_owner;
CREATE TABLE zoo.parameters (id integer, t text, u text, v text) WITH (fillfactor = 42, autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.3,
    toast.autovacuum_vacuum_threshold = 99, parallel_workers = 2, toast_tuple_target = 512, log_autovacuum_min_duration = 7, vacuum_truncate = off);
INSERT INTO zoo.parameters VALUES (1, repeat('t', 5000), repeat('u', 5000), repeat('v', 5000));
ALTER TABLE zoo.parameters ALTER COLUMN id SET STATISTICS 0, ALTER COLUMN t SET STATISTICS 777, ALTER COLUMN t SET (n_distinct = -0.5, n_distinct_inherited = 7),
    ALTER COLUMN t SET STORAGE EXTERNAL, ALTER COLUMN u SET STORAGE PLAIN, ALTER COLUMN v SET STORAGE MAIN;
\if :pg14
CREATE TABLE zoo.compressed (a text COMPRESSION pglz, b text);
ALTER TABLE zoo.compressed ALTER COLUMN b SET COMPRESSION pglz;
INSERT INTO zoo.compressed VALUES (repeat('pglz ', 50000), repeat('b', 100000));
\if :lz4
CREATE TABLE zoo.compressed_lz4 (a text COMPRESSION lz4, b text);
INSERT INTO zoo.compressed_lz4 VALUES (repeat('lz4 ', 50000), repeat('b', 100000));
\endif
\endif
RESET ROLE;
CREATE TABLE zoo.other_access_method (id integer PRIMARY KEY, t text) USING zoo_heap;   -- a heap by another name
INSERT INTO zoo.other_access_method SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
ALTER TABLE zoo.other_access_method OWNER TO zoo_owner;
CREATE INDEX other_access_method_own ON zoo.other_access_method USING btree (t);
CREATE MATERIALIZED VIEW zoo.m_other_access_method USING zoo_heap AS SELECT id FROM zoo.other_access_method;
ALTER MATERIALIZED VIEW zoo.m_other_access_method OWNER TO zoo_owner;
\if :pg17
CREATE TABLE zoo.partitioned_other_access_method (id integer) PARTITION BY RANGE (id) USING zoo_heap;
CREATE TABLE zoo.partitioned_other_access_method_1 PARTITION OF zoo.partitioned_other_access_method FOR VALUES FROM (0) TO (10);
INSERT INTO zoo.partitioned_other_access_method VALUES (1);
ALTER TABLE zoo.partitioned_other_access_method OWNER TO zoo_owner;
ALTER TABLE zoo.partitioned_other_access_method_1 OWNER TO zoo_owner;
\endif
