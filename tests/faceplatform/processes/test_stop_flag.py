"""A flag that may be set from anywhere, also from within itself."""

import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from faceplatform.processes.stop_flag import StopFlag


def test_it_wakes_every_thread_that_waits():
    flag = StopFlag()
    threads = [threading.Thread(target=flag.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert not flag.wait(0) and not flag.is_set()
    flag.set()
    flag.set()
    for thread in threads:
        thread.join(30)
    assert flag.is_set() and flag.wait() and not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("interrupted", ["wait", "set"])
def test_a_signal_in_the_middle_of_it_sets_it(interrupted):
    """A tracer raises the signal at every line inside the flag, where an Event would wait for its own lock."""
    code = f"""
    import signal, sys
    from faceplatform.processes import stop_flag
    flag = stop_flag.StopFlag()
    signal.signal(signal.SIGTERM, flag.set)
    def trace(frame, event, argument):
        if frame.f_code.co_filename == stop_flag.__file__ and frame.f_code.co_name == {interrupted!r}:
            signal.raise_signal(signal.SIGTERM)
        return trace
    sys.settrace(trace)
    flag.{interrupted}()
    sys.settrace(None)
    assert flag.is_set()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_commands_that_are_stopped_by_signals_use_it(monkeypatch):
    from recognition.management.commands import recognition_worker

    handlers = {}
    monkeypatch.setattr(recognition_worker.signal, "signal", lambda name, handler: handlers.update({name: handler}))
    monkeypatch.setattr(recognition_worker.RecognitionWorker, "run", lambda self, stop: None)
    recognition_worker.Command().handle(given_id=None)
    assert {signal.SIGTERM, signal.SIGINT} == set(handlers)
    assert all(isinstance(handler.__self__, StopFlag) for handler in handlers.values())
