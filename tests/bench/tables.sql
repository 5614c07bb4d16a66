-- Many small tables, with a key and ten rows each: psql -v tables=N -f tables.sql

SET synchronous_commit = off;
SELECT set_config('bench.tables', :'tables', false);

-- Committed in between, or one transaction would hold locks on all of them.
DO $$
BEGIN
    FOR n IN 1..current_setting('bench.tables')::integer LOOP
        EXECUTE format('CREATE TABLE small_%s (id integer PRIMARY KEY, name text NOT NULL, at timestamptz)', n);
        EXECUTE format($row$INSERT INTO small_%s
            SELECT i, md5((%s * 10 + i)::text), timestamptz '2025-01-01' + i * interval '1 hour'
            FROM generate_series(1, 10) i$row$, n, n);
        IF n % 200 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END
$$;
