-- Two and a half years of it, the same at every run: 277,600 submissions with seven answers each are
-- 1,943,200 rows in courses_answer.

SET ROLE courses_owner;
SET synchronous_commit = off;
SET timezone = 'UTC';
SET work_mem = '256MB';

-- A number from 0 to 999,999 that looks random and depends on nothing but its arguments.
CREATE FUNCTION pg_temp.dice(seed integer, salt integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT ((hashint4extended(seed, salt) & 2147483647) % 1000000)::integer';

INSERT INTO accounts_user (id, username, date_joined, time_zone)
SELECT n,
       'user' || to_char(n, 'FM00000') || '@courses.example',
       timestamptz '2023-09-01' + n * interval '22 minutes',
       (ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Africa/Lagos'])[1 + pg_temp.dice(n, 1) % 5]
FROM generate_series(1, 59999) n;

INSERT INTO courses_course (id, slug, title, description, starts_on, finished)
SELECT n,
       format('%s-%s', subject, cohort),
       format('Introduction to %s, cohort %s', upper(subject), cohort),
       format('Nine weeks of %s, in public, for free. Questions? → ask in the chat 🎓', subject),
       starts_on,
       starts_on < date '2025-11-01'
FROM generate_series(1, 15) n
CROSS JOIN LATERAL (SELECT (ARRAY['ml', 'de', 'mlops', 'llm', 'sql'])[1 + (n - 1) % 5] AS subject,
                           1 + (n - 1) / 5 AS cohort,
                           date '2023-09-11' + (n - 1) * 60 AS starts_on) c;

INSERT INTO courses_homework (course_id, number, title, due_date, state)
SELECT c.id,
       week,
       format('Homework %s', week),
       c.starts_on + week * interval '7 days' + interval '23 hours',
       CASE WHEN c.starts_on + week * 7 < date '2026-02-16' THEN 'scored'
            WHEN c.starts_on + week * 7 < date '2026-03-01' THEN 'open'
            ELSE 'closed' END::homework_state
FROM courses_course c, generate_series(1, 8) week
ORDER BY c.id, week;

INSERT INTO courses_question (homework_id, number, text, type, possible_answers, correct_answer, score)
SELECT h.id,
       n,
       format(E'Question %s. What does the pipeline print\nfor the data of week %s?', n, h.number),
       t.type,
       CASE WHEN t.type IN ('multiple choice', 'checkboxes') THEN ARRAY['4', '8', '15', E'it "depends"\\'] END,
       CASE t.type WHEN 'free form' THEN pg_temp.dice(h.id, n)::text
                   WHEN 'free form long' THEN NULL
                   ELSE (1 + pg_temp.dice(h.id, n) % 4)::text END,
       CASE WHEN n = 7 THEN 2 ELSE 1 END
FROM courses_homework h,
     generate_series(1, 7) n,
     LATERAL (SELECT (ARRAY['multiple choice', 'multiple choice', 'multiple choice', 'multiple choice',
                            'checkboxes', 'free form', 'free form long'])[n]::question_type AS type) t
ORDER BY h.id, n;

-- Every week some fifth of those who began a course gives up. Rounding the running total, not each
-- homework, makes the sum exact.
CREATE TEMPORARY TABLE turnout AS
SELECT id AS homework_id, course_id, number, due_date,
       round(277600 * upto / sum)::integer - round(277600 * (upto - weight) / sum)::integer AS submissions
FROM (
    SELECT *, sum(weight) OVER (ORDER BY id) AS upto, sum(weight) OVER () AS sum
    FROM (
        SELECT *, (40 + pg_temp.dice(course_id, 2) % 60) * pow(0.82::numeric, number - 1) AS weight
        FROM courses_homework
    ) weighted
) summed;

INSERT INTO courses_enrollment (course_id, student_id, display_name, enrolled_at)
SELECT t.course_id,
       1 + (n::bigint * 7919 + t.course_id * 104729) % 59999,
       format('%s %s %s',
              (ARRAY['Quiet', 'Brave', 'Curious', 'Gentle', 'Früh', 'Rapid', 'Wild', '静かな'])[1 + pg_temp.dice(n, 3) % 8],
              (ARRAY['Otter', 'Heron', 'Walnut', 'Comet', 'Río', 'Badger', 'Sommer'])[1 + pg_temp.dice(n, 4) % 7],
              n),
       t.due_date - interval '20 days' + pg_temp.dice(n, 5) * interval '1 second'
FROM turnout t, generate_series(1, (t.submissions * 1.4)::integer) n
WHERE t.number = 1
ORDER BY t.course_id, n;

-- The first of a course's enrollments are those who stay.
CREATE TEMPORARY TABLE filed AS
SELECT row_number() OVER (ORDER BY t.homework_id, e.id)::integer AS id,
       t.homework_id, t.number, t.due_date, e.id AS enrollment_id, e.student_id
FROM turnout t
JOIN (
    SELECT *, row_number() OVER (PARTITION BY course_id ORDER BY id) AS place FROM courses_enrollment
) e ON e.course_id = t.course_id AND e.place <= t.submissions;

INSERT INTO courses_answer (submission_id, question_id, answer_text, is_correct)
SELECT f.id,
       q.id,
       CASE WHEN q.type = 'free form long'
            THEN format(E'docker run -it -v "$PWD":/data python:3.%s\nwc -l /data/%s.csv', 9 + roll % 5, roll)
            WHEN right_answer THEN q.correct_answer
            WHEN roll % 50 = 0 THEN NULL
            WHEN q.type = 'free form' THEN roll::text
            ELSE (1 + (q.correct_answer::integer + roll % 3) % 4)::text END,
       CASE WHEN h.state = 'scored' AND q.type <> 'free form long' THEN right_answer END
FROM filed f
JOIN courses_homework h ON h.id = f.homework_id
JOIN courses_question q ON q.homework_id = h.id
CROSS JOIN LATERAL (SELECT pg_temp.dice(f.id, q.number) AS roll) r
CROSS JOIN LATERAL (SELECT roll / 10000 < 92 - 4 * q.number AS right_answer) a
ORDER BY f.id, q.number;

INSERT INTO courses_submission
    (homework_id, enrollment_id, homework_link, public_links, hours_lectures, hours_homework, comment, submitted_at,
     score)
SELECT f.homework_id,
       f.enrollment_id,
       format('https://git.example/%s/homework/tree/main/%s', left(md5(f.student_id::text), 10), f.number),
       CASE WHEN pg_temp.dice(f.id, 30) % 10 = 0
            THEN jsonb_build_array(format('https://social.example/%s', md5(f.id::text)))
            ELSE '[]' END,
       CASE WHEN pg_temp.dice(f.id, 31) % 3 > 0 THEN (pg_temp.dice(f.id, 32) % 120) / 10.0 END,
       CASE WHEN pg_temp.dice(f.id, 31) % 3 > 0 THEN (pg_temp.dice(f.id, 33) % 200) / 10.0 END,
       CASE pg_temp.dice(f.id, 34) % 40
            WHEN 0 THEN 'Could not install it on Windows, used a container instead.'
            WHEN 1 THEN E'Thanks!\n\tSecond question is ambiguous: \\N or empty?'
            WHEN 2 THEN '' END,
       f.due_date - sqrt(pg_temp.dice(f.id, 35) / 1e6) * interval '6 days',
       a.score
FROM filed f
JOIN (
    SELECT submission_id, count(*) FILTER (WHERE is_correct) AS score FROM courses_answer GROUP BY submission_id
) a ON a.submission_id = f.id
ORDER BY f.id;

UPDATE courses_enrollment e SET total_score = s.score
FROM (SELECT enrollment_id, sum(score) AS score FROM courses_submission GROUP BY enrollment_id) s
WHERE s.enrollment_id = e.id;

INSERT INTO courses_project (course_id, title, due_date)
SELECT id, p.title, starts_on + weeks * interval '7 days'
FROM courses_course, (VALUES ('Midterm project', 9), ('Final project', 14)) AS p (title, weeks)
WHERE finished
ORDER BY id, weeks;

INSERT INTO courses_projectsubmission
    (project_id, enrollment_id, github_link, commit_hash, submitted_at, passed, certificate)
SELECT p.id,
       e.id,
       format('https://git.example/%s/project', left(md5(e.student_id::text), 10)),
       decode(left(md5(e.id || '/' || p.id) || md5(p.id || '/' || e.id), 40), 'hex'),
       p.due_date - pg_temp.dice(e.id, 50) * interval '1 second',
       passed,
       CASE WHEN passed THEN nextval('certificate_number') END
FROM courses_project p
JOIN courses_enrollment e ON e.course_id = p.course_id AND e.total_score >= 25
CROSS JOIN LATERAL (SELECT pg_temp.dice(e.id, p.id) % 10 > 1 AS passed) r
ORDER BY p.id, e.id;

INSERT INTO courses_peerreview (submission_id, reviewer_id, points, note)
SELECT s.id,
       1 + pg_temp.dice(s.id, n) % 59999,
       8 + pg_temp.dice(s.id, 60 + n) % 21,
       CASE pg_temp.dice(s.id, 70 + n) % 4 WHEN 0 THEN 'Reproducible, clear README.' WHEN 1 THEN 'No tests 😕' END
FROM courses_projectsubmission s, generate_series(1, 3) n
ORDER BY s.id, n;
