"""The reads of a single request that the API makes most often, compiled once; see accounts/compiled_reads.py."""

from accounts.compiled_reads import VisibleRow
from recognition.photos.models import Purpose, RecognitionRequest


def _analysis(purpose: Purpose) -> VisibleRow:
    return VisibleRow(lambda: RecognitionRequest.objects.analyses(purpose), "pk")


ENROLMENT = VisibleRow(RecognitionRequest.objects.with_sample, "pk")
RECOGNITION = VisibleRow(lambda: RecognitionRequest.objects.answers().with_results(), "pk")
DETECTION, EMBEDDING, COMPARISON = _analysis(Purpose.DETECT), _analysis(Purpose.EMBED), _analysis(Purpose.COMPARE)
# A comparison of two photos has two rows. This reads the one that stands for the comparison, never the reference photo's.
FIRST_OF_COMPARISON = VisibleRow(
    lambda: RecognitionRequest.objects.analyses(Purpose.COMPARE).filter(options__has_key="reference"), "pk"
)
