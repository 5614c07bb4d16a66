"""What is measured, in groups. In each round ours and the peer's run in turn, first the one, then the other."""

import os
import shlex
import shutil
from collections import defaultdict
from pathlib import Path

import parts
from cores import cores
from figures import client_cpu, compare, peak, stored, usual, wall
from lifeboat import Repository
from measure import Failed, measure, say, tree_bytes
from postgres import HERE, Data, checked, courses
from reuse import reuse

SERVERS = HERE.parents[1] / "deploy/local/servers.sh"
TARGET = "bench_target"

# Memory of equal runs differs by some percent.
SAME = 1.10


class Bench:
    """What all groups share: the server, the binary, where files go, and every sample taken."""

    def __init__(self, server, program, work, rounds, scale, growth):
        self.server, self.program, self.work = server, program, Path(work)
        self.rounds, self.scale, self.growth = rounds, scale, growth
        self.taken = defaultdict(list)
        self.sizes = {}

    def note(self, name, sample):
        self.taken[name].append(sample)
        return sample

    def measure(self, name, command):
        return self.note(name, measure(name, command, self.server, self.work))

    def each_round(self, *sides):
        """Who goes first changes from round to round, so that neither always meets what the other left behind."""
        for number in range(self.rounds):
            say(f"round {number + 1} of {self.rounds}")
            for side in sides if number % 2 == 0 else reversed(sides):
                side()

    def courses(self, scale):
        return self.noted(courses(self.server, scale))

    def noted(self, data):
        self.sizes[data.name] = data.tables
        return data

    def repository(self, **how):
        return Repository(self.program, self.work / "lifeboat", **how)

    def export(self, name, data, repository, *arguments):
        return self.note(name, repository.export(name, data, self.server, self.work, *arguments))

    def pg_dump(self, name, data, *options):
        """Returns the folder; the caller removes it."""
        folder = self.work / "pg_dump"
        shutil.rmtree(folder, ignore_errors=True)
        sample = self.measure(name, ["pg_dump", "-Fd", "-j2", *options, "-f", folder, "-d", data.url])
        sample.stored_bytes = tree_bytes(folder)
        return folder


def fewer(full, scale):
    return max(10, round(full * min(1, scale)))


# ---------------------------------------------------------------- export to a directory, verify


def export(bench):
    data = bench.courses(bench.scale)

    def ours():
        repository = bench.repository()
        point = bench.export("export", data, repository).answer["databases"][0]["id"]
        bench.measure("verify", repository.command("verify", point, "--data"))
        identity = ["--identity", repository.identity]
        opened = bench.measure("verify opened", repository.command("verify", point, "--data", *identity))
        if opened.answer["rows"] != sum(data.rows.values()):
            raise Failed(f"verify counted {opened.answer['rows']} rows")
        repository.remove()

    def peer():
        shutil.rmtree(bench.pg_dump("pg_dump -Fd -j2 -Z1", data, "-Z1"))

    bench.each_round(ours, peer)
    mine, its = bench.taken["export"], bench.taken["pg_dump -Fd -j2 -Z1"]
    text_gb = mine[0].copy_bytes / 1e9
    return [
        *usual("export to a directory", mine, its, 0.80),
        compare("export to a directory: stored", "bytes", stored, mine, its, ratio_wanted=1.00),
        compare(
            "client CPU per GB of COPY text, export",
            "s/GB",
            lambda sample: client_cpu(sample) / text_gb,
            mine,
            its,
            ours_wanted=4.0,
        ),
        compare("verify --data; peer: the export", "s", wall, bench.taken["verify"], mine, ratio_wanted=0.30),
        compare(
            "verify --data --identity; peer: the export",
            "s",
            wall,
            bench.taken["verify opened"],
            mine,
            ratio_wanted=0.30,
        ),
    ]


# ---------------------------------------------------------------- export to S3


