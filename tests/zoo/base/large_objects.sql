-- Large objects: sizes around the 1 MiB read, holes, owners, ACLs, comments, an OID above 2^31.

CREATE FUNCTION pg_temp.filled(bytes integer) RETURNS bytea LANGUAGE sql AS
    $$ SELECT substring(string_agg(sha512(i::text::bytea), '' ORDER BY i) FROM 1 FOR bytes) FROM generate_series(1, bytes / 64 + 1) i $$;
SELECT lo_create(900000) \g /dev/null
SELECT lo_from_bytea(900001, '\x00') \g /dev/null
SELECT lo_from_bytea(900002, pg_temp.filled(1048576)) \g /dev/null
SELECT lo_from_bytea(900003, pg_temp.filled(1048577)) \g /dev/null
SELECT lo_from_bytea(900004, pg_temp.filled(1048575)) \g /dev/null
\if :big
SELECT lo_from_bytea(900005, pg_temp.filled(3145728)) \g /dev/null
\endif
-- sparse: ten million bytes of nothing
SELECT lo_from_bytea(900006, '\x5c2e0a'), lo_put(900006, 10000000, '\x010203') \g /dev/null
-- a hole of whole MiB
SELECT lo_create(900007), lo_put(900007, 3145728, '\x01') \g /dev/null
SELECT lo_from_bytea(900008, convert_to(E'\\. \n\t\\N 🛟', 'UTF8')) \g /dev/null
SELECT lo_from_bytea(4294967295, '\xff') \g /dev/null
SELECT lo_create(900009) \g /dev/null
BEGIN;
-- grown by truncate: zeros only
SELECT lo_truncate64(lo_open(900009, 131072), 1500000) \g /dev/null
COMMIT;
SELECT lo_from_bytea(900010, decode(repeat('00', 2048 * 3), 'hex')) \g /dev/null
SELECT lo_from_bytea(900020 + i, i::text::bytea) FROM generate_series(1, 50) i \g /dev/null

ALTER LARGE OBJECT 900000 OWNER TO zoo_owner;
ALTER LARGE OBJECT 900001 OWNER TO zoo_app;
ALTER LARGE OBJECT 900002 OWNER TO "zoo_quote""d";
ALTER LARGE OBJECT 900003 OWNER TO "zoo_🛟";
ALTER LARGE OBJECT 900004 OWNER TO zoo_owner;
ALTER LARGE OBJECT 900006 OWNER TO zoo_owner;
GRANT SELECT ON LARGE OBJECT 900000 TO PUBLIC;
GRANT SELECT, UPDATE ON LARGE OBJECT 900001 TO zoo_reader WITH GRANT OPTION;
REVOKE ALL ON LARGE OBJECT 900004 FROM zoo_owner;                                            -- an owner who may not write
GRANT SELECT ON LARGE OBJECT 900004 TO "zoo_acl,=*r/x{y}", zoo_app;
SET ROLE zoo_reader;
GRANT UPDATE ON LARGE OBJECT 900001 TO zoo_limited;                                          -- granted by another than the owner
RESET ROLE;
COMMENT ON LARGE OBJECT 900000 IS 'empty';
COMMENT ON LARGE OBJECT 900003 IS E'it''s "1 MiB" + 1\n\\! touch zoo_pwned\n🛟';
CREATE TABLE zoo.has_large_object (id integer PRIMARY KEY, lo oid);
INSERT INTO zoo.has_large_object VALUES (1, 900000), (2, 4294967295), (3, NULL);
ALTER TABLE zoo.has_large_object OWNER TO zoo_owner;
