-- A SQL_ASCII database: bytes that belong to no encoding, in rows, names, definitions and comments, so that
-- not even the catalog is valid UTF8. Has no public schema either. Into
--     CREATE DATABASE x TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
--     psql -X -v ON_ERROR_STOP=1 -f sqlascii.sql URL

\set bytes_encoding SQL_ASCII
\ir base/bytes.sql

-- valid UTF8, cut UTF8, LATIN1, EUC_JP in one column
INSERT INTO zoo.bytes VALUES (1000, E'\xc3\xa9'), (1001, E'\xc3'), (1002, E'\xe9t\xe9'), (1003, E'\xa4\xa2'), (1004, E'\xf0\x9f\x9b\x9f'), (1005, E'\xff\xfe'), (1006, E'\xed\xa0\x80'), (1007, E'\xc0\x80');
DROP SCHEMA public;
