"""What stops a training. No MXNet, no Django."""


class TrainingError(Exception):
    """A training cannot begin or go on. The message says why and what to do."""
