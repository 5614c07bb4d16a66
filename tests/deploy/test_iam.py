"""The evaluator against AWS's documented rules of evaluation."""

import unittest

from iam import Caller, decide, operator_holds

HOME, AWAY = "111122223333", "222233334444"
KEY = f"arn:aws:kms:eu-central-1:{HOME}:key/1"
ALLOW = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}
DENY = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}


def caller(account, *statements):
    return Caller(f"arn:aws:iam::{account}:role/r", list(statements))


def in_policy(statement, principal):
    return {**statement, "Principal": principal}


def root(account):
    return {"AWS": f"arn:aws:iam::{account}:root"}


class Operators(unittest.TestCase):
    def test_operators(self):
        table = [
            # operator, in the policy, in the request, holds
            ("StringEquals", "a", "a", True),
            ("StringEquals", ["a", "b"], "b", True),
            ("StringEquals", "a", None, False),
            # The trap: not equal to what is not there.
            ("StringNotEquals", "a", None, True),
            ("StringNotEquals", ["a", "b"], "b", False),
            ("StringEqualsIfExists", "a", None, True),
            ("StringNotEqualsIfExists", "a", None, True),
            ("BoolIfExists", "false", None, True),
            ("BoolIfExists", "false", "true", False),
            ("Bool", "true", None, False),
            ("Bool", True, "true", True),
            ("Null", "true", None, True),
            ("Null", "true", "x", False),
            ("Null", "false", "x", True),
            ("Null", "false", None, False),
            ("ArnNotEquals", "arn:aws:iam::1:role/r", "arn:aws:iam::1:role/r", False),
            ("ArnLike", "arn:aws:iam::*:role/lifeboat-*", "arn:aws:iam::1:role/lifeboat-x", True),
            ("NumericGreaterThan", "37", 37, False),
            ("NumericGreaterThan", "37", 37.5, True),
            ("NumericGreaterThan", "37", None, False),
            ("NumericLessThan", 32, 31, True),
            # No tag at all satisfies "all", and fails "any".
            ("ForAllValues:StringEquals", ["a"], None, True),
            ("ForAllValues:StringEquals", ["a"], ["a", "b"], False),
            ("ForAnyValue:StringEquals", ["a"], None, False),
            ("ForAnyValue:StringEquals", ["a"], ["b", "a"], True),
        ]
        for operator, wanted, had, holds in table:
            with self.subTest(operator=operator, wanted=wanted, had=had):
                self.assertEqual(operator_holds(operator, wanted, had), holds)

    def test_an_unknown_operator_is_an_error(self):
        with self.assertRaises(KeyError):
            operator_holds("DateGreaterThan", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")


class Decisions(unittest.TestCase):
    def get(self, who, *guard, **given):
        return decide(who, "s3:GetObject", "arn:aws:s3:::b/key", HOME, guard, given)

    def test_nothing_said_is_no(self):
        self.assertFalse(self.get(caller(HOME)))

    def test_within_an_account_either_policy_suffices(self):
        self.assertTrue(self.get(caller(HOME, ALLOW)))
        self.assertTrue(self.get(caller(HOME), in_policy(ALLOW, {"AWS": f"arn:aws:iam::{HOME}:role/r"})))
        # The account as a principal only lets its own policies decide.
        self.assertFalse(self.get(caller(HOME), in_policy(ALLOW, root(HOME))))

    def test_across_accounts_both_must_allow(self):
        self.assertFalse(self.get(caller(AWAY, ALLOW)))
        self.assertFalse(self.get(caller(AWAY), in_policy(ALLOW, root(AWAY))))
        self.assertTrue(self.get(caller(AWAY, ALLOW), in_policy(ALLOW, root(AWAY))))

    def test_a_deny_anywhere_wins(self):
        self.assertFalse(self.get(caller(HOME, ALLOW, DENY)))
        self.assertFalse(self.get(caller(HOME, ALLOW), in_policy(DENY, "*")))
        self.assertFalse(self.get(caller(HOME, ALLOW), in_policy(DENY, root(HOME))))
        self.assertTrue(self.get(caller(HOME, ALLOW), in_policy(DENY, root(AWAY))))

    def test_a_condition_that_does_not_hold_takes_the_statement_away(self):
        deny = in_policy({**DENY, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, "*")
        self.assertTrue(self.get(caller(HOME, ALLOW), deny))
        self.assertFalse(self.get(caller(HOME, ALLOW), deny, **{"aws:SecureTransport": "false"}))

    def test_not_resource_is_everything_else(self):
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/key"}
        self.assertTrue(self.get(caller(HOME, ALLOW), deny))
        self.assertFalse(self.get(caller(HOME, ALLOW), {**deny, "NotResource": "arn:aws:s3:::b/other"}))

    def test_a_key_needs_its_own_policy_even_at_home(self):
        own = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
        self.assertFalse(decide(caller(HOME, own), "kms:Decrypt", KEY, HOME))
        self.assertTrue(decide(caller(HOME, own), "kms:Decrypt", KEY, HOME, [in_policy(own, root(HOME))]))
        self.assertFalse(decide(caller(HOME), "kms:Decrypt", KEY, HOME, [in_policy(own, root(HOME))]))

    def test_a_service_is_not_everybodys_service(self):
        trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = f"arn:aws:iam::{HOME}:role/r"
        self.assertTrue(decide(Caller("ecs-tasks.amazonaws.com", []), "sts:AssumeRole", role, HOME, [trust]))
        self.assertFalse(decide(Caller("lambda.amazonaws.com", []), "sts:AssumeRole", role, HOME, [trust]))
        every = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        self.assertFalse(decide(caller(HOME, every), "sts:AssumeRole", role, HOME, [trust]))


if __name__ == "__main__":
    unittest.main()
