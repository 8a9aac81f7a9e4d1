"""Some hundred damaged photos, archives, tables, pickles, nets and manifests: read, or refused with a reason.

`python -m tests.hardening.campaign --inputs 10000` tries many more.
"""

from tests.hardening.campaign import reading

COUNT = 700


def test_damaged_files_are_read_or_refused_and_leave_nothing_behind():
    found = reading.read(seed=14, count=COUNT)
    assert found.untyped == []
    assert sum(found.answers.values()) == COUNT
    assert found.wrong() == []
    assert {word.partition(": ")[2] for word in found.answers} == {"read", "refused"}
