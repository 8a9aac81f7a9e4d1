"""Writing what a worker found. Only the holder of the claim writes: a worker that has lost its lease writes nothing.

recognitions: recognitions and analyses, all of a claim together. enrolments: one photo at a time. ending: how a request
ends, failed ones included.
"""

from recognition.photos.results.ending import fail
from recognition.photos.results.enrolments import enrol
from recognition.photos.results.recognitions import write_results

__all__ = ["enrol", "fail", "write_results"]
