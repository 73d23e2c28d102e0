"""The signing key: the setting's, or one made once and kept where only its owner reads it."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from lumira.errors import SettingsError
from lumira.secret_key import FILE, secret_key


def test_the_setting_wins_and_nothing_is_written(settings):
    given = settings.model_copy(update={"secret_key": SecretStr("of the deployment")})
    assert secret_key(given) == b"of the deployment"
    assert not (settings.home / FILE).exists()


def test_whoever_starts_at_once_agrees_on_one_key_that_stays(settings):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: secret_key(settings), range(8)))
    assert keys == {secret_key(settings)}
    assert len(keys.pop()) >= 43
    assert stat.S_IMODE((settings.home / FILE).stat().st_mode) == 0o600
    assert [file.name for file in settings.home.iterdir()] == [FILE]


def test_a_key_that_cannot_be_kept_is_said(settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="LUMIRA_SECRET_KEY"):
        secret_key(settings.model_copy(update={"home": tmp_path / "file"}))


def test_an_empty_key_is_none(settings):
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / FILE).write_text("\n")
    with pytest.raises(SettingsError, match="empty"):
        secret_key(settings)
