"""Writing what a worker found, for the holder of the claim alone: who has lost the lease writes nothing.

answers: recognitions and analyses, all of a claim together. enrolments: a photo each. ending: a request's end, also a failed one.
"""

from recognition.photos.results.answers import answer
from recognition.photos.results.ending import fail
from recognition.photos.results.enrolments import enrol

__all__ = ["answer", "enrol", "fail"]