class Store:
    """The local S3, begun anew: it lies in memory, and what is locked there cannot be removed otherwise."""

    LOCKED, PLAIN = "bench-lifeboat", "bench-peer"

    def __enter__(self):
        checked([SERVERS, "clean", "rgw"])
        checked([SERVERS, "start", "rgw"])
        lines = checked([SERVERS, "env", "rgw"]).splitlines()
        env = dict(word.split("=", 1) for line in lines for word in shlex.split(line)[1:] if "=" in word)
        self.endpoint = env["LIFEBOAT_TEST_RGW_ENDPOINT"]
        self.aws = Path(env["LIFEBOAT_TEST_TOOLS"]) / "aws"
        os.environ["AWS_ACCESS_KEY_ID"] = env["LIFEBOAT_TEST_RGW_ADMIN_KEY"]
        os.environ["AWS_SECRET_ACCESS_KEY"] = env["LIFEBOAT_TEST_RGW_ADMIN_SECRET"]
        os.environ["AWS_ENDPOINT_URL"] = self.endpoint
        self.call("create-bucket", "--bucket", self.LOCKED, "--object-lock-enabled-for-bucket")
        self.call("create-bucket", "--bucket", self.PLAIN)
        # The store makes its pools at the first object.
        for bucket in self.LOCKED, self.PLAIN:
            self.call("put-object", "--bucket", bucket, "--key", "first", "--body", __file__)
        return self

    def __exit__(self, *_):
        checked([SERVERS, "clean", "rgw"])

    def call(self, *arguments):
        return checked([self.aws, "s3api", *arguments])


def s3(bench):
    data = bench.courses(bench.scale)
    key = bench.work / "peer.key"
    key.unlink(missing_ok=True)
    checked(["age-keygen", "-o", key])
    recipient = checked(["age-keygen", "-y", key]).strip()

    def ours(store):
        where = {
            "url": f"s3://{store.LOCKED}/bench",
            "options": ["--endpoint", store.endpoint, "--region", "us-east-1"],
        }
        bench.export("export to S3", data, bench.repository(**where))

    def peer(store):
        url = f"s3://{store.PLAIN}/dump"
        pipeline = f"pg_dump -Fc -Z0 -d {data.url} | zstd -3 -T2 -q | age -r {recipient} | {store.aws} s3 cp - {url}"
        sample = bench.measure("pg_dump | zstd | age | aws", ["bash", "-o", "pipefail", "-c", pipeline])
        length = store.call(
            "head-object", "--bucket", store.PLAIN, "--key", "dump", "--query", "ContentLength", "--output", "text"
        )
        sample.stored_bytes = int(length)
        # Only the head of the archive: pg_restore then goes, and the others meet a closed pipe.
        look = f"{store.aws} s3 cp {url} - | age -d -i {key} | zstd -dc | pg_restore -l"
        if "TABLE DATA public events" not in checked(["bash", "-c", look]):
            raise Failed("the peer's object is no archive of the data")

    for number in range(bench.rounds):
        say(f"round {number + 1} of {bench.rounds}")
        with Store() as store:
            for side in (ours, peer) if number % 2 == 0 else (peer, ours):
                side(store)
    mine, its = bench.taken["export to S3"], bench.taken["pg_dump | zstd | age | aws"]
    return [
        *usual("export to S3", mine, its, 0.70),
        compare("export to S3: stored", "bytes", stored, mine, its),
    ]


# ---------------------------------------------------------------- restore from a directory


def restore(bench):
    data, server = bench.courses(bench.scale), bench.server
    repository = bench.repository()
    point = repository.answer("export", "--source", data.url)["databases"][0]["id"]
    dump = bench.work / "dump"
    checked(["pg_dump", "-Fd", "-j2", "-Z1", "-f", dump, "-d", data.url])

    def into_empty(name, command):
        server.recreate(TARGET)
        bench.measure(name, command)
        if server.rows(TARGET) != data.rows:
            raise Failed(f"{name}: the target's rows are not those of {data.name}")
        server.sql(f"DROP DATABASE {TARGET}")

    def ours():
        how = ["--identity", repository.identity, "--target", server.url(TARGET)]
        into_empty("restore", repository.command("restore", point, *how))

    def peer():
        into_empty("pg_restore -j2", ["pg_restore", "-j2", "-d", server.url(TARGET), dump])

    bench.each_round(ours, peer)
    repository.remove()
    shutil.rmtree(dump)
    return usual("restore from a directory", bench.taken["restore"], bench.taken["pg_restore -j2"], 0.80)


# ---------------------------------------------------------------- memory and growth


def memory(bench):
    data = bench.courses(bench.scale)
    bench.each_round(lambda: export_and_remove(bench, "export --jobs 4", data, "--jobs", "4"))
    taken = bench.taken["export --jobs 4"]
    return [compare("peak memory, --jobs 4", "bytes", peak, taken, ours_wanted=256 * 2**20)]


def export_and_remove(bench, name, data, *arguments):
    repository = bench.repository()
    bench.export(name, data, repository, *arguments)
    repository.remove()


