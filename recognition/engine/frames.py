"""Which frame of an animation is looked at: the first that shows something."""

from PIL import Image

from recognition.engine.tones import shows_something, to_rgb

ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")
MAX_FRAMES = 12
MAX_PIXELS = 60_000_000  # of all frames that are tried


def seek_to_something(image: Image.Image) -> None:
    """Leaves an animation at its first frame that is not all of one colour; at its first one if there is none soon."""
    if image.format not in ANIMATIONS or not getattr(image, "is_animated", False):
        return
    for number in range(max(2, min(MAX_FRAMES, MAX_PIXELS // (image.width * image.height)))):
        try:
            image.seek(number)
            if shows_something(to_rgb(image)):
                return
        except MemoryError:
            raise
        except Exception:
            if number == 0:
                raise
            break  # there are no more, or a later one is damaged
    image.seek(0)
