"""What a camera does now, in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from recognition.cameras.models import Camera, CameraKind, CameraState, CameraStatus

LIVE = (CameraStatus.LIVE, CameraStatus.DEGRADED)
NO_WORKER = "No camera worker reads it. The platform starts one by itself; your operator sees why it does not run."
NO_BROWSER = "Open its page for the webcam in the browser that has the camera."


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
        return CameraWords(CameraStatus.DISABLED, CameraStatus.DISABLED.label)
    if state.lease_expires_at is None or state.lease_expires_at < timezone.now():
        over = state.status == CameraStatus.ENDED
        status = CameraStatus.ENDED if over else CameraStatus.WAITING
        return CameraWords(status, status.label, "" if over else NO_WORKER)
    status = CameraStatus(state.status)
    return CameraWords(status, status.label, state.reason or _detail(camera, status), state.since)


def state_of(camera: Camera) -> CameraState:
    """Its row; an empty one if there is none yet."""
    return camera.state if hasattr(camera, "state") else CameraState(camera=camera)


def _detail(camera: Camera, status: CameraStatus) -> str:
    state = state_of(camera)
    if status in LIVE and state.analysed_fps is not None:
        size = f"{state.width} x {state.height}, " if state.width and state.height else ""
        return (
            f"{size}analysing {state.analysed_fps:.2g} pictures a second, up to {camera.fps:.2g} while something moves"
        )
    if camera.kind == CameraKind.WEBCAM and status not in LIVE:
        return NO_BROWSER
    return ""
