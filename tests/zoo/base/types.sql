-- Schemas and types: enums, domains, composites, ranges, a base type, collations.

CREATE SCHEMA zoo AUTHORIZATION zoo_owner;
CREATE SCHEMA "Zoo Mixed" AUTHORIZATION zoo_owner;
CREATE SCHEMA "zoo.dot" AUTHORIZATION "zoo_dot.ted";
CREATE SCHEMA "zoo""quote" AUTHORIZATION "zoo_quote""d";
CREATE SCHEMA "zoo 🛟" AUTHORIZATION "zoo_🛟";
CREATE SCHEMA U&"zoo\000A\005C! touch zoo_pwned" AUTHORIZATION zoo_owner;
CREATE SCHEMA zoo_empty AUTHORIZATION zoo_app;
GRANT USAGE, CREATE ON SCHEMA "zoo.dot", "zoo""quote", "zoo 🛟" TO zoo_owner;
-- for the time of loading; zoo_owner's own grants are in privileges.sql
SELECT format('GRANT CREATE ON DATABASE %I TO zoo_owner', current_database()) \gexec

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- enums
CREATE TYPE zoo.mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE zoo.mood ADD VALUE 'meh' BEFORE 'ok';
ALTER TYPE zoo.mood ADD VALUE 'between' BEFORE 'ok';
ALTER TYPE zoo.mood ADD VALUE 'it''s, "quoted" \ {brace} 🛟' AFTER 'happy';
ALTER TYPE zoo.mood ADD VALUE '' AFTER 'sad';
ALTER TYPE zoo.mood ADD VALUE 'NULL';
ALTER TYPE zoo.mood RENAME VALUE 'ok' TO 'okay';
CREATE TYPE zoo.no_label AS ENUM ();
SELECT format('CREATE TYPE "zoo.dot"."E.num" AS ENUM (%L, %L, %L)', repeat('x', 63), repeat('🛟', 15) || 'abc', E'new\nline') \gexec

-- ---------------------------------------------------------------- domains
CREATE DOMAIN zoo.positive AS integer DEFAULT 1 CONSTRAINT positive_check CHECK (VALUE > 0);
CREATE DOMAIN zoo.small_positive AS zoo.positive NOT NULL CONSTRAINT "below ""1000""" CHECK (VALUE < 1000);
CREATE DOMAIN zoo.int_list AS integer[] CHECK (array_length(VALUE, 1) < 5);
CREATE DOMAIN zoo.short_list AS zoo.int_list CHECK (array_length(VALUE, 1) < 4);
CREATE DOMAIN zoo.mood_list AS zoo.mood[] DEFAULT ARRAY['sad', 'okay']::zoo.mood[];
CREATE DOMAIN zoo.email AS varchar(100) COLLATE "C" CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN "Zoo Mixed"."Do""main" AS text DEFAULT E'it''s \\ "x"\n' CHECK (VALUE <> '$(touch zoo_pwned)');
CREATE DOMAIN zoo.later_checked AS integer;   -- gets a NOT VALID constraint that its rows violate

-- ---------------------------------------------------------------- composites
CREATE TYPE zoo.pair AS (a integer, b integer);
CREATE DOMAIN zoo.ordered_pair AS zoo.pair CHECK ((VALUE).a <= (VALUE).b);
CREATE TYPE zoo.address AS (street text, "Zip ""code""" varchar(10) COLLATE "C", mood zoo.mood);
CREATE TYPE zoo.person AS (name text, home zoo.address, others zoo.address[], lucky zoo.short_list, at zoo.ordered_pair);
CREATE TYPE zoo.changed AS (gone integer, kept text, "also gone" zoo.mood, n numeric);
ALTER TYPE zoo.changed DROP ATTRIBUTE gone;
ALTER TYPE zoo.changed DROP ATTRIBUTE "also gone";
ALTER TYPE zoo.changed ADD ATTRIBUTE added date;
ALTER TYPE zoo.changed ALTER ATTRIBUTE n TYPE double precision;
CREATE TYPE zoo.no_attribute AS ();
CREATE TYPE zoo.row_type AS (id integer, name text, mood zoo.mood);

