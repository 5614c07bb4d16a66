-- Rows: every built-in type with its extremes, user types, and texts that COPY has to escape.

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- numbers
CREATE TABLE zoo.numbers (id integer PRIMARY KEY, b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision,
    n numeric, n52 numeric(5,2), n1000 numeric(1000,500), m money);
INSERT INTO zoo.numbers VALUES
    (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, true, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (3, false, -32768, -2147483648, -9223372036854775808, '-3.4028235e38', '-1.7976931348623157e308', '-1e131071', -999.99,
        '-1e499', '-92233720368547758.08'),
    (4, true, 32767, 2147483647, 9223372036854775807, '3.4028235e38', '1.7976931348623157e308', '1e131071', 999.99,
        '1e-500', '92233720368547758.07'),
    (5, true, 1, 1, 1, '1e-45', '4.9406564584124654e-324', '1e-16383', 0.01, 0.1, 0.01),
    (6, true, -1, -1, -1, '-0', '-0', '-0.000', -0.00, 1.10, -0.01),
    (7, true, 7, 7, 7, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 1234567.89),
    (8, true, 8, 8, 8, 'Infinity', 'Infinity', '1.50000', 1.5, 1.5, 123456),
    (9, true, 9, 9, 9, '-Infinity', '-Infinity', '123456789012345678901234567890.123456789012345678901234567890', 9, 9, 9),
    (10, true, 10, 10, 10, 0.1::real + 0.2::real, 0.1::float8 + 0.2::float8, 10.0, 10, 10, 10),
    (11, true, 11, 11, 11, '1.1754944e-38', '2.2250738585072014e-308', '0.00000000000000000000', 11, 11, 11);
\if :pg14
INSERT INTO zoo.numbers (id, n) VALUES (20, 'Infinity'), (21, '-Infinity');
\endif
\if :pg15
CREATE TABLE zoo.numbers_odd_scale (a numeric(2,-3), b numeric(3,5));
INSERT INTO zoo.numbers_odd_scale VALUES (99499, 0.00999), (-12345, -0.00001), (NULL, NULL);
\endif

-- ---------------------------------------------------------------- texts
CREATE TABLE zoo.texts (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, v varchar(20), c character(5), n name,
    one "char", cs text COLLATE "C", e zoo.email);
INSERT INTO zoo.texts (t) VALUES (NULL), (''), (' '), ('  leading and trailing  '), ('\.'), (E'\n\\.\n'), ('\N'), (E'\\\\N'),
    ('NULL'), (E'\t'), (E'\r'), (E'\n'), (E'\r\n'), (E'a\tb\rc\nd\r\ne'), ('\'), ('\\'), (E'ends with \\'), ('\t\n\x41\101'),
    (E'\b\f\x0b'), ('"double"'), ('it''s'), (','), (';'), ('{}'), ('()'), ('$1 $$ $_$ :x :''x'' %s {0} ?'), ('$(touch zoo_pwned)'),
    ('`touch zoo_pwned`'), (E'\n\\! touch zoo_pwned\n'), (E'''; DROP TABLE zoo.texts; --'), ('<!-- & -->'), ('🛟'), ('👩‍👩‍👧‍👦'),
    (U&'\FEFFbyte order mark'), (U&'\200Fright to left \0639'), (U&'e\0301 is not \00e9'), (U&'\2028\2029\0085'), (U&'\FFFE\FFFF\+10FFFF'),
    (U&'\E000\+0F0000'), ('ＦＵＬＬ ß ẞ ı İ ǆ'), (repeat('x', 8191)), (repeat('🛟', 3000)), (repeat(E'\\\t', 4000));
INSERT INTO zoo.texts (t) SELECT 'control ' || chr(i) || chr(i) FROM generate_series(1, 31) i;
INSERT INTO zoo.texts (t) SELECT 'control ' || chr(i) FROM generate_series(127, 160) i;
INSERT INTO zoo.texts (v, c, n, one, cs, e) VALUES
    ('', '', '', '', '', NULL), ('  x  ', ' a', 'name', 'a', 'Äa', 'a@b'), (repeat('🛟', 20), repeat('🛟', 5), repeat('n', 63), '\', 'ä', 'ä@🛟'),
    (E'a\nb', E'\\.', E'na\nme "x"', E'\n', E'\\', E'\\@\n');

-- ---------------------------------------------------------------- bytes and bits
CREATE TABLE zoo.bytes (id integer PRIMARY KEY, b bytea, bit1 bit, bit9 bit(9), vb bit varying, vb5 bit varying(5));
INSERT INTO zoo.bytes VALUES (1, NULL, NULL, NULL, NULL, NULL), (2, '', B'0', B'000000000', B'', B''),
    (3, '\x5c', B'1', B'101010101', B'1', B'11111'), (4, '\x00', B'1', B'000000001', repeat('10', 5000)::varbit, B'0');
INSERT INTO zoo.bytes (id, b) SELECT 5, decode(string_agg(lpad(to_hex(i), 2, '0'), ''), 'hex') FROM generate_series(0, 255) i;

-- ---------------------------------------------------------------- dates and times
CREATE TABLE zoo.times (id integer PRIMARY KEY, d date, t time, t3 time(3), tz timetz, ts timestamp, ts0 timestamp(0), tstz timestamptz,
    i interval, iy interval year to month, i3 interval second(3), d2 interval day);
INSERT INTO zoo.times VALUES
    (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, '4714-11-24 BC', '00:00', '00:00:00.001', '00:00:00+15:59:59', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00 BC',
        '4714-11-24 00:00:00+00 BC', '-178000000 years', '-178000000 years', '-0.001 s', '-1 day'),
    (3, '5874897-12-31', '24:00', '24:00', '24:00:00-15:59:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59',
        '294276-12-31 23:59:59.999999+00', '178000000 years', '178000000 years', '59.999 s', '2147483647 days'),
    (4, 'infinity', '23:59:59.999999', '23:59:59.999', '12:00:00+05:45', 'infinity', 'infinity', 'infinity', '1 mon -1 day 00:00:00.000001', '-1 mon', '1 s', '0'),
    (5, '-infinity', '23:59:60', '00:00', '23:59:60-00:30', '-infinity', '-infinity', '-infinity', '-1 year 2 mons -3 days 04:05:06.789', '1 y', '0', '0'),
    (6, '0001-01-01', '12:34:56.789', '12:34', '12:34:56.789-08', '0001-12-31 23:59:59 BC', '2000-02-29 00:00', '0001-01-01 00:00:00+00 BC',
        '2147483646 mons 2147483646 days 2147483646:59:59.999999', '0', '0', '0'),
    (7, '2000-02-29', '01:00', '01:00', '01:00+00', '1970-01-01', '1999-12-31 23:59:59', '2016-12-31 23:59:60+00',
        '-2147483647 mons -2147483647 days -2147483647:59:59.999999', '0', '0', '0'),
    (8, '1582-10-10', '01:00', '01:00', '01:00+00', '1883-11-18 12:03:58', '1900-01-01', '1883-11-18 12:03:58-04:56:02', '0', '0', '0', '0');
\if :pg15
INSERT INTO zoo.times (id, i) VALUES (18, '2147483646 mons 2147483646 days 2562047788:00:54.775806'),
    (19, '-2147483647 mons -2147483647 days -2562047788:00:54.775807');
\endif
\if :pg17
INSERT INTO zoo.times (id, i) VALUES (20, 'infinity'), (21, '-infinity');
\endif

-- ---------------------------------------------------------------- geometry, network, identifiers
CREATE TABLE zoo.shapes (id integer PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO zoo.shapes VALUES
    (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, '(0,-0)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '((0,0),(1,1),(2,0))', '((0,0),(1,1),(2,0))', '<(0,0),0>'),
    (3, '(1e308,-1e-308)', '{0,1,-0}', '[(0.1,0.2),(0.30000000000000004,1)]', '(Infinity,NaN),(-Infinity,0)', '[(0,0),(1,1)]', '((1,1))', '<(1,1),Infinity>'),
    (4, '(NaN,Infinity)', '{NaN,NaN,NaN}', '[(NaN,0),(0,-Infinity)]', '(0,0),(0,0)', '((0,0))', '((NaN,NaN),(0,0))', '<(NaN,0),1.5>');
CREATE TABLE zoo.networks (id integer PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8, u uuid);
INSERT INTO zoo.networks VALUES (1, NULL, NULL, NULL, NULL, NULL),
    (2, '0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '00000000-0000-0000-0000-000000000000'),
    (3, '255.255.255.255', '255.255.255.255/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    (4, '::ffff:1.2.3.4/96', '::/0', '08:00:2b:01:02:03', '08:00:2b:ff:fe:01:02:03', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'),
    (5, '192.168.1.5/24', '10.1.2.0/24', '08-00-2b-01-02-03', '08002b0102030405', '{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}'),
    (6, 'fe80::1/128', '2001:db8::/32', NULL, NULL, NULL);
CREATE TABLE zoo.ids (id integer PRIMARY KEY, o oid, x xid, x8 xid8, c cid, ti tid, lsn pg_lsn, s pg_snapshot, ts txid_snapshot,
    ov oidvector, iv int2vector, cur refcursor, acl aclitem, acls aclitem[]);
INSERT INTO zoo.ids VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, 0, '0', '0', '0', '(0,0)', '0/0', '1:1:', '1:1:', '', '', '', '=/zoo_owner', '{}'),
    (3, 4294967295, '4294967295', '18446744073709551615', '4294967295', '(4294967295,65535)', 'FFFFFFFF/FFFFFFFF',
        '10:9223372036854775807:10,14', '10:20:10,14,15', '1 4294967295', '-32768 32767', E'cur "so" r\n',
        '"zoo_quote""d"=r*w/"zoo_acl,=*r/x{y}"', '{zoo_app=r/zoo_owner,"=w*/zoo_owner"}');

-- ---------------------------------------------------------------- documents and search
CREATE TABLE zoo.documents (id integer PRIMARY KEY, j json, jb jsonb, p jsonpath, v tsvector, q tsquery);
INSERT INTO zoo.documents VALUES (1, NULL, NULL, NULL, NULL, NULL),
    (2, 'null', 'null', '$', '', ''),
    (3, E' { "a" : 1 ,\n\t"a":2, "b":[ ] } ', '{"b": [], "a": 2, "": {"x": [1, [2, [3]]]}}', '$.a[*] ? (@.b > 1 && @.c like_regex "^x" flag "i")',
        'a:1A,2B,16383C fat:2 ''it''''s \\ back'':3D', 'a:*AB & !(fat <3> cat | ''it''''s'')'),
    (4, '"\u0000 \ud83d\udedf"', '"\"\\\b\f\n\r\t \u0001 🛟"', 'strict $."a\"b".*.size()', '''🛟'' ''\ta\nb'' ''\\''', '''a\nb'' <-> ''🛟'''),
    (5, '1e400', '123456789012345678901234567890.0000100', '($[last] + 1).double()', 'x', 'x'),
    (6, '[1.0,1.00,-0]', '[1.0, 1.00, 1e-400, true, false]', 'lax $.**{2 to last}', 'a b c', '!!a');
INSERT INTO zoo.documents (id, j, jb) SELECT 7, (repeat('[', 1000) || repeat(']', 1000))::json, (repeat('[', 1000) || repeat(']', 1000))::jsonb;
\if :xml
CREATE TABLE zoo.xmls (id integer PRIMARY KEY, x xml);
INSERT INTO zoo.xmls VALUES (1, NULL), (2, ''), (3, 'only text'), (4, '<a/><b/> two roots'), (5, '<?xml version="1.0" encoding="UTF-8"?><a b="ä">🛟</a>'),
    (6, '<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?><a>ä</a>'), (7, '<a><![CDATA[<\t\N]]>&amp;&#10;</a>'), (8, E'<a>\n\\.\n</a>'),
    (9, '<!DOCTYPE a [<!ELEMENT a ANY>]><a/>'), (10, '<!-- x --><?pi y?>'), (11, '  <a/>  ');
\endif

-- ---------------------------------------------------------------- names of objects: reg*
CREATE TABLE zoo.regs (id integer PRIMARY KEY, c regclass, p regproc, pd regprocedure, o regoper, od regoperator, t regtype, r regrole,
    n regnamespace, cf regconfig, d regdictionary, co regcollation, cs regclass[]);
INSERT INTO zoo.regs VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}'),                                              -- prints -
    (3, 4000000000, 4000000000, 4000000000, 4000000000, 4000000000, 4000000000, 4000000000, 4000000000, 4000000000, 4000000000,
        4000000000, '{4000000001,NULL}'),                                                    -- dangling: prints the number
    (4, 'pg_class', 'now', 'pg_catalog.length(text)', '||/', '+(integer,integer)', 'timestamp with time zone', 'pg_monitor',
        'pg_catalog', 'simple', 'simple', 'pg_catalog."C"', '{pg_class,pg_type}'),
    (5, 'zoo.numbers', 'zoo.twice', 'zoo.overloaded(text)', 'zoo.~-~', 'zoo.+(zoo.pair,zoo.pair)', 'zoo.mood[]', 'zoo_owner', 'zoo',
        'zoo.words', 'zoo."Dict""ionary"', 'zoo."C copy"', '{zoo.numbers,zoo.texts}'),
    (6, 'zoo.texts_id_seq', NULL, '"Zoo Mixed"."Pro""c"()', NULL, 'zoo.=(zoo.mint,integer)', '"zoo.dot"."E.num"', '"zoo_quote""d"', '"zoo""quote"',
        NULL, NULL, '"zoo.dot"."Col.""late"', NULL),
    (7, NULL, NULL, NULL, NULL, NULL, 'zoo.text_range', '"zoo_acl,=*r/x{y}"', '"zoo 🛟"', NULL, NULL, NULL, NULL);
-- Names an index, which exists only after post-data: stock pg_restore loses these rows.
CREATE TABLE zoo.reg_index (id integer PRIMARY KEY, c regclass);
INSERT INTO zoo.reg_index VALUES (1, 'zoo.numbers'), (2, 'zoo.numbers_pkey'), (3, 'zoo.reg_index_pkey');

-- ---------------------------------------------------------------- ranges
CREATE TABLE zoo.ranges (id integer PRIMARY KEY, i4 int4range, i8 int8range, n numrange, d daterange, ts tsrange, tz tstzrange,
    tr zoo.text_range, fr zoo.float_range, tir zoo.time_range, mr zoo.mood_range, mir zoo.mint_range);
INSERT INTO zoo.ranges VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty'),
    (3, '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)'),
    (4, '[1,2147483647)', '[-9223372036854775808,9223372036854775807)', '[1.0,1.00]', '[-infinity,infinity]', '[-infinity,infinity]',
        '(-infinity,infinity)', E'["a,b","it\'s \\"\\\\ (x]")', '[-Infinity,NaN]', '[00:00,24:00)', '[sad,happy]', '[1,3)'),
    (5, '(1,5]', '[1,1]', '(-1.5,)', '(2000-02-28,2000-03-01)', '["2000-01-01 00:00:00","2000-01-02 12:00:00.5")', '["2000-01-01 00:00:00+05:45",)',
        '["",🛟]', '[0.1,0.30000000000000004)', '[01:00,01:00]', '["it''s, \"quoted\" \\ {brace} 🛟",)', '(,7]');
\if :pg14
CREATE TABLE zoo.multiranges (id integer PRIMARY KEY, i4 int4multirange, i8 int8multirange, n nummultirange, d datemultirange,
    ts tsmultirange, tz tstzmultirange, tr zoo.text_multirange, mo zoo."Moods");
INSERT INTO zoo.multiranges VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (3, '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}'),
    (4, '{[1,3),[5,6)}', '{(,1),[9223372036854775806,)}', '{[1.0,1.00],(2,3)}', '{[2000-02-29,infinity)}', '{[-infinity,1999-01-01)}',
        '{[2000-01-01 00:00:00+00,2000-01-01 00:00:00+00]}', '{["a,b","c\"}"],[🛟,)}', '{[sad,sad],[happy,)}');
\endif

-- ---------------------------------------------------------------- types of the zoo
CREATE TABLE zoo.own_types (id integer PRIMARY KEY, m zoo.mood DEFAULT 'meh', ms zoo.mood[], e "zoo.dot"."E.num", p zoo.positive, sp zoo.small_positive,
    il zoo.int_list, sl zoo.short_list, ml zoo.mood_list, dm "Zoo Mixed"."Do""main", pr zoo.pair, op zoo.ordered_pair, a zoo.address,
    aa zoo.address[], pe zoo.person, ch zoo.changed, na zoo.no_attribute, mi zoo.mint, mis zoo.mint[], mid zoo.mint_domain, ps zoo.positive[],
    ops zoo.ordered_pair[], mrs zoo.mood_range[], w zoo.networks, ws zoo.networks[]);
INSERT INTO zoo.own_types (id, m, ml, dm, sp, p) VALUES (1, NULL, NULL, NULL, 1, NULL);
INSERT INTO zoo.own_types (id, sp) VALUES (2, 2);
INSERT INTO zoo.own_types VALUES
    (3, 'it''s, "quoted" \ {brace} 🛟', ARRAY['sad', NULL, '', 'NULL', 'it''s, "quoted" \ {brace} 🛟']::zoo.mood[], repeat('x', 63)::"zoo.dot"."E.num", 1, 999,
     '{1,2,3,4}', '{1,NULL,3}', '{happy}', E'\\.\n', '(1,)', '(1,2)', E'("street, \\"1\\"\nx",,"it''s, \\"quoted\\" \\\\ {brace} 🛟")',
     ARRAY[ROW('a', 'b', 'sad'), NULL, ROW(NULL, NULL, NULL), ROW('', '\', '')]::zoo.address[],
     ROW('p', ROW('s', 'z', 'okay'), ARRAY[ROW('"', '{', 'sad'), ROW(',', ')', NULL)]::zoo.address[], '{1,2}', '(1,1)'),
     ROW('k', 0.1, '4714-11-24 BC'), ROW(), '-2147483648', '{1;NULL;3}', '12', '{1,2,NULL}', '{"(1,2)","(,)"}', '{empty,"[sad,happy)"}',
     (SELECT n FROM zoo.networks n WHERE n.id = 5), (SELECT array_agg(n ORDER BY id) FROM zoo.networks n)),
    (4, '', '{}', (repeat('🛟', 15) || 'abc')::"zoo.dot"."E.num", NULL, 5, '{}', '{}', '{}', '', '(,)', '(,)', '(,,)', '{}', '(,,,,)', '(,,)', '()', '0', '{}', NULL, '{}', '{}', '{}', NULL, '{}'),
    (5, 'NULL', '{{sad,happy},{NULL,"NULL"}}', E'new\nline', 1, 1, '[0:1]={1,2}', NULL, '{{sad},{happy}}', 'x', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE INDEX own_types_mi ON zoo.own_types (mi);
CREATE INDEX own_types_mi_hash ON zoo.own_types USING hash (mi);
CREATE INDEX own_types_desc ON zoo.own_types (id zoo.int_desc_ops);
CREATE INDEX own_types_gin ON zoo.own_types USING gin ((il::integer[]) zoo.int_array_gin);

-- A domain's constraint that old rows do not meet.
CREATE TABLE zoo.of_later_checked (id integer PRIMARY KEY, v zoo.later_checked, vs zoo.later_checked[]);
INSERT INTO zoo.of_later_checked VALUES (1, -1, NULL), (2, 1, NULL), (3, NULL, NULL);
ALTER DOMAIN zoo.later_checked ADD CONSTRAINT not_negative CHECK (VALUE >= 0) NOT VALID;

-- ---------------------------------------------------------------- arrays
CREATE TABLE zoo.arrays (id integer PRIMARY KEY, i integer[], t text[], by bytea[], b box[], j jsonb[], f double precision[], ts timestamptz[],
    fixed integer[3][3], nu numeric[], bo boolean[], n name[], c character(3)[], iv interval[], r int4range[], m money[]);
INSERT INTO zoo.arrays VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (3, '{NULL,1,-2147483648}', ARRAY[NULL, 'NULL', 'null', '', ' ', '"', '\', '{', '}', ',', E'\t\n\r', '🛟', '\.', ' x '], ARRAY['\x'::bytea, '\x5c00', NULL],
        '{(1,1),(0,0);(3,3),(2,2)}', ARRAY['null'::jsonb, NULL, '{"a": "\\ \""}'], '{NaN,Infinity,-0,1e-300}', '{infinity,"0001-01-01 00:00:00+00 BC"}',
        '{1,2}', '{NaN,1.10}', '{t,f,NULL}', ARRAY[E'a"b\n'], '{a,"",NULL}', ARRAY['1 mon'::interval, '-1 day'], '{empty,"[1,2)",NULL}', ARRAY['1234.56'::money]),
    (4, '[-2:0]={1,2,3}', '[0:0][5:6]={{a,b}}', NULL, NULL, NULL, NULL, NULL, '{{1,2,3},{4,5,6},{7,8,9}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, '{{{{{{1}}}}}}', '{{a,b},{c,NULL}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- Every built-in type that can be a column, each also as an array, whatever this version has.
SELECT 'CREATE TABLE zoo.every_type (id integer PRIMARY KEY, ' || string_agg(format('%I %s', 't_' || typname, oid::regtype), ', ' ORDER BY typname) || ')'
  FROM pg_type t
 WHERE oid < 16384 AND typnamespace = 'pg_catalog'::regnamespace AND typrelid = 0 AND typtype IN ('b', 'r', 'm', 'e', 'd')
   AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typrelid <> 0)
   AND typname !~ '^_?pg_(node_tree|ndistinct|dependencies|mcv_list|brin_.*|ddl_command)$' AND typname !~ '^(_?gtsvector|_cstring)$' \gexec
INSERT INTO zoo.every_type (id) VALUES (1);
SELECT format('INSERT INTO zoo.every_type (id, %s) VALUES (2, %s)', string_agg(quote_ident(attname), ', '), string_agg('''{}''', ', '))
  FROM pg_attribute WHERE attrelid = 'zoo.every_type'::regclass AND attname LIKE 't\_\_%' \gexec
SELECT format('INSERT INTO zoo.every_type (id, %s) VALUES (3, %s)', string_agg(quote_ident(attname), ', '), string_agg('''{NULL}''', ', '))
  FROM pg_attribute WHERE attrelid = 'zoo.every_type'::regclass AND attname LIKE 't\_\_%' \gexec
RESET ROLE;

-- Which built-in type of this version has no value above?
DO $$
DECLARE
    c record;
    found boolean;
    missing text[];
BEGIN
    FOR c IN SELECT atttypid, attname FROM pg_attribute WHERE attrelid = 'zoo.every_type'::regclass AND attnum > 1 AND attname NOT LIKE 't\_\_%' LOOP
        found := false;
        DECLARE v record;
        BEGIN
            FOR v IN SELECT attrelid::regclass AS t, attname AS n FROM pg_attribute JOIN pg_class r ON r.oid = attrelid
                      WHERE atttypid = c.atttypid AND relkind = 'r' AND relnamespace = 'zoo'::regnamespace AND attrelid <> 'zoo.every_type'::regclass LOOP
                EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NOT NULL)', v.t, v.n) INTO found;
                EXIT WHEN found;
            END LOOP;
        END;
        IF NOT found AND (c.attname <> 't_xml' OR to_regclass('zoo.xmls') IS NOT NULL) THEN missing := missing || c.attname::text; END IF;
    END LOOP;
    IF missing IS NOT NULL THEN RAISE WARNING 'zoo: no value of %', missing; END IF;
END $$;
