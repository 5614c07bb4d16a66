use super::*;
use crate::model::definitions::Definition;

const KINDS: [&str; 24] = [
    "schema",
    "table",
    "column",
    "not null",
    "key",
    "index",
    "policy",
    "row security",
    "options",
    "view",
    "function",
    "sequence",
    "publication",
    "event trigger",
    "object",
    "owner",
    "privileges",
    "privileges of the system",
    "default privileges",
    "comment",
    "role",
    "membership",
    "privileges on a parameter",
    "user mapping",
];

/// One entry a line: `kind|name|name|…=text`.
fn definitions(lines: &[&str]) -> Vec<Definitions> {
    let mut all: Vec<Definitions> = Vec::new();
    for kind in KINDS {
        let begun = format!("{kind}|");
        let list = lines.iter().filter_map(|line| {
            let (name, text) = line.strip_prefix(&begun)?.split_once('=')?;
            let name = name.split('|').map(str::to_owned).collect();
            let text = text.to_owned();
            Some(Definition { name, text })
        });
        all.push(Definitions {
            kind: kind.to_owned(),
            list: list.collect(),
        });
    }
    all
}

fn same_major() -> Circumstances {
    Circumstances {
        same_major: true,
        membership_options: true,
        owners: true,
        privileges: true,
        default_privileges: true,
        whole: true,
        ..Circumstances::default()
    }
}

fn differences(
    then: &[&str],
    now: &[&str],
    known: &Known,
    circumstances: &Circumstances,
) -> Differences {
    let (then, now) = (definitions(then), definitions(now));
    let (then, now): (Vec<_>, Vec<_>) = (then.iter().collect(), now.iter().collect());
    compare(&then, &now, known, circumstances)
}

fn names(list: &[Finding]) -> Vec<&str> {
    list.iter().map(|one| one.what.as_str()).collect()
}

const ALL: [&str; 8] = [
    "schema|s=",
    "table|s|t=",
    "column|s|t|a=integer NOT NULL",
    "key|s|t|fk=FOREIGN KEY (a) REFERENCES s.u(a)",
    "policy|s|t|p=PERMISSIVE FOR ALL TO PUBLIC USING (a > 0)",
    "view|s|v=SELECT 1",
    "privileges|table|s|t=OWNER SELECT",
    "function|s|f(integer)=CREATE FUNCTION",
];

fn without(start: &str) -> Vec<&'static str> {
    let all = ALL.into_iter();
    all.filter(|line| !line.starts_with(start)).collect()
}

#[test]
fn what_holds_data_together_fails_and_the_rest_is_told() {
    let none = Known::default();
    let of = |now: &[&str]| differences(&ALL, now, &none, &same_major());
    assert_eq!(of(&ALL), Differences::default());
    let lost = of(&without("policy"));
    assert_eq!(names(&lost.failures), ["policy p of s.t"]);
    let why = &lost.failures[0].why;
    assert!(
        why.ends_with("exported: PERMISSIVE FOR ALL TO PUBLIC USING (a > 0)"),
        "{why}"
    );
    let mut now = ALL;
    now[2] = "column|s|t|a=integer";
    let changed = of(&now);
    assert_eq!(names(&changed.failures), ["column a of s.t"]);
    let why = "exported: integer NOT NULL; there is: integer";
    assert_eq!(changed.failures[0].why, why);
    let view = of(&without("view"));
    assert_eq!(
        (names(&view.findings), view.failures.len()),
        (vec!["view s.v"], 0)
    );
    let mut more = ALL.to_vec();
    more.push("view|s|w=SELECT 2");
    assert_eq!(names(&of(&more).findings), ["view s.w"]);
}

#[test]
fn who_has_more_than_before_is_a_failure_and_less_a_finding() {
    let none = Known::default();
    let of = |text: &'static str| {
        let mut now = ALL;
        now[6] = text;
        differences(&ALL, &now, &none, &same_major())
    };
    let wider = of("privileges|table|s|t=OWNER SELECT\nPUBLIC SELECT");
    assert_eq!(names(&wider.failures), ["privileges of table s.t"]);
    assert!(wider.failures[0].why.contains("PUBLIC SELECT"), "{wider:?}");
    let others = of("privileges|table|s|t=app SELECT");
    assert_eq!(others.failures.len(), 1);
    let less = of("privileges|table|s|t=");
    assert_eq!((less.failures.len(), less.findings.len()), (0, 1));
}

