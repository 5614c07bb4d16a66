-- Rows that break a foreign key, a check and a domain.
CREATE FUNCTION app.may(n int) RETURNS boolean LANGUAGE sql AS $$ SELECT n > 0 $$;
CREATE TABLE app.broken (id int, keyed int REFERENCES app.keyed, CONSTRAINT may CHECK (app.may(id)));
COMMENT ON CONSTRAINT may ON app.broken IS 'it may';
CREATE DOMAIN app.small AS int CONSTRAINT is_small CHECK (app.may(value));
CREATE TABLE app.of_domain (small app.small);
INSERT INTO app.of_domain VALUES (1), (5);
INSERT INTO app.broken VALUES (1, 1);
SET session_replication_role = replica;
INSERT INTO app.broken VALUES (2, 1000);
RESET session_replication_role;
CREATE OR REPLACE FUNCTION app.may(n int) RETURNS boolean LANGUAGE sql AS $$ SELECT n > 3 $$;
