"""Exports that name stored parts again: what each stores, and what it takes, against a full export."""

from figures import client_cpu, compare, peak, stored, wall
from measure import Failed

CHANGED, TARGET = "bench_changed", "bench_target"
# The tables that grow, and their columns behind the id.
GROWING = {
    "events": "at, user_id, kind, payload",
    "courses_answer": "submission_id, question_id, answered_at, is_correct, answer_text",
}


def appended(percent):
    """Rows at the end of the two tables that grow."""
    for table, columns in GROWING.items():
        rows = f"(SELECT count(*) * {percent} / 100 FROM {table})"
        last = f"(SELECT max(id) FROM {table})"
        yield f"INSERT INTO {table} SELECT id + {last}, {columns} FROM {table} ORDER BY id LIMIT {rows}"


def updated(percent):
    """The newest rows."""
    newest = f"(SELECT max(id) * (1 - {percent} / 100.0) FROM events)"
    yield f"UPDATE events SET user_id = user_id + 1 WHERE id > {newest}"


def deleted(percent):
    """The oldest rows."""
    for table in GROWING:
        yield f"DELETE FROM {table} WHERE id < (SELECT min(id) + count(*) * {percent} / 100 FROM {table})"


def scattered(percent):
    for table, column in ("events", "user_id"), ("courses_answer", "question_id"):
        chosen = f"hashint8(id) & 2147483647 < {percent} / 100.0 * 2147483647"
        yield f"UPDATE {table} SET {column} = {column} + 1 WHERE {chosen}"


def rewritten():
    for table in GROWING:
        yield f"VACUUM FULL {table}"


# What happens before an export, and how much of a full export that may store.
CHANGES = {
    "unchanged": ([], 0.01),
    "0.2 % appended": (list(appended(0.2)), 0.01),
    "1 % appended, newest 0.1 % updated": ([*appended(1), *updated(0.1)], 0.025),
    "oldest 1 % deleted": (list(deleted(1)), 0.01),
    "VACUUM FULL": (list(rewritten()), 0.30),
    "5 % updated at random": (list(scattered(5)), None),
}


class Reused:
    """A copy of the data that may change, and a repository that exports it again and again."""

    def __init__(self, bench, data):
        self.bench, self.data = bench, data
        self.server = bench.server
        make = f"CREATE DATABASE {CHANGED} TEMPLATE {data.name}"
        self.server.sql(f"DROP DATABASE IF EXISTS {CHANGED}", make)
        self.repository = bench.repository()
        config = self.repository.folder / "lifeboat.toml"
        text = config.read_text()
        switched_on = text.replace('#reuse_key = "reuse.key"', 'reuse_key = "reuse.key"', 1)
        if switched_on == text:
            raise Failed("init wrote no line for the reuse key")
        config.write_text(switched_on)

    def change(self, statements):
        for statement in statements:
            self.server.sql(statement, database=CHANGED)

    def export(self, name, *arguments):
        command = self.repository.command("export", "--source", self.server.url(CHANGED), *arguments)
        sample = self.bench.measure(name, command)
        database = sample.answer["databases"][0]
        sample.stored_bytes = database["stored_anew_bytes"]
        return sample

    def restore(self, name, point):
        self.server.recreate(TARGET)
        how = ["--identity", self.repository.identity, "--target", self.server.url(TARGET)]
        self.bench.measure(name, self.repository.command("restore", point, *how))
        self.server.sql(f"DROP DATABASE {TARGET}")

    def remove(self):
        self.repository.remove()
        self.server.sql(f"DROP DATABASE {CHANGED}")


def reuse(bench):
    data = bench.courses(bench.scale)

    def plain():
        repository = bench.repository()
        bench.export("full, without a reuse key", data, repository)
        repository.remove()

    def again():
        reused = Reused(bench, data)
        reused.export("full")
        for name, (statements, _) in CHANGES.items():
            reused.change(statements)
            reused.export(name)
        reused.export("full --jobs 4", "--full", "--jobs", "4")
        reused.remove()

    bench.each_round(plain, again)
    a_day(bench, data)
    return figures(bench.taken)


def figures(taken):
    full, before = taken["full"], taken["full, without a reuse key"]
    scattered_rows = taken["5 % updated at random"]
    without = "full export; peer: without a reuse key"
    told = [
        compare(f"{without}: wall", "s", wall, full, before, ratio_wanted=1.05),
        compare(f"{without}: stored", "bytes", stored, full, before, ratio_wanted=1.03),
        compare("full export: peak memory, --jobs 4", "bytes", peak, taken["full --jobs 4"], ours_wanted=256 * 2**20),
        compare("unchanged; peer: full: wall", "s", wall, taken["unchanged"], full, ratio_wanted=0.80),
        compare("unchanged; peer: full: client CPU", "s", client_cpu, taken["unchanged"], full, ratio_wanted=0.40),
        compare("5 % updated at random; peer: full: wall", "s", wall, scattered_rows, full, ratio_wanted=1.05),
    ]
    for name, (_, wanted) in CHANGES.items():
        told.append(compare(f"{name}; peer: full: stored", "bytes", stored, taken[name], full, ratio_wanted=wanted))
    restores = taken["restore of the 24th"], taken["restore of a full"]
    a_day_of = "24 exports, 0.2 % appended each; peer: full: stored"
    return [
        *told,
        compare(a_day_of, "bytes", stored, taken["a day"], full, ratio_wanted=1.25),
        compare("restore of the 24th; peer: of a full, once", "s", wall, *restores, ratio_wanted=1.05),
    ]


def a_day(bench, data):
    """Once: 24 exports, and the last of them restored, as one that stored everything."""
    reused = Reused(bench, data)
    first = reused.export("a day's first")
    stored_bytes, last = first.stored_bytes, first
    for _ in range(23):
        reused.change(appended(0.2))
        last = reused.export("an hour's")
        stored_bytes += last.stored_bytes
    last.stored_bytes = stored_bytes
    bench.note("a day", last)
    reused.restore("restore of the 24th", last.answer["databases"][0]["id"])
    full = reused.export("full, at the end of a day", "--full")
    reused.restore("restore of a full", full.answer["databases"][0]["id"])
    reused.remove()