#[test]
fn what_is_told_already_is_not_told_again() {
    let mut known = Known::default();
    known.add_failure("POLICY s t p own");
    known.add_finding("FUNCTION s f(integer) own");
    let now: Vec<&str> = [&without("policy")[..], &[]].concat();
    let now: Vec<&str> = now
        .into_iter()
        .filter(|line| !line.starts_with("function"))
        .collect();
    let all = differences(&ALL, &now, &known, &same_major());
    assert_eq!(all, Differences::default());
    // A finding does not hide a failure.
    let mut known = Known::default();
    known.add_finding("POLICY s t p own");
    let all = differences(&ALL, &without("policy"), &known, &same_major());
    assert_eq!(names(&all.failures), ["policy p of s.t"]);
}

#[test]
fn what_of_the_instance_was_refused_or_not_tried_is_not_told_again() {
    let then = [
        "membership|r|m=SET",
        "privileges on a parameter|app.level=OWNER SET\nr SET",
    ];
    let with = |findings: &[&str]| {
        let mut known = Known::default();
        for finding in findings {
            known.add_finding(finding);
        }
        names(&differences(&then, &[], &known, &same_major()).findings).len()
    };
    assert_eq!(with(&[]), 2);
    assert_eq!(with(&["MEMBERSHIP m in r"]), 1);
    assert_eq!(with(&["PARAMETER PRIVILEGE SET on app.level for r"]), 1);
    assert_eq!(
        with(&["privilege SET on parameter \"app.level\" for role \"r\""]),
        1
    );
    assert_eq!(
        with(&["privilege SET on parameter \"app\" for role \"r\""]),
        2
    );
}

#[test]
fn what_hangs_on_something_missing_is_not_told() {
    let now = [
        "schema|s=",
        "view|s|v=SELECT 1",
        "function|s|f(integer)=CREATE FUNCTION",
    ];
    let all = differences(&ALL, &now, &Known::default(), &same_major());
    assert_eq!(names(&all.failures), ["table s.t"]);
    assert_eq!(all.findings, []);
}

#[test]
fn what_was_left_out_on_request_is_not_missed() {
    let some = Circumstances {
        whole: false,
        privileges: false,
        ..same_major()
    };
    let mut now = without("key");
    now.retain(|line| !line.starts_with("privileges"));
    let none = Known::default();
    assert_eq!(
        differences(&ALL, &now, &none, &some),
        Differences::default()
    );
}

#[test]
fn across_majors_texts_of_a_version_are_not_compared() {
    let mut now = ALL;
    now[5] = "view|s|v=SELECT 1 AS one";
    now[2] = "column|s|t|a=integer";
    let other = Circumstances {
        same_major: false,
        ..same_major()
    };
    let all = differences(&ALL, &now, &Known::default(), &other);
    assert_eq!(names(&all.failures), ["column a of s.t"]);
    assert_eq!(all.findings, []);
    assert_eq!(all.not_compared.len(), 1, "{all:?}");
    assert!(
        all.not_compared[0].starts_with("1 of kind view: "),
        "{all:?}"
    );
}

#[test]
fn a_forged_catalog_is_no_panic() {
    let mut forged = definitions(&[]);
    for of_kind in &mut forged {
        of_kind.list.push(Definition {
            name: Vec::new(),
            text: "x".to_owned(),
        });
    }
    let forged: Vec<_> = forged.iter().collect();
    let now = definitions(&ALL);
    let now: Vec<_> = now.iter().collect();
    for powerless in [false, true] {
        let circumstances = Circumstances {
            powerless,
            ..same_major()
        };
        compare(&forged, &now, &Known::default(), &circumstances);
    }
}

fn of(then: &[&str], now: &[&str]) -> Differences {
    differences(then, now, &Known::default(), &same_major())
}

fn other_major() -> Circumstances {
    Circumstances {
        same_major: false,
        ..same_major()
    }
}

#[test]
fn what_is_lost_hides_nothing_that_is_only_called_like_it() {
    let app = ["schema|app=", "table|app|t=", "function|app|f(text)=x"];
    let hidden = [
        "policy|app|t|p=RESTRICTIVE FOR ALL TO PUBLIC USING (false)",
        "publication|app={}",
        "object|server|app=",
        "function|public|f(internal)=x",
        "membership|app|other=ADMIN",
        "comment|table|app.t=words",
    ];
    let then = [
        &app[..],
        &hidden,
        &[
            "privileges|table|app|t=",
            "privileges|function|public|f(text)=",
        ],
    ];
    let now = [
        &app[..],
        &[
            "privileges|table|app|t=PUBLIC DELETE",
            "privileges|function|public|f(text)=PUBLIC EXECUTE",
        ],
    ];
    let all = of(&then.concat(), &now.concat());
    let failures = [
        "policy p of app.t",
        "privileges of function public.f(text)",
        "privileges of table app.t",
    ];
    assert_eq!(names(&all.failures), failures);
    let findings = [
        "function public.f(internal)",
        "publication app",
        "server app",
        "comment on table app.t",
        "membership of \"other\" in \"app\"",
    ];
    assert_eq!(names(&all.findings), findings);
}