-- ---------------------------------------------------------------- ranges
CREATE TYPE zoo.text_range AS RANGE (subtype = text, collation = "C");
CREATE FUNCTION zoo.time_diff(a time, b time) RETURNS double precision
    LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE AS 'SELECT extract(epoch FROM (a - b))::double precision';
CREATE TYPE zoo.time_range AS RANGE (subtype = time, subtype_diff = zoo.time_diff);
CREATE TYPE zoo.float_range AS RANGE (subtype = double precision, subtype_diff = float8mi);
\if :pg14
CREATE TYPE zoo.mood_range AS RANGE (subtype = zoo.mood, multirange_type_name = zoo."Moods");
\else
CREATE TYPE zoo.mood_range AS RANGE (subtype = zoo.mood);
\endif

-- ---------------------------------------------------------------- collations
CREATE COLLATION zoo."C copy" FROM pg_catalog."C";
CREATE COLLATION "zoo.dot"."Col.""late" (LOCALE = 'C');
\if :icu
CREATE COLLATION zoo.phonebook (PROVIDER = icu, LOCALE = 'de-u-co-phonebk');
CREATE COLLATION zoo.no_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
\if :pg16
CREATE COLLATION zoo.ruled (PROVIDER = icu, LOCALE = 'und', RULES = '&a < g');
\endif
\endif
\if :pg17
CREATE COLLATION zoo.builtin (PROVIDER = builtin, LOCALE = 'C.UTF-8');
\endif

-- ---------------------------------------------------------------- a base type with its operators
RESET ROLE;
GRANT CREATE ON SCHEMA zoo TO zoo_owner;
CREATE TYPE zoo.mint;
CREATE FUNCTION zoo.mint_in(cstring) RETURNS zoo.mint LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int4in';
CREATE FUNCTION zoo.mint_out(zoo.mint) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int4out';
CREATE FUNCTION zoo.mint_recv(internal) RETURNS zoo.mint LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int4recv';
CREATE FUNCTION zoo.mint_send(zoo.mint) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int4send';
CREATE TYPE zoo.mint (INPUT = zoo.mint_in, OUTPUT = zoo.mint_out, RECEIVE = zoo.mint_recv, SEND = zoo.mint_send,
    LIKE = integer, CATEGORY = 'N', DEFAULT = '7', DELIMITER = ';');
