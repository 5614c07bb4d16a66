-- What is made once the data is there: keys, indexes, the leaderboard, files, privileges.

SET ROLE courses_owner;
SET maintenance_work_mem = '256MB';

ALTER TABLE courses_homework ADD FOREIGN KEY (course_id) REFERENCES courses_course, ADD UNIQUE (course_id, number);
ALTER TABLE courses_question ADD FOREIGN KEY (homework_id) REFERENCES courses_homework, ADD UNIQUE (homework_id, number);
ALTER TABLE courses_enrollment ADD FOREIGN KEY (course_id) REFERENCES courses_course,
    ADD FOREIGN KEY (student_id) REFERENCES accounts_user, ADD UNIQUE (course_id, student_id);
ALTER TABLE courses_submission ADD FOREIGN KEY (homework_id) REFERENCES courses_homework,
    ADD FOREIGN KEY (enrollment_id) REFERENCES courses_enrollment, ADD UNIQUE (homework_id, enrollment_id);
ALTER TABLE courses_answer ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (submission_id) REFERENCES courses_submission ON DELETE CASCADE,
    ADD FOREIGN KEY (question_id) REFERENCES courses_question;
ALTER TABLE courses_project ADD FOREIGN KEY (course_id) REFERENCES courses_course;
ALTER TABLE courses_projectsubmission ADD FOREIGN KEY (project_id) REFERENCES courses_project,
    ADD FOREIGN KEY (enrollment_id) REFERENCES courses_enrollment, ADD UNIQUE (certificate);
ALTER TABLE courses_peerreview ADD FOREIGN KEY (submission_id) REFERENCES courses_projectsubmission,
    ADD FOREIGN KEY (reviewer_id) REFERENCES accounts_user;

CREATE INDEX courses_answer_submission ON courses_answer (submission_id);
CREATE INDEX courses_answer_wrong ON courses_answer (question_id) WHERE NOT is_correct;
CREATE INDEX courses_submission_late ON courses_submission (homework_id, submitted_at DESC);

-- generate_series wrote these ids, not the columns' own sequences.
SELECT setval(pg_get_serial_sequence('accounts_user', 'id'), 59999),
       setval(pg_get_serial_sequence('courses_course', 'id'), 15);

CREATE MATERIALIZED VIEW courses_leaderboard AS
SELECT course_id, id AS enrollment_id, display_name, total_score,
       rank() OVER (PARTITION BY course_id ORDER BY total_score DESC) AS position
FROM courses_enrollment
WHERE total_score > 0;
CREATE UNIQUE INDEX ON courses_leaderboard (enrollment_id);

CREATE VIEW courses_top100 AS
SELECT c.slug, l.position, l.display_name, l.total_score
FROM courses_leaderboard l JOIN courses_course c ON c.id = l.course_id
WHERE l.position <= 100;

CREATE FUNCTION courses_keep_total() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE courses_enrollment SET total_score = total_score + coalesce(NEW.score, 0) - coalesce(OLD.score, 0)
    WHERE id = NEW.enrollment_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_total AFTER UPDATE OF score ON courses_submission
    FOR EACH ROW EXECUTE FUNCTION courses_keep_total();

-- Two files as large objects: their bytes are covered by no table, and by no role's pg_read_all_data.
SELECT lo_from_bytea(70001, (SELECT string_agg(sha256(n::text::bytea), '') FROM generate_series(1, 40000) n));
SELECT lo_from_bytea(70002, convert_to('<svg xmlns="http://www.w3.org/2000/svg"><text y="1em">🎓</text></svg>', 'UTF8'));
COMMENT ON LARGE OBJECT 70001 IS 'template of the certificate';
GRANT SELECT ON LARGE OBJECT 70001, 70002 TO lifeboat;

GRANT USAGE ON SCHEMA public TO courses_readonly;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO courses_readonly;
ALTER DATABASE courses SET timezone = 'Europe/Berlin';

RESET ROLE;
ANALYZE;
