-- A WIN1252 database. Its bytes 81, 8D, 8F, 90 and 9D have no equivalent in UTF8: no session with
-- client_encoding UTF8 can read them. Into
--     CREATE DATABASE x TEMPLATE template0 ENCODING 'WIN1252' LC_COLLATE 'C' LC_CTYPE 'C';
--     psql -X -v ON_ERROR_STOP=1 -f win1252.sql URL

\set bytes_encoding WIN1252
\ir base/bytes.sql
