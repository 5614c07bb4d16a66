-- One line for each thing that must come back, with a sum over its content that no order of rows changes.
-- It knows nothing of lifeboat.

SET timezone = 'UTC';

SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM %s t',
              relname, oid::regclass)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'v')
ORDER BY relname
\gexec

SELECT 'sequence ' || sequencename, last_value, increment_by FROM pg_sequences ORDER BY 1;
SELECT 'large object ' || oid, length(lo_get(oid)), md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;
SELECT 'owner of ' || relname, relowner::regrole, md5(coalesce(relacl::text, ''))
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i' ORDER BY relname;
SELECT 'index ' || indexrelid::regclass, indisvalid, md5(pg_get_indexdef(indexrelid))
FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'public'::regnamespace ORDER BY 1;
SELECT 'constraint ' || conrelid::regclass || ' ' || conname, convalidated, md5(pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1;
SELECT 'enum ' || enumtypid::regtype, count(*), string_agg(enumlabel, ',' ORDER BY enumsortorder)
FROM pg_enum GROUP BY enumtypid ORDER BY 1;
