"""The error that stops a training. No MXNet, no Django."""


class TrainingError(Exception):
    """A training cannot start or continue. The message says why and what to do."""
