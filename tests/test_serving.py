"""What is opened and closed around a server."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from lumira.errors import SettingsError
from lumira.serving import open_desk, opened


def test_background_work_that_stripe_holds_does_not_hold_the_end_of_a_desk(settings):
    answers, done = threading.Event(), threading.Event()

    def work(_desk, _stopped):
        answers.wait(20)
        done.set()

    with opened(settings, work) as desk:
        pass
    # Nor is the store taken away from it meanwhile.
    with closing(desk.store):
        assert not done.is_set()
        desk.store.ping()
    answers.set()


def test_a_desk_that_could_sign_nothing_does_not_open(settings, tmp_path):
    (tmp_path / "full").write_text("no folder")
    with (
        pytest.raises(SettingsError, match="LUMIRA_SECRET_KEY"),
        open_desk(settings.model_copy(update={"home": tmp_path / "full"})),
    ):
        pass