#[test]
fn what_hangs_on_something_lost_is_told_by_it_alone() {
    let then = [
        "schema|gone=",
        "table|gone|t=",
        "table|s|t=",
        "not null|s|t|a=CONSTRAINT n NOT NULL a",
        "publication|p={}",
        "object|server|far=",
        "user mapping|far|app=",
        "owner|table|s|t=own",
        "privileges|table|s|t=OWNER SELECT",
        "privileges|column|s|t|a=app SELECT",
        "comment|table column|s.t.a=words",
        "comment|server|far=words",
        "comment|publication|p=words",
        "comment|schema|gone=words",
        "object|cast|(s.t AS text)=",
    ];
    let all = of(&then, &[]);
    assert_eq!(names(&all.failures), ["table s.t"]);
    let findings = ["schema gone", "publication p", "server far"];
    assert_eq!(names(&all.findings), findings);
}

#[test]
fn what_opens_something_by_a_new_entry_is_a_failure() {
    let then = ["table|s|t=", "role|app=LOGIN", "role|old=LOGIN"];
    let more = [
        "policy|s|t|open=PERMISSIVE FOR ALL TO PUBLIC USING (true)",
        "policy|s|t|shut=RESTRICTIVE FOR ALL TO PUBLIC USING (false)",
        "privileges|column|s|t|ssn=PUBLIC SELECT",
        "privileges|column|other|t|a=PUBLIC SELECT",
        "privileges|table|other|t=PUBLIC SELECT",
        "membership|app|other=",
        "membership|old|other=",
        "privileges on a parameter|work_mem=app SET",
        "privileges on a parameter|log_statement=old SET",
    ];
    let circumstances = Circumstances {
        created_roles: ["app".to_owned()].into(),
        ..same_major()
    };
    let now = [&then[..], &more].concat();
    let all = differences(&then, &now, &Known::default(), &circumstances);
    let failures = [
        "policy open of s.t",
        "privileges of column ssn of s.t",
        "membership of \"other\" in \"app\"",
        "privileges on a parameter work_mem",
    ];
    assert_eq!(names(&all.failures), failures);
    let why =
        "more is granted than before: PUBLIC SELECT; exported: nothing; there is: PUBLIC SELECT";
    assert_eq!(all.failures[1].why, why);
    assert_eq!(names(&all.findings), ["policy shut of s.t"]);
}

#[test]
fn a_finding_in_the_same_words_hides_no_failure() {
    let then = [
        "table|public|p=PARTITION BY LIST (a)",
        "privileges|schema|public=PUBLIC USAGE",
        "key|public|p|fk=FOREIGN KEY (a) REFERENCES public.u(a)",
    ];
    let now = [
        "table|public|p=UNLOGGED",
        "privileges|schema|public=PUBLIC CREATE, USAGE",
    ];
    let mut known = Known::default();
    known.add_finding("privileges of the schema public");
    known.add_finding("table public.p");
    // A person took it off after a restore had told that rows break it.
    known.add_finding("foreign key fk of public.p");
    let all = differences(&then, &now, &known, &same_major());
    let failures = ["table public.p", "privileges of schema public"];
    assert_eq!(names(&all.failures), failures);
    let all = differences(
        &then,
        &["table|public|p=PARTITION BY LIST (a)"],
        &known,
        &same_major(),
    );
    assert_eq!(all, Differences::default());
}

#[test]
fn of_the_systems_privileges_only_a_change_in_one_version_is_sure() {
    let then = ["privileges of the system|function|pg_catalog.f()=OWNER EXECUTE"];
    let now = [
        "privileges of the system|function|pg_catalog.f()=PUBLIC EXECUTE",
        "privileges of the system|function|pg_catalog.g()=PUBLIC EXECUTE",
    ];
    let all = of(&then, &now);
    assert_eq!(
        names(&all.failures),
        ["privileges of function pg_catalog.f()"]
    );
    assert_eq!(
        names(&all.findings),
        ["privileges of function pg_catalog.g()"]
    );
    let all = differences(&then, &now, &Known::default(), &other_major());
    assert_eq!((all.failures.len(), all.findings.len()), (0, 2));
}

