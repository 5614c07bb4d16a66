-- As the administrator of the server: who owns the platform's data, and who exports it.

CREATE ROLE courses_owner LOGIN;
CREATE ROLE courses_readonly NOLOGIN;

-- All that lifeboat needs in the source.
CREATE ROLE lifeboat LOGIN;
GRANT pg_read_all_data TO lifeboat;

CREATE DATABASE courses OWNER courses_owner;