CREATE FUNCTION zoo.mint_lt(zoo.mint, zoo.mint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'int4lt';
CREATE FUNCTION zoo.mint_le(zoo.mint, zoo.mint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'int4le';
CREATE FUNCTION zoo.mint_eq(zoo.mint, zoo.mint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'int4eq';
CREATE FUNCTION zoo.mint_ne(zoo.mint, zoo.mint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'int4ne';
CREATE FUNCTION zoo.mint_ge(zoo.mint, zoo.mint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'int4ge';
CREATE FUNCTION zoo.mint_gt(zoo.mint, zoo.mint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'int4gt';
CREATE FUNCTION zoo.mint_cmp(zoo.mint, zoo.mint) RETURNS integer LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'btint4cmp';
CREATE FUNCTION zoo.mint_hash(zoo.mint) RETURNS integer LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'hashint4';
CREATE FUNCTION zoo.mint_hash64(zoo.mint, bigint) RETURNS bigint LANGUAGE internal IMMUTABLE STRICT LEAKPROOF AS 'hashint4extended';
CREATE FUNCTION zoo.mint_neg(zoo.mint) RETURNS zoo.mint LANGUAGE internal IMMUTABLE STRICT AS 'int4um';
CREATE OPERATOR zoo.< (LEFTARG = zoo.mint, RIGHTARG = zoo.mint, FUNCTION = zoo.mint_lt,
    COMMUTATOR = OPERATOR(zoo.>), NEGATOR = OPERATOR(zoo.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR zoo.<= (LEFTARG = zoo.mint, RIGHTARG = zoo.mint, FUNCTION = zoo.mint_le,
    COMMUTATOR = OPERATOR(zoo.>=), NEGATOR = OPERATOR(zoo.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR zoo.= (LEFTARG = zoo.mint, RIGHTARG = zoo.mint, FUNCTION = zoo.mint_eq,
    COMMUTATOR = OPERATOR(zoo.=), NEGATOR = OPERATOR(zoo.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR zoo.<> (LEFTARG = zoo.mint, RIGHTARG = zoo.mint, FUNCTION = zoo.mint_ne,
    COMMUTATOR = OPERATOR(zoo.<>), NEGATOR = OPERATOR(zoo.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR zoo.>= (LEFTARG = zoo.mint, RIGHTARG = zoo.mint, FUNCTION = zoo.mint_ge,
    COMMUTATOR = OPERATOR(zoo.<=), NEGATOR = OPERATOR(zoo.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR zoo.> (LEFTARG = zoo.mint, RIGHTARG = zoo.mint, FUNCTION = zoo.mint_gt,
    COMMUTATOR = OPERATOR(zoo.<), NEGATOR = OPERATOR(zoo.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR zoo.~-~ (RIGHTARG = zoo.mint, FUNCTION = zoo.mint_neg);
CREATE OPERATOR FAMILY zoo.mint_family USING btree;
CREATE OPERATOR CLASS zoo.mint_ops DEFAULT FOR TYPE zoo.mint USING btree FAMILY zoo.mint_family AS
    OPERATOR 1 zoo.<, OPERATOR 2 zoo.<=, OPERATOR 3 zoo.=, OPERATOR 4 zoo.>=, OPERATOR 5 zoo.>,
    FUNCTION 1 zoo.mint_cmp(zoo.mint, zoo.mint);
CREATE OPERATOR CLASS zoo.mint_hash_ops DEFAULT FOR TYPE zoo.mint USING hash AS
    OPERATOR 1 zoo.=, FUNCTION 1 zoo.mint_hash(zoo.mint), FUNCTION 2 zoo.mint_hash64(zoo.mint, bigint);
-- loose members of a family: between two types
CREATE FUNCTION zoo.mint_int_eq(zoo.mint, integer) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION zoo.mint_int_cmp(zoo.mint, integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR zoo.= (LEFTARG = zoo.mint, RIGHTARG = integer, FUNCTION = zoo.mint_int_eq);
ALTER OPERATOR FAMILY zoo.mint_family USING btree ADD
    OPERATOR 3 zoo.= (zoo.mint, integer), FUNCTION 1 (zoo.mint, integer) zoo.mint_int_cmp(zoo.mint, integer);
CREATE OPERATOR FAMILY "Zoo Mixed"."Empty Family" USING gist;
-- a second, not default class for a built-in type, and one with STORAGE
CREATE FUNCTION zoo.int_desc_cmp(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT pg_catalog.btint4cmp(b, a)';
CREATE OPERATOR CLASS zoo.int_desc_ops FOR TYPE integer USING btree AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 zoo.int_desc_cmp(integer, integer);
CREATE OPERATOR CLASS zoo.int_array_gin FOR TYPE integer[] USING gin AS
    OPERATOR 1 &&(anyarray, anyarray), FUNCTION 1 btint4cmp(integer, integer),
    FUNCTION 2 ginarrayextract(anyarray, internal, internal),
    FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal),
    FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal),
    STORAGE integer;

CREATE CAST (zoo.mint AS integer) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (integer AS zoo.mint) WITHOUT FUNCTION;
CREATE CAST (zoo.mint AS text) WITH INOUT AS IMPLICIT;
CREATE TYPE zoo.mint_range AS RANGE (subtype = zoo.mint, subtype_opclass = zoo.mint_ops);
CREATE DOMAIN zoo.mint_domain AS zoo.mint CHECK (VALUE OPERATOR(zoo.<>) '13');
CREATE TYPE zoo.shell_type;

SELECT format('ALTER %s OWNER TO zoo_owner', o)
  FROM unnest(ARRAY['TYPE zoo.mint', 'TYPE zoo.mint_range', 'DOMAIN zoo.mint_domain', 'FUNCTION zoo.mint_neg(zoo.mint)',
    'OPERATOR zoo.~-~ (NONE, zoo.mint)', 'OPERATOR CLASS zoo.mint_ops USING btree',
    'OPERATOR FAMILY zoo.mint_family USING btree', 'OPERATOR FAMILY "Zoo Mixed"."Empty Family" USING gist']) AS o \gexec
