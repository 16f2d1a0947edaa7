"""Watchdog: sees what is wrong with the platform as a whole, blocks what that endangers, and tells people.

Reads what all others have stored; writes no stream of its own, but gives ``block`` and ``unblock`` in
``gateway.commands`` as operators give theirs; owns the table notifications and its own rows of system_flags. It watches
live runs only: in a replay the wall clock says nothing, and what a replay decides must not hang on it.
"""
