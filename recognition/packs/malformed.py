"""Strangers' models: whatever a malformed one makes its reader raise is a PackError."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from recognition.engine.manifest import PackError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def only_pack_errors(read: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorates a function that reads a stranger's model: whatever a malformed one makes it raise becomes a PackError."""

    @functools.wraps(read)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return read(*args, **kwargs)
        except PackError:
            raise
        except Exception as error:
            raise PackError(
                f"The model is damaged and cannot be read ({type(error).__name__}). Fetch it again."
            ) from error

    return wrapped
