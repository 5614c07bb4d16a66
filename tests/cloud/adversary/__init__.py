"""Whoever may hold rights in either account, against the templates of deploy/aws and real backups."""
