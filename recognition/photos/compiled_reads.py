"""The reads of a request that most calls make; see accounts/compiled_reads.py."""

from accounts.compiled_reads import VisibleRow
from recognition.photos.models import Purpose, RecognitionRequest


def _analysis(purpose: Purpose) -> VisibleRow:
    return VisibleRow(lambda: RecognitionRequest.objects.analyses(purpose), "pk")


ENROLMENT = VisibleRow(RecognitionRequest.objects.with_sample, "pk")
RECOGNITION = VisibleRow(lambda: RecognitionRequest.objects.recognitions().with_results(), "pk")
DETECTION, EMBEDDING, COMPARISON = _analysis(Purpose.DETECT), _analysis(Purpose.EMBED), _analysis(Purpose.COMPARE)
# The rows of the reference photos are left out.
FIRST_OF_COMPARISON = VisibleRow(
    lambda: RecognitionRequest.objects.analyses(Purpose.COMPARE).filter(options__has_key="reference"), "pk"
)
