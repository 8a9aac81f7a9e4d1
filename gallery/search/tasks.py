"""The background job that maintains the vector indexes."""

from procrastinate.contrib.django import app

from faceplatform.processes.jobs import MAINTENANCE
from gallery.search.indexing import maintain_indexes


@app.periodic(cron="*/5 * * * *")
@app.task(
    queue=MAINTENANCE,
    queueing_lock="vector-indexes",
    pass_context=False,
    aliases=["gallery.tasks.maintain_vector_indexes"],
)
def maintain_vector_indexes(timestamp: int = 0) -> None:
    """Builds an index for galleries that have grown large, and drops those of galleries that have shrunk."""
    maintain_indexes()
