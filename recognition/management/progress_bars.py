"""Progress bars for the commands."""

from collections.abc import Callable

from tqdm import tqdm


def advance(bar: tqdm) -> Callable[[int, int], None]:
    """A progress callback that moves `bar`; it takes how many items are done, and how many there are in all."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show
