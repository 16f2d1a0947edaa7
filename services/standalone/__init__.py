"""Standalone: every service in one process, on an embedded PostgreSQL and Redis. No Docker needed."""
