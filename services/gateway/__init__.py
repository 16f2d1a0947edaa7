"""Gateway: the REST API and the web console.

Reads what the services have stored (never their streams); writes ``commands`` and ``gateway.commands``; owns the table
commands until phases or risk say what became of each.
"""
