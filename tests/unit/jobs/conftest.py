"""Flink takes its time, so property tests have no deadline."""

from hypothesis import settings

settings.register_profile("freshet", deadline=None)
settings.load_profile("freshet")
