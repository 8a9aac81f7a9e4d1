"""Breaks a real platform in every way that we know of, while clients work with it, and counts what became of their calls.

For developers: python -m tests.hardening.campaign --help. docs/reliability.md has the figures.
"""
