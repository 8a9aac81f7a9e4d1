"""Writing what a worker found. Only the holder of the claim writes: a worker whose lease was lost writes nothing.

recognitions: recognitions and analyses, all of a claim together. enrolments: one photo at a time. ending: the end of a request,
also of a failed one.
"""

from recognition.photos.results.ending import fail
from recognition.photos.results.enrolments import enrol
from recognition.photos.results.recognitions import write_results

__all__ = ["enrol", "fail", "write_results"]
