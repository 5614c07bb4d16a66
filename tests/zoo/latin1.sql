-- A LATIN1 database: names, values, definitions and comments with bytes above 127. Into
--     CREATE DATABASE x TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
--     psql -X -v ON_ERROR_STOP=1 -f latin1.sql URL

\set bytes_encoding LATIN1
\ir base/bytes.sql
