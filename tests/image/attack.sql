-- Somebody in production gets code into the backup. It runs when the view is filled: not in the source, where the
-- function knows that it is asked over TCP, but in a drill. A row says that it ran, and one each attempt that succeeded.

CREATE FUNCTION public.attack() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    attempt text;
BEGIN
    IF inet_server_addr() IS NOT NULL THEN
        RETURN;
    END IF;
    RETURN NEXT 'ran';
    FOREACH attempt IN ARRAY ARRAY[
        'COPY (SELECT 1) TO PROGRAM ''touch /drill/taken''',
        'COPY (SELECT 1) TO ''/drill/taken''',
        'SELECT pg_read_file(''/run/lifeboat/lifeboat.toml'')',
        'SELECT pg_read_file(''/proc/1/environ'')',
        'SELECT pg_ls_dir(''/drill'')',
        'SELECT lo_import(''/etc/passwd'')',
        'ALTER SYSTEM SET archive_command = ''touch /drill/taken''',
        'CREATE ROLE taken SUPERUSER',
        'CREATE EXTENSION plpython3u',
        'LOAD ''/drill/taken.so'''
    ] LOOP
        BEGIN
            EXECUTE attempt;
            RETURN NEXT attempt;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE MATERIALIZED VIEW public.attacked AS SELECT attack AS attempt FROM public.attack();

ALTER FUNCTION public.attack() OWNER TO courses_owner;
ALTER MATERIALIZED VIEW public.attacked OWNER TO courses_owner;
