"""lifeboat's command line, as the bench uses it."""

import json
import os
import shutil
from pathlib import Path

from measure import Failed, measure, tree_bytes
from postgres import checked


class Repository:
    """A fresh repository with its configuration and keys, in a folder that is emptied first."""

    def __init__(self, program, folder, url=None, options=()):
        self.program, self.folder = program, Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.url = url or str(self.folder / "repository")
        config = self.folder / "lifeboat.toml"
        checked([program, "init", "--repository", self.url, "--config", config, *options])
        # One recipient alone would be a finding of every export.
        second = ["keys", "add", "--file", self.folder / "offline" / "second.key"]
        checked([program, *second, "--config", config])
        # Away from the signing key, as `init` says: otherwise every export warns.
        offline = self.folder / "offline"
        offline.mkdir(exist_ok=True)
        os.rename(self.folder / "break-glass.key", offline / "break-glass.key")
        self.identity = offline / "break-glass.key"
        self.signing_key = self.folder / "manifest-signing.pem"
        self.options = ["--config", config, "--json"]

    def command(self, verb, *arguments):
        return [self.program, verb, *self.options, *arguments]

    def export(self, what, data, server, work, *arguments):
        """A measured export; the restore point's id is in its answer."""
        sample = measure(what, self.command("export", "--source", data.url, *arguments), server, work)
        database = sample.answer["databases"][0]
        if database["rows"] != sum(data.rows.values()) or database["tables"] != len(data.rows):
            raise Failed(f"{what}: {database['rows']} rows of {database['tables']} tables are not those of {data.name}")
        sample.copy_bytes, sample.jobs = database["copy_bytes"], database["jobs"]
        sample.stored_bytes = database["stored_bytes"]
        # The manifest is counted as well where the files can be.
        if not self.url.startswith("s3:"):
            sample.stored_bytes = tree_bytes(self.url)
        return sample

    def answer(self, verb, *arguments):
        return json.loads(checked(self.command(verb, *arguments)))["result"]

    def remove(self):
        shutil.rmtree(self.folder)
