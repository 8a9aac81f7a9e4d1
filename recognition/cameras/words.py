"""What a camera does now, in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from faceplatform.web.languages import retold
from recognition.cameras.models import Camera, CameraKind, CameraState, CameraStatus

LIVE = (CameraStatus.LIVE, CameraStatus.DEGRADED)
NO_WORKER = gettext_lazy(
    "No camera worker reads it. The platform starts one by itself; your operator sees why it does not run."
)
NO_BROWSER = gettext_lazy("Open its page for the webcam in the browser that has the camera.")


@dataclass(frozen=True, slots=True)
class CameraWords:
    """status: as in the API. text: the status. detail: why, or how well; may be empty. since: of the status, if it is known."""

    status: str
    text: str
    detail: str = ""
    since: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


def words_of(camera: Camera) -> CameraWords:
    """camera: read by `with_state`. What a worker wrote counts while its lease does."""
    state = state_of(camera)
    if not camera.enabled:
        return CameraWords(CameraStatus.DISABLED, str(CameraStatus.DISABLED.label))
    if state.lease_expires_at is None or state.lease_expires_at < timezone.now():
        over = state.status == CameraStatus.ENDED
        status = CameraStatus.ENDED if over else CameraStatus.WAITING
        return CameraWords(status, str(status.label), "" if over else str(NO_WORKER))
    status = CameraStatus(state.status)
    return CameraWords(status, str(status.label), retold(state.reason) or _detail(camera, status), state.since)


def state_of(camera: Camera) -> CameraState:
    """Its row; an empty one if there is none yet."""
    return camera.state if hasattr(camera, "state") else CameraState(camera=camera)


def _detail(camera: Camera, status: CameraStatus) -> str:
    state = state_of(camera)
    if status in LIVE and state.analysed_fps is not None:
        rates = {"now": _rate(state.analysed_fps), "most": _rate(camera.fps)}
        if not (state.width and state.height):
            return _("analysing %(now)s pictures a second, up to %(most)s while something moves") % rates
        size = {"width": state.width, "height": state.height}
        return _(
            "%(width)s x %(height)s, analysing %(now)s pictures a second, up to %(most)s while something moves"
        ) % (size | rates)
    if camera.kind == CameraKind.WEBCAM and status not in LIVE:
        return str(NO_BROWSER)
    return ""


def _rate(fps: float) -> str:
    return number_format(f"{fps:.2g}")
