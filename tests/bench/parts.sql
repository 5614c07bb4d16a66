-- One table without keys: its rows may come back any number of times. See parts.py.

CREATE TABLE answer (id integer, answer_text text);
INSERT INTO answer SELECT n, md5(n::text) FROM generate_series(1, 20) n;