def growth(bench):
    small, large = bench.growth
    data = {scale: bench.courses(scale) for scale in bench.growth}
    runs = [(f"export at {scale:g}", scale, ()) for scale in bench.growth]
    runs += [(f"export at {scale:g} --jobs 4", scale, ("--jobs", "4")) for scale in bench.growth]
    bench.each_round(*(lambda run=run: export_and_remove(bench, run[0], data[run[1]], *run[2]) for run in runs))
    walls = [bench.taken[f"export at {scale:g}"] for scale in (large, small)]
    peaks = [bench.taken[f"export at {scale:g} --jobs 4"] for scale in (large, small)]
    title = f"growth, rows × {small:g} → × {large:g}"
    # Below full size there are not even parts enough to fill the memory that four sessions may take.
    same = SAME if small >= 1 else None
    return [
        compare(f"{title}: export's wall", "s", wall, *walls, ratio_wanted=1.05 * large / small),
        compare(f"{title}: peak memory, --jobs 4", "bytes", peak, *peaks, ratio_wanted=same),
        compare(f"rows × {large:g}: peak memory, --jobs 4", "bytes", peak, peaks[0], ours_wanted=256 * 2**20),
    ]


# ---------------------------------------------------------------- 10,000 small tables


def tables(bench):
    count = fewer(10_000, bench.scale)
    data = bench.noted(Data(bench.server, f"tables_{count}", "tables.sql", {"tables": count}))

    def ours():
        export_and_remove(bench, "export of small tables", data)

    def peer():
        shutil.rmtree(bench.pg_dump("pg_dump -Fd -j2 of small tables", data))

    bench.each_round(ours, peer)
    mine, its = bench.taken["export of small tables"], bench.taken["pg_dump -Fd -j2 of small tables"]
    return usual(f"{count:,} small tables", mine, its, 2.00)


# ---------------------------------------------------------------- 100,000 parts


def many_parts(bench):
    server, count = bench.server, fewer(100_000, bench.scale)
    data = bench.noted(Data(server, "parts", "parts.sql", {"answer": 20}))
    repository = bench.repository()
    real = repository.answer("export", "--source", data.url)["databases"][0]["id"]
    say(f"writing a restore point of {count:,} parts")
    # `list` looks at the whole repository: the small one stays as it is, the large one has both points.
    large = bench.work / "large"
    shutil.copytree(repository.url, large)
    forged = parts.Forge(repository, large).point(count)
    where = {"many": ["--repository", large], "one": []}
    points = {"many": [forged], "one": [real]}
    if repository.answer("show", forged, *where["many"])["parts"] != count:
        raise Failed("the restore point is not shown with its parts")

    def run(which, name, verb, *arguments):
        bench.measure(f"{name}, {which}", repository.command(verb, *arguments, *where[which]))

    def look(which, verb, *arguments):
        run(which, verb, verb, *([] if verb == "list" else points[which]), *arguments)

    def restore_all(which):
        server.recreate(TARGET)
        run(which, "restore of parts", "restore", *points[which], *opened, *target)
        if server.rows(TARGET) != {"answer": 20 * (count if which == "many" else 1)}:
            raise Failed("the target's rows are not those of the parts")

    opened = ["--identity", repository.identity]
    target = ["--target", server.url(TARGET)]
    server.recreate(TARGET)
    for verb, arguments in ("list", []), ("show", opened), ("restore", ["--dry-run", *opened, *target]):
        bench.each_round(lambda: look("many", verb, *arguments), lambda: look("one", verb, *arguments))
    # A dry run reads no list of parts; once is enough for the memory of what does.
    restore_all("many")
    restore_all("one")
    server.sql(f"DROP DATABASE {TARGET}")
    repository.remove()
    shutil.rmtree(large)
    return parts_figures(bench, f"{count:,} parts; peer: 1 part")


def parts_figures(bench, title):
    figures = []
    for verb, name in ("list", "list"), ("show", "show"), ("restore", "restore --dry-run"):
        both = bench.taken[f"{verb}, many"], bench.taken[f"{verb}, one"]
        figures.append(compare(f"{name}, {title}: wall", "s", wall, *both, ours_wanted=2.0))
        figures.append(compare(f"{name}, {title}: peak memory", "bytes", peak, *both, ratio_wanted=SAME))
    both = bench.taken["restore of parts, many"], bench.taken["restore of parts, one"]
    return [*figures, compare(f"restore, {title}: peak memory, once", "bytes", peak, *both)]


GROUPS = {
    "export": export,
    "s3": s3,
    "restore": restore,
    "memory": memory,
    "reuse": reuse,
    "growth": growth,
    "tables": tables,
    "parts": many_parts,
    "cores": cores,
}