#[test]
fn across_majors_power_and_uniqueness_are_compared() {
    let then = [
        "role|app=LOGIN",
        "membership|a|app=",
        "membership|b|app=ADMIN",
        "index|s|t|i=UNIQUE USING btree (a)",
        "index|s|t|j=USING btree ((a + 1))",
    ];
    let now = [
        "role|app=SUPERUSER LOGIN",
        "membership|a|app=ADMIN INHERIT SET",
        "membership|b|app=ADMIN INHERIT SET",
        "index|s|t|i=USING btree (a)",
        "index|s|t|j=USING btree (((a + 1)))",
    ];
    let older = Circumstances {
        membership_options: false,
        ..other_major()
    };
    let all = differences(&then, &now, &Known::default(), &older);
    assert_eq!(names(&all.failures), ["unique index i of s.t"]);
    let findings = ["role \"app\"", "membership of \"app\" in \"a\""];
    assert_eq!(names(&all.findings), findings);
    assert_eq!(all.not_compared.len(), 1, "{all:?}");
    let all = differences(&then, &now, &Known::default(), &other_major());
    assert_eq!(all.findings.len(), 3, "from 16 on all options are compared");
}

#[test]
fn what_keeps_rows_out_or_binds_them_less_is_a_failure() {
    let then = [
        "options|s|v=check_option=local",
        "options|s|t=fillfactor=70",
        "not null|s|t|a=CONSTRAINT n NOT NULL a",
        "not null|s|t|b=CONSTRAINT n NOT NULL b",
        "not null|s|t|c=CONSTRAINT n NOT NULL c",
    ];
    let now = [
        "not null|s|t|a=CONSTRAINT n NOT NULL a NOT VALID",
        "not null|s|t|b=CONSTRAINT n NOT NULL b NO INHERIT",
        "not null|s|t|c=CONSTRAINT m NOT NULL c",
    ];
    let all = of(&then, &now);
    let failures = [
        "not null of column a of s.t",
        "not null of column b of s.t",
        "options of s.v",
    ];
    assert_eq!(names(&all.failures), failures);
    assert_eq!(
        names(&all.findings),
        ["not null of column c of s.t", "options of s.t"]
    );
}

#[test]
fn a_drill_as_nobody_leaves_out_what_it_does_not_try_and_opens_itself() {
    let then = [
        "comment|event trigger|e=words",
        "row security|cron|job=ENABLED",
        "row security|s|t=ENABLED",
        "table|s|t=",
    ];
    let circumstances = Circumstances {
        powerless: true,
        ..same_major()
    };
    let now = ["table|s|t="];
    let all = differences(&then, &now, &Known::default(), &circumstances);
    assert_eq!(names(&all.failures), ["row security of s.t"]);
    assert_eq!(all.findings, []);
    assert_eq!(of(&then, &now).failures.len(), 2);
}

#[test]
fn only_an_owner_that_a_restore_could_set_is_compared() {
    let then = [
        "owner|schema|public=",
        "owner|schema|a=own",
        "owner|schema|b=own",
        "owner|schema|lost=own",
    ];
    let now = [
        "owner|schema|public=postgres",
        "owner|schema|a=",
        "owner|schema|b=other",
        "owner|schema|more=other",
    ];
    assert_eq!(names(&of(&then, &now).findings), ["owner of schema b"]);
}

#[test]
fn what_is_told_of_something_else_hides_nothing() {
    let then = [
        "owner|schema|app=own",
        "comment|schema|app=words",
        "privileges|schema|app=app USAGE",
        "default privileges|app|s|tables=app SELECT",
        "default privileges|app||tables=app SELECT",
    ];
    let now = ["owner|schema|app=other", "privileges|schema|app="];
    let findings = |told: &[&str]| {
        let mut known = Known::default();
        for one in told {
            known.add_finding(one);
        }
        differences(&then, &now, &known, &same_major())
            .findings
            .len()
    };
    let others = [
        "TABLE public app app",
        "COMMENT public TABLE app app",
        "ACL public TABLE app app",
        "DEFAULT ACL s DEFAULT PRIVILEGES FOR TABLES other",
        "DEFAULT ACL s DEFAULT PRIVILEGES FOR SEQUENCES app",
    ];
    assert_eq!(findings(&others), 5);
    let these = [
        "SCHEMA - app own",
        "COMMENT - SCHEMA app own",
        "ACL - SCHEMA app own",
        "DEFAULT ACL s DEFAULT PRIVILEGES FOR TABLES app",
        "DEFAULT ACL DEFAULT PRIVILEGES FOR TABLES",
    ];
    assert_eq!(findings(&these), 0);
}
