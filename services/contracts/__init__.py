"""The messages that services exchange, frozen and typed. Start with :mod:`services.contracts.topics`."""
