-- Functions, procedures, aggregates, operators, casts, text search, a conversion, a language.

SET ROLE zoo_owner;

-- ---------------------------------------------------------------- functions
CREATE FUNCTION zoo.next_code() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN 'code-' || nextval('zoo.code_seq');
END $$;
CREATE FUNCTION zoo.twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1 * 2';
CREATE FUNCTION zoo.is_even(v integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN v % 2 = 0; END $$;
CREATE FUNCTION zoo.fold(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS 'SELECT lower(v)';
CREATE FUNCTION zoo.all_arguments(IN a integer, b text DEFAULT E'it''s \\ "b"', INOUT c zoo.mood DEFAULT 'sad',
                                  OUT d zoo.person, VARIADIC e numeric[] DEFAULT '{}')
    LANGUAGE plpgsql STABLE SECURITY DEFINER COST 17 PARALLEL RESTRICTED
    SET search_path = zoo, "Zoo Mixed", pg_temp SET work_mem = '3MB' SET TimeZone FROM CURRENT
    AS $$ BEGIN d := NULL; END $$;
CREATE FUNCTION zoo.set_of(n integer) RETURNS TABLE (i integer, "Col""umn" text) LANGUAGE sql ROWS 3 CALLED ON NULL INPUT
    AS $$ SELECT g, 'row ' || g FROM generate_series(1, n) g $$;
CREATE FUNCTION zoo.set_of_rows() RETURNS SETOF zoo.row_type LANGUAGE sql AS $$ SELECT 1, 'x', 'sad'::zoo.mood $$;
CREATE FUNCTION zoo.overloaded(integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'integer' $$;
CREATE FUNCTION zoo.overloaded(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'text' $$;
CREATE FUNCTION zoo.any_of(VARIADIC anyarray) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1[1]';
CREATE FUNCTION zoo.any_like(anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, $2)';
CREATE FUNCTION zoo.hostile_body() RETURNS text LANGUAGE plpgsql AS $outer$
BEGIN
    -- \! touch zoo_pwned
/*
\! touch zoo_pwned
\.
*/
    RETURN $_$ $$ $1 :x ;'"\
\restrict x
\unrestrict x
--
-- Name: x; Type: TABLE; Schema: zoo; Owner: -
--
🛟 $_$;
EXCEPTION WHEN OTHERS THEN RETURN 'tab	and CR';
END $outer$;
SELECT format('CREATE FUNCTION zoo.crlf_body() RETURNS integer LANGUAGE sql AS %L', E'SELECT\r\n\t1 -- \\ \r\n') \gexec
\if :pg14
CREATE FUNCTION zoo.atomic(a integer, b integer DEFAULT zoo.twice(21)) RETURNS integer LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT zoo.twice(a) + b;
END;
CREATE FUNCTION zoo.expression_body(a text) RETURNS text LANGUAGE sql IMMUTABLE RETURN upper(a) || E'\\';
\endif

-- ---------------------------------------------------------------- procedures
CREATE PROCEDURE zoo.proc(INOUT a integer DEFAULT 1, b zoo.positive DEFAULT 2) LANGUAGE plpgsql
    AS $$ BEGIN a := a + b; END $$;
\if :pg14
CREATE PROCEDURE zoo.proc_out(a integer, OUT b integer) LANGUAGE sql BEGIN ATOMIC SELECT a + 1; END;
\endif
CREATE PROCEDURE "Zoo Mixed"."Pro""c"() LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1';

-- ---------------------------------------------------------------- aggregates
CREATE AGGREGATE zoo.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', COMBINEFUNC = int4pl,
    MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0', PARALLEL = SAFE);
CREATE AGGREGATE zoo.total_of(VARIADIC numeric[]) (SFUNC = array_cat, STYPE = numeric[], INITCOND = '{}');
CREATE FUNCTION zoo.keep_last(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $2';
CREATE AGGREGATE zoo.last_one(anyelement) (SFUNC = zoo.keep_last, STYPE = anyelement, FINALFUNC_MODIFY = READ_ONLY);
CREATE AGGREGATE zoo.biggest(integer) (SFUNC = int4larger, STYPE = integer, SORTOP = >);
CREATE AGGREGATE zoo.row_count(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
RESET ROLE;
CREATE AGGREGATE zoo.my_percentile(double precision ORDER BY double precision) (SFUNC = ordered_set_transition,
    STYPE = internal, FINALFUNC = percentile_cont_float8_final, FINALFUNC_EXTRA = false);
CREATE AGGREGATE zoo.my_rank(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi,
    STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
ALTER FUNCTION zoo.fold(text) LEAKPROOF;
ALTER FUNCTION zoo.all_arguments SET zoo.flag TO 'it''s "a" \ flag';  -- only a superuser may
CREATE FUNCTION zoo.my_row_number() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';

-- ---------------------------------------------------------------- operators and casts without a base type
SET ROLE zoo_owner;
CREATE FUNCTION zoo.pair_plus(zoo.pair, zoo.pair) RETURNS zoo.pair LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT ROW(($1).a + ($2).a, ($1).b + ($2).b)::zoo.pair';
CREATE OPERATOR zoo.+ (LEFTARG = zoo.pair, RIGHTARG = zoo.pair, FUNCTION = zoo.pair_plus, COMMUTATOR = OPERATOR(zoo.+));
CREATE FUNCTION zoo.pair_text(zoo.pair) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ($1).a || '/' || ($1).b $$;
CREATE CAST (zoo.pair AS text) WITH FUNCTION zoo.pair_text(zoo.pair) AS ASSIGNMENT;
CREATE FUNCTION zoo.mood_number(zoo.mood) RETURNS integer LANGUAGE sql STABLE STRICT
    AS $$ SELECT array_position(enum_range(NULL::zoo.mood), $1) $$;
CREATE CAST (zoo.mood AS integer) WITH FUNCTION zoo.mood_number(zoo.mood) AS ASSIGNMENT;
CREATE CAST (zoo.pair AS zoo.address) WITH INOUT;

-- ---------------------------------------------------------------- text search
CREATE TEXT SEARCH DICTIONARY zoo.plain (TEMPLATE = pg_catalog.simple, STOPWORDS = english, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY zoo."Dict""ionary" (TEMPLATE = snowball, LANGUAGE = german, STOPWORDS = german);
CREATE TEXT SEARCH CONFIGURATION zoo.words (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION zoo.words ALTER MAPPING FOR asciiword, word WITH zoo.plain, zoo."Dict""ionary";
ALTER TEXT SEARCH CONFIGURATION zoo.words DROP MAPPING FOR url;
RESET ROLE;
CREATE TEXT SEARCH PARSER zoo.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
    HEADLINE = prsd_headline, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE zoo.template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY zoo.of_template (TEMPLATE = zoo.template);
CREATE TEXT SEARCH CONFIGURATION zoo.of_parser (PARSER = zoo.parser);
ALTER TEXT SEARCH CONFIGURATION zoo.of_parser ADD MAPPING FOR asciiword WITH zoo.of_template;
ALTER TEXT SEARCH CONFIGURATION zoo.of_parser OWNER TO zoo_owner;

-- ---------------------------------------------------------------- conversion, transform, language, access method
CREATE CONVERSION zoo.from_latin1 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
ALTER CONVERSION zoo.from_latin1 OWNER TO zoo_owner;
CREATE TRANSFORM FOR zoo.mint LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION zoo.mint_recv(internal));
CREATE FUNCTION zoo.lang_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE TRUSTED LANGUAGE zoo_lang HANDLER zoo.lang_handler;
ALTER LANGUAGE zoo_lang OWNER TO zoo_owner;
CREATE FUNCTION zoo.in_own_language() RETURNS integer LANGUAGE zoo_lang AS $$ BEGIN RETURN 1; END $$;
CREATE ACCESS METHOD zoo_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD zoo_btree TYPE INDEX HANDLER bthandler;
CREATE OPERATOR CLASS zoo.int_zoo_btree DEFAULT FOR TYPE integer USING zoo_btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
