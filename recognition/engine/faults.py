"""Tells failures of the machine from failures of a photo. Imports neither MXNet nor OpenCV."""

import errno

INSUFFICIENT_MEMORY = -4  # cv::Error::StsNoMem
SIGNS = ("bad_alloc", "cannot allocate", "out of memory", "failed to allocate", "not enough memory")


def lacks_memory(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, says that there is not enough memory."""
    one: BaseException | None = error
    while one is not None:
        if _says_so(one):
            return True
        one = one.__cause__
    return False


def leaves_unfit(error: BaseException) -> bool:
    """Whether a process should start anew after `error`: memory is short, or MXNet's engine is in an unknown state."""
    return lacks_memory(error) or type(error).__name__ in ("NetError", "MXNetError")


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    kind = type(error)
    if kind.__module__.startswith("cv2") and getattr(error, "code", None) == INSUFFICIENT_MEMORY:
        return True
    from_engine = kind.__name__ in ("NetError", "MXNetError", "XPUError") or isinstance(error, RuntimeError | OSError)
    return from_engine and any(sign in str(error).lower() for sign in SIGNS)
