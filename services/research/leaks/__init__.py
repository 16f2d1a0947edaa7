"""The leak firewall: is anything that was said at a time made of what was not known by then?

``world`` and ``synthetic`` are what is known and when, ``pipeline`` is the platform's own way from there to targets,
``detectors`` look for leaks in it, ``planted`` is the corpus of leaks that they have to find.
"""
