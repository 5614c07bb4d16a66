-- One line each: what, whose, how PostgreSQL prints it. Then rows. The order of inherited columns is pg_dump's.
CREATE TEMP VIEW relation AS
SELECT c.oid, c.relkind, c.relispartition, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't';
SELECT 'view '::text || jsonb_build_array(name, pg_get_viewdef(oid)) FROM pg_temp.relation WHERE relkind IN ('v', 'm');
SELECT 'columns '::text || jsonb_build_array(name, array_agg(attname ORDER BY CASE WHEN NOT relispartition AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = r.oid) THEN 0 ELSE attnum END, attname)) FROM pg_temp.relation r JOIN pg_attribute ON attrelid = r.oid
 WHERE attnum > 0 AND NOT attisdropped AND relkind NOT IN ('i', 'I') GROUP BY name;
SELECT 'default '::text || jsonb_build_array(name, attname, pg_get_expr(adbin, adrelid)) FROM pg_temp.relation r JOIN pg_attribute ON attrelid = r.oid
  JOIN pg_attrdef ON adrelid = r.oid AND adnum = attnum;
SELECT 'index '::text || jsonb_build_array(name, pg_get_indexdef(oid)) FROM pg_temp.relation WHERE relkind IN ('i', 'I');
SELECT 'constraint '::text || jsonb_build_array(conname, conrelid::regclass, contypid::regtype, replace(pg_get_constraintdef(oid), ' NOT VALID', '')) FROM pg_constraint WHERE oid >= 16384 AND contype <> 'n';
SELECT 'trigger '::text || jsonb_build_array(pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal;
SELECT 'rule '::text || jsonb_build_array(pg_get_ruledef(oid)) FROM pg_rewrite WHERE ev_class >= 16384 AND rulename <> '_RETURN';
SELECT 'function '::text || jsonb_build_array(pg_get_functiondef(oid)) FROM pg_proc WHERE oid >= 16384 AND prokind <> 'a';
SELECT 'policy '::text || jsonb_build_array(polname, polrelid::regclass, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy;
SELECT 'partitions '::text || jsonb_build_array(name, pg_get_partkeydef(oid)) FROM pg_temp.relation WHERE relkind = 'p';
SELECT 'bound '::text || jsonb_build_array(r.name, pg_get_expr(c.relpartbound, c.oid)) FROM pg_temp.relation r JOIN pg_class c USING (oid) WHERE r.relispartition;
SELECT 'statistics '::text || jsonb_build_array(pg_get_statisticsobjdef(oid)) FROM pg_statistic_ext;
SELECT 'enum '::text || jsonb_build_array(enumtypid::regtype, array_agg(enumlabel ORDER BY enumsortorder)) FROM pg_enum GROUP BY enumtypid;
SELECT 'published '::text || jsonb_build_array(pubname, prrelid::regclass, pg_get_expr(prqual, prrelid),
       (SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs)))
  FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid;
SELECT 'member '::text || jsonb_build_array((pg_identify_object(classid, objid, objsubid)).identity, extname)
  FROM pg_depend JOIN pg_extension x ON x.oid = refobjid WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e';
SELECT format('SELECT ''sequence ''::text || jsonb_build_array(%L, last_value, is_called) FROM %s', name, name) FROM pg_temp.relation WHERE relkind = 'S' \gexec
SELECT 'large object '::text || jsonb_build_array(oid, md5(lo_get(oid))) FROM pg_largeobject_metadata;
SELECT format('SELECT ''rows ''::text || jsonb_build_array(%L, count(*), md5(coalesce(string_agg(md5(r), '''' ORDER BY r COLLATE "C"), ''''))) FROM (SELECT ROW(%s)::text AS r FROM %s %s) s',
       name, (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped),
       CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY' END, name)
  FROM pg_temp.relation r WHERE relkind = 'r' AND NOT relispartition OR relkind = 'p' AND NOT relispartition
    OR relkind = 'm' AND (SELECT relispopulated FROM pg_class WHERE oid = r.oid) \gexec
