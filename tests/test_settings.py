"""The environment, and what is said when it is wrong."""

import subprocess
import sys

import pytest

from lumira.errors import SettingsError
from lumira.setting_sources import Source, settings_in_force
from lumira.settings import load_settings


def test_the_product_webhook_secret_wins(monkeypatch):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_account")
    assert load_settings().stripe_webhook_secret.get_secret_value() == "whsec_account"
    monkeypatch.setenv("STRIPE_PRODUCT_WEBHOOK_SECRET", "whsec_product")
    assert load_settings().stripe_webhook_secret.get_secret_value() == "whsec_product"
    monkeypatch.setenv("STRIPE_PRODUCT_WEBHOOK_SECRET", "")
    assert load_settings().stripe_webhook_secret.get_secret_value() == "whsec_account"


def test_the_product_webhook_secret_wins_wherever_it_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_account")
    (tmp_path / ".env").write_text("STRIPE_PRODUCT_WEBHOOK_SECRET=whsec_product\n")
    assert load_settings().stripe_webhook_secret.get_secret_value() == "whsec_product"
    [shown] = [one for one in settings_in_force(load_settings()) if "WEBHOOK_SECRET" in one.variable]
    assert (shown.variable, shown.source) == ("STRIPE_PRODUCT_WEBHOOK_SECRET", Source.DOTENV)
    monkeypatch.setenv("STRIPE_PRODUCT_WEBHOOK_SECRET", "whsec_other")
    assert load_settings().stripe_webhook_secret.get_secret_value() == "whsec_other"
    assert load_settings(stripe_webhook_secret="whsec_given").stripe_webhook_secret.get_secret_value() == (
        "whsec_given"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STRIPE_SECRET_KEY", "sk_live_123", "LUMIRA_ALLOW_LIVE"),
        ("STRIPE_SECRET_KEY", "rk_live_123", "LUMIRA_ALLOW_LIVE"),
        ("STRIPE_SECRET_KEY", "pk_test_123", "sk_test_"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_test_123", "pk_test_"),
        ("STRIPE_API_BASE", "localhost:12111", "such as http://127.0.0.1:12111"),
        ("LUMIRA_PORT", "eighty", "LUMIRA_PORT"),
        ("LUMIRA_PORT", "70000", "LUMIRA_PORT"),
        ("LUMIRA_TIMEZONE", "Mars/Olympus", "LUMIRA_TIMEZONE"),
        ("LUMIRA_RATE_LIMIT", "often", "say 120/minute"),
        ("LUMIRA_WEBHOOK_RATE_LIMIT", "0/minute", "say 120/minute"),
        ("LUMIRA_CORS_ORIGINS", "https://a.example/path", "such as https://example.com"),
        ("LUMIRA_CORS_ORIGINS", "http://[", "such as https://example.com"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[", "such as http://127.0.0.1:4318"),
        ("SENTRY_DSN", "https://key@[/1", "such as https://key@"),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it_and_keeps_the_secret(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    if name.startswith("STRIPE_"):
        assert value not in caught.value.message


def test_a_live_key_is_taken_on_purpose(monkeypatch):
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_123")
    monkeypatch.setenv("LUMIRA_ALLOW_LIVE", "1")
    settings = load_settings()
    assert settings.livemode
    assert "sk_live_123" not in repr(settings)


@pytest.mark.parametrize("mode", ["test", "live"])
def test_keys_of_two_modes_are_refused_and_of_one_are_taken(monkeypatch, mode):
    """A customer's browser with a key of the other mode can pay nothing, and says nothing of why."""
    monkeypatch.setenv("STRIPE_SECRET_KEY", f"sk_{mode}_123")
    monkeypatch.setenv("LUMIRA_ALLOW_LIVE", "1")
    monkeypatch.setenv("STRIPE_PUBLISHABLE_KEY", f"pk_{mode}_123")
    assert load_settings().stripe_publishable_key == f"pk_{mode}_123"
    other = {"test": "live", "live": "test"}[mode]
    monkeypatch.setenv("STRIPE_PUBLISHABLE_KEY", f"pk_{other}_123")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"STRIPE_PUBLISHABLE_KEY is a {other} key" in caught.value.message
    assert f"pk_{other}_123" not in caught.value.message


def test_without_a_secret_key_the_publishable_one_is_the_sandboxs_matter(monkeypatch):
    monkeypatch.setenv("STRIPE_PUBLISHABLE_KEY", "pk_live_123")
    assert not load_settings().livemode


def test_variables_that_are_not_ours_change_nothing(monkeypatch, tmp_path):
    """HOME and PORT once were read as LUMIRA_HOME and LUMIRA_PORT."""
    from lumira.settings import Settings

    plain = load_settings()
    for name in Settings.model_fields:
        # These are called by the variable's own name.
        if not name.startswith(("mongodb_", "stripe_", "sentry_")):
            monkeypatch.setenv(name.upper(), "1")
    assert load_settings() == plain
    assert str(load_settings().home) == ".lumira"


def test_overrides_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("LUMIRA_PORT", "8600")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_environment")
    assert load_settings().port == 8600
    settings = load_settings(port=0, stripe_webhook_secret="whsec_given")
    assert settings.port == 0
    assert settings.stripe_webhook_secret.get_secret_value() == "whsec_given"


@pytest.mark.parametrize("base", ["http://127.0.0.1:12111", "http://127.0.0.1:12111/"])
def test_the_slash_at_the_end_of_stripes_address_means_nothing(monkeypatch, base):
    monkeypatch.setenv("STRIPE_API_BASE", base)
    assert load_settings().stripe_api_base == "http://127.0.0.1:12111"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8501"),
        ("localhost", "http://127.0.0.1:8501"),
        ("0.0.0.0", "http://127.0.0.1:8501"),
        ("::", "http://[::1]:8501"),
        ("192.0.2.7", "http://192.0.2.7:8501"),
    ],
)
def test_a_desk_is_reached_on_loopback_wherever_it_listens_there(host, url):
    assert load_settings(host=host, port=8501).local_url == url


def test_a_folder_that_can_not_be_read_is_said_in_one_line(tmp_path):
    shut = tmp_path / "shut"
    shut.mkdir()
    # Root reads every folder, so it becomes nobody first.
    script = """
import os
from lumira.errors import SettingsError
from lumira.settings import load_settings
os.chmod(".", 0)
if os.geteuid() == 0:
    os.setuid(65534)
try:
    load_settings()
except SettingsError as error:
    print(error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=shut, capture_output=True, text=True, check=True
    )
    shut.chmod(0o700)
    assert "can't be read: Permission denied" in done.stdout
    assert done.stdout.count("\n") == 1
