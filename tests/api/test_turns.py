"""Deliveries go two at a time where the store is near, and never wait for one that takes its time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumira.api.turns import AT_ONCE, Turns


def busy() -> None:
    """Runs Python for so short a moment that a busy machine seldom takes the processor away meanwhile."""
    ends = time.thread_time() + 0.0002
    while time.thread_time() < ends:
        pass


def test_what_runs_python_goes_two_at_a_time():
    turns, most, lock = Turns(patience=60), [], threading.Lock()
    under_way = 0

    def work(_number: int) -> None:
        nonlocal under_way
        with turns.take():
            with lock:
                under_way += 1
                most.append(under_way)
            busy()
            with lock:
                under_way -= 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(40)))
    assert max(most) <= AT_ONCE


def test_one_runs_while_another_one_waits():
    turns, together = Turns(patience=60), threading.Barrier(AT_ONCE, timeout=30)

    def wait(_number: int) -> None:
        with turns.take():
            together.wait()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(wait, range(AT_ONCE)))


def test_what_mostly_waits_goes_at_once_and_takes_turns_again_when_it_no_longer_does():
    turns = Turns(patience=60)
    for _ in range(8):
        with turns.take():
            time.sleep(0.005)
    together = threading.Barrier(4, timeout=30)

    def wait(_number: int) -> None:
        with turns.take():
            together.wait()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(wait, range(4)))
    for _ in range(8):
        with turns.take():
            busy()
    came = threading.Event()

    def come() -> None:
        with turns.take():
            came.set()

    with ThreadPoolExecutor(1) as other:
        with turns.take(), turns.take():
            other.submit(come)
            assert not came.wait(timeout=0.2)
        assert came.wait(timeout=30)


def test_nobody_waits_long_for_one_that_takes_its_time():
    turns, others_are_done = Turns(), threading.Event()

    def slow() -> bool:
        with turns.take():
            return others_are_done.wait(timeout=30)

    def quick(_number: int) -> None:
        with turns.take():
            busy()

    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(slow)
        list(threads.map(quick, range(20)))
        others_are_done.set()
        assert first.result()


def test_a_failure_ends_its_turn():
    turns = Turns(patience=60)
    for _ in range(AT_ONCE + 1):
        with pytest.raises(ValueError, match="wrong"), turns.take():
            raise ValueError("wrong")
