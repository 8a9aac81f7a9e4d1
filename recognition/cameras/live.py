"""Live pictures for those who watch: each camera's newest is read once a web process, however many look at it.

Everything here runs on the web server's event loop, but for the reads, which take a thread and a database connection for a
moment. Camera workers draw the pictures and write one row a camera (LiveFrame); `watched_until` tells them that somebody looks.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.utils.translation import gettext as _

from faceplatform.database.listen import FALLBACK_POLL, Arrival, Hub
from faceplatform.errors import Unavailable
from faceplatform.web import streaming
from recognition.cameras.channels import FRAMES, WATCHED, notify

logger = logging.getLogger(__name__)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

WATCHED_FOR = 10  # seconds after the last sign of somebody who watches
RENEW_SECONDS = 5.0
RIGHTS_SECONDS = 60.0
LONGEST_SECONDS = 600.0  # then the page asks again, so that nothing is kept open for ever
MOST_VIEWERS = 100  # of a web process, each with an open connection
BOUNDARY = "frame"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
DELIMITER = f"--{BOUNDARY}\r\n".encode()

# After a crash of the database the table is empty and its numbers begin anew, so another number is a newer one.
NEWER = "SELECT seq, jpeg FROM cameras_liveframe WHERE camera_id = %s AND seq IS DISTINCT FROM %s"
# A time far ahead is from before the clock was set back, and does not count.
WATCH = """
UPDATE cameras_camerastate state SET watched_until = now() + %(seconds)s * interval '1 second'
FROM (SELECT camera_id, watched_until FROM cameras_camerastate WHERE camera_id = %(camera)s FOR UPDATE) before
WHERE state.camera_id = before.camera_id
  AND (before.watched_until IS NULL OR before.watched_until NOT BETWEEN now() + %(renew)s * interval '1 second'
       AND now() + %(seconds)s * interval '1 second')
RETURNING before.watched_until IS NULL OR before.watched_until NOT BETWEEN now() AND now() + %(seconds)s * interval '1 second'
"""

hub = Hub((FRAMES,))
_threads = ThreadPoolExecutor(2, thread_name_prefix="live")
_followers: dict[UUID, "Follower"] = {}


@dataclass(frozen=True, slots=True)
class LivePicture:
    """seq: grows with each picture of a camera. jpeg: with boxes and names drawn into it."""

    seq: int
    jpeg: bytes


def newer_picture(camera_id: UUID, seq: int | None = None) -> LivePicture | None:
    """The camera's picture, if it has one that is not number `seq`."""
    with connection.cursor() as cursor:
        cursor.execute(NEWER, [camera_id, seq])
        row = cursor.fetchone()
    return LivePicture(row[0], bytes(row[1])) if row else None


def note_watched(camera_id: UUID) -> None:
    """Somebody looks at the camera's live picture now. Wakes its worker if nobody did before."""
    values: dict[str, Any] = {"camera": camera_id, "seconds": WATCHED_FOR, "renew": WATCHED_FOR - RENEW_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(WATCH, values)
        row = cursor.fetchone()
    if row and row[0]:
        notify(WATCHED, camera_id)


def arrival_of(camera_id: UUID, seq: int | None) -> Arrival:
    """A wait for a picture that is not number `seq`."""
    arrival = hub.arrival(FRAMES, [str(camera_id)])
    if newer_picture(camera_id, seq):
        arrival.note(str(camera_id))
    return arrival


def require_room() -> None:
    """Raises Unavailable if this process shows as many live pictures as it may."""
    if sum(follower.viewers for follower in list(_followers.values())) >= MOST_VIEWERS:
        raise Unavailable(_("Too many live pictures are open. Close some, or try again later."), retry_after=30)


async def watch(camera_id: UUID, may_watch: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The body of a multipart/x-mixed-replace answer.

    Ends when `may_watch`, called in a thread every RIGHTS_SECONDS, says no, after LONGEST_SECONDS, and when the database is lost.
    A client that reads slowly misses pictures; none are kept for it.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + LONGEST_SECONDS
    checks = loop.time() + RIGHTS_SECONDS
    seq = None
    async with _following(camera_id) as follower:
        yield DELIMITER
        while loop.time() < ends and not follower.lost:
            picture = await follower.next(seq, min(ends, checks) - loop.time())
            if loop.time() >= checks:
                if not await _in_thread(may_watch):
                    return
                checks = loop.time() + RIGHTS_SECONDS
            if picture is not None and picture.seq != seq:
                seq = picture.seq
                yield _part(picture)


def once(camera_id: UUID) -> Iterator[bytes]:
    """The same with the picture of now alone, for a server that cannot wait."""
    yield DELIMITER
    if picture := newer_picture(camera_id):
        yield _part(picture)


def _part(picture: LivePicture) -> bytes:
    """Browsers show a part once the next one begins, so its delimiter is sent along."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n\r\n".encode()
    return head + picture.jpeg + b"\r\n" + DELIMITER


class Follower:
    """Reads one camera's newest picture while somebody in this process watches.

    viewers: how many do. picture: the newest one. lost: no more will come, and the viewers end.
    """

    def __init__(self, camera_id: UUID) -> None:
        self.camera_id = camera_id
        self.viewers = 0
        self.picture: LivePicture | None = None
        self.lost = False
        self._changed = asyncio.Condition()
        self._task = asyncio.ensure_future(self._follow())
        streaming.at_stop.add(self._end)

    async def next(self, seq: int | None, seconds: float) -> LivePicture | None:
        """The newest picture, as soon as it is not number `seq`; after `seconds` whatever there is."""
        async with self._changed:
            try:
                async with asyncio.timeout(max(seconds, 0)):
                    await self._changed.wait_for(lambda: self.lost or (self.picture and self.picture.seq != seq))
            except TimeoutError:
                pass
            return self.picture

    def stop(self) -> None:
        streaming.at_stop.discard(self._end)
        self._task.cancel()

    def _end(self) -> None:
        """The server stops: its viewers are to end first."""
        self._task.cancel()
        self._task = asyncio.ensure_future(self._tell(lost=True))

    async def _follow(self) -> None:
        renew = 0.0
        try:
            while True:
                arrival = hub.arrival(FRAMES, [str(self.camera_id)])
                try:
                    now = asyncio.get_running_loop().time()
                    if now >= renew:
                        await _in_thread(note_watched, self.camera_id)
                        renew = now + RENEW_SECONDS
                    await self._look()
                    await asyncio.wait({asyncio.wrap_future(arrival.future)}, timeout=FALLBACK_POLL)
                finally:
                    arrival.close()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the live picture of camera %s ends: %s", self.camera_id, type(error).__name__)
            await self._tell(lost=True)

    async def _look(self) -> None:
        seq = self.picture.seq if self.picture else None
        if picture := await _in_thread(newer_picture, self.camera_id, seq):
            self.picture = picture
            await self._tell()

    async def _tell(self, *, lost: bool = False) -> None:
        async with self._changed:
            self.lost = lost
            self._changed.notify_all()


@asynccontextmanager
async def _following(camera_id: UUID) -> AsyncIterator[Follower]:
    follower = _followers.get(camera_id)
    if follower is None or follower.lost:
        follower = _followers[camera_id] = Follower(camera_id)
    follower.viewers += 1
    try:
        yield follower
    finally:
        follower.viewers -= 1
        if not follower.viewers:
            follower.stop()
            if _followers.get(camera_id) is follower:
                del _followers[camera_id]


async def _in_thread(
    work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
) -> Result:
    def run() -> Result:
        try:
            return work(*arguments, **named)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, run)
