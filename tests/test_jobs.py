"""Jobs that were queued by an earlier version still find their code."""

from procrastinate.contrib.django import app

# Names under which released versions have queued jobs. Add to them when a job moves; never take one away.
EARLIER = {
    "accounts.tasks.note_audit_head",
    "accounts.tasks.seal_audit",
    "gallery.tasks.maintain_vector_indexes",
    "recognition.tasks.clean_analyses",
    "recognition.tasks.clean_daily",
    "recognition.tasks.compute_calibration",
    "recognition.tasks.compute_health",
    "recognition.tasks.import_uploaded",
    "recognition.tasks.resume_imports",
}


def test_a_job_of_an_earlier_version_finds_its_code():
    assert set(app.tasks) >= EARLIER


def test_each_job_is_named_after_the_module_it_is_in():
    ours = {
        task
        for task in app.tasks.values()
        if task.func.__module__.split(".")[0] in ("accounts", "gallery", "recognition")
    }
    assert ours and {task.name for task in ours} == {f"{task.func.__module__}.{task.func.__name__}" for task in ours}
