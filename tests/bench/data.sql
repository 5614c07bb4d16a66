-- What is measured: the tables of a course platform, the same bytes at every run.
--
--   psql -v answers=N -v events=N -v blobs=N -f data.sql
--
-- Full size is answers=1943200 events=6000000 blobs=950.

SET timezone = 'UTC';
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';
SET max_parallel_maintenance_workers = 1;

-- 64 bits that look random and depend on nothing but the arguments, and a number below a limit made of them.
CREATE FUNCTION pg_temp.bits(n bigint, salt bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS 'SELECT hashint8extended(n, salt)';
CREATE FUNCTION pg_temp.dice(n bigint, salt bigint, below integer) RETURNS integer LANGUAGE sql IMMUTABLE
    AS 'SELECT ((hashint8extended(n, salt) & 2147483647) % below)::integer';

CREATE TABLE courses_answer (
    id            bigint NOT NULL,
    submission_id integer NOT NULL,
    question_id   integer NOT NULL,
    answered_at   timestamptz NOT NULL,
    is_correct    boolean,
    answer_text   text
);

INSERT INTO courses_answer
SELECT n,
       1 + (n - 1) / 7,
       1 + pg_temp.dice((n - 1) / 7, 1, 120) * 7 + (n - 1) % 7,
       timestamptz '2023-09-11' + (n / 7) * interval '4 minutes'
           + pg_temp.dice(n, 2, 900000000) * interval '1 microsecond',
       CASE WHEN pg_temp.dice(n, 3, 20) > 0 THEN pg_temp.dice(n, 4, 100) < 70 END,
       CASE WHEN n % 7 = 0
            THEN format('git.example/%s/homework/tree/main/week%s/notebook.ipynb, commit %s',
                        to_hex(pg_temp.bits(n, 5) & 268435455), 1 + n % 9, to_hex(pg_temp.bits(n, 6)))
            ELSE (ARRAY['the first option', 'the second option', 'the third option',
                        'the second one and the last', 'none of the above, see the comment below',
                        'It scans the whole table before it filters'])[1 + pg_temp.dice(n, 7, 6)]
       END
FROM generate_series(1, :answers::bigint) n;

CREATE TABLE events (
    id      bigint NOT NULL,
    at      timestamptz NOT NULL,
    user_id integer NOT NULL,
    kind    text NOT NULL,
    payload jsonb NOT NULL
);

INSERT INTO events
SELECT n,
       timestamptz '2025-01-01' + n * interval '5 seconds' + pg_temp.dice(n, 11, 4000000) * interval '1 microsecond',
       1 + pg_temp.dice(n / 12, 12, 60000),
       (ARRAY['page_view', 'page_view', 'page_view', 'video_progress', 'video_progress', 'answer_saved',
              'homework_opened', 'login'])[1 + pg_temp.dice(n, 13, 8)],
       jsonb_build_object(
           'url', format('/course/%s/lessons/%s?t=%s',
                         (ARRAY['ml-3', 'de-2', 'mlops-1', 'llm-2', 'sql-4'])[1 + pg_temp.dice(n / 12, 14, 5)],
                         1 + pg_temp.dice(n, 15, 80), pg_temp.dice(n, 19, 3600)),
           'ms', pg_temp.dice(n, 16, 30000),
           'session', to_hex(pg_temp.bits(n / 12, 17)),
           'trace', to_hex(pg_temp.bits(n, 18)))
FROM generate_series(1, :events::bigint) n;

CREATE TABLE blobs (
    id    integer NOT NULL,
    name  text NOT NULL,
    bytes bytea NOT NULL
);

-- Nothing compresses hashes; 3,125 of 32 bytes are 100,000.
INSERT INTO blobs
SELECT n, format('upload-%s.bin', n),
       (SELECT string_agg(sha256(int8send(n * 10000 + i)), '' ORDER BY i) FROM generate_series(1, 3125) i)
FROM generate_series(1, :blobs::bigint) n;

ALTER TABLE courses_answer ADD PRIMARY KEY (id);
CREATE INDEX courses_answer_submission ON courses_answer (submission_id);
CREATE INDEX courses_answer_question ON courses_answer (question_id, is_correct);
ALTER TABLE events ADD PRIMARY KEY (id);
CREATE INDEX events_user ON events (user_id, at);
CREATE INDEX events_kind ON events (kind, at);
ALTER TABLE blobs ADD PRIMARY KEY (id);
