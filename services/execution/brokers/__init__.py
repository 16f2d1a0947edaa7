"""Venues: each fills orders behind the protocol :class:`services.execution.decide.Venue`."""
