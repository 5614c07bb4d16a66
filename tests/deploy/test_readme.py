"""deploy/README.md speaks of what is there."""

import re
import unittest

from template import AWS, ROOT, read

README = (ROOT / "deploy/README.md").read_text()
TEMPLATES = {path.name: read(path.name) for path in AWS.glob("*.yaml")}


class Readme(unittest.TestCase):
    def test_parameters_that_are_given_exist_and_none_that_is_needed_is_left_out(self):
        paragraphs = README.split("aws cloudformation deploy ")[1:]
        commands = [re.match(r"(?:[^\n]*\\\n)*[^\n]*", paragraph)[0] for paragraph in paragraphs]
        names = [re.search(r"--template-file deploy/aws/(\S+)", command)[1] for command in commands]
        self.assertEqual(set(names), set(TEMPLATES))
        for name, command in zip(names, commands):
            given = set(re.findall(r"\b([A-Z]\w+)=", command.split("--parameter-overrides")[1]))
            declared = TEMPLATES[name]["Parameters"]
            self.assertLessEqual(given, set(declared), name)
            # A change names only what changes.
            if len(given) > 1:
                needed = {key for key, one in declared.items() if "Default" not in one}
                self.assertLessEqual(needed, given, name)

    def test_outputs_that_are_named_exist(self):
        outputs = {key for template in TEMPLATES.values() for key in template.get("Outputs", {})}
        parameters = {key for template in TEMPLATES.values() for key in template["Parameters"]}
        named = set(re.findall(r"\b([A-Z][a-z]+[A-Z]\w*Arn)\b", README))
        self.assertTrue(named)
        self.assertLessEqual(named, outputs | parameters)

    def test_every_role_is_in_the_table(self):
        table = README[README.index("## Who may do what"):README.index("## How old points go")]
        for name, template in TEMPLATES.items():
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::IAM::Role":
                    role = resource["Properties"]["RoleName"]
                    self.assertIn("…-execution" if role.endswith("-execution") else f"`{role}`", table, name)

    def test_files_that_are_named_exist(self):
        for path in re.findall(r"(?<!tests/)\bdeploy/[a-z/.-]+[a-z]", README):
            self.assertTrue((ROOT / path).exists() or list(ROOT.glob(f"{path}*")), path)
        for path in re.findall(r"\]\((\.\./[^)#]+)", README):
            self.assertTrue((ROOT / "deploy" / path).exists(), path)


if __name__ == "__main__":
    unittest.main()
