"""Each setting as this process has it, and where it came from; secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import AliasChoices, SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from lumira.connection_string import MASK, hosts_and_database
from lumira.settings import Settings

# Variables of programs beside the desk, which read them themselves.
_OTHERS: Final = frozenset({"LUMIRA_SANDBOX_KEY", "LUMIRA_SANDBOX_WEBHOOK_SECRET"})
# A key of Stripe says by its beginning what it is, by its end which one: its dashboard shows as much.
_STRIPE_KEY: Final = re.compile(r"((?:[srp]k_(?:test|live)|whsec)_).{12,}(.{4})", re.DOTALL)


class Source(StrEnum):
    """Where a setting came from."""

    ENVIRONMENT = "environment"
    DOTENV = ".env"
    DEFAULT = "default"
    LUMIRA = "lumira"


@dataclass(frozen=True)
class Setting:
    """One setting: its `variable`, its `value` as it may be shown (None when unset), and its `source`.

    The source is LUMIRA where `lumira run` found the value itself: its store, its sandbox, a free port.
    """

    variable: str
    value: str | None
    source: Source


def settings_in_force(settings: Settings) -> list[Setting]:
    """Every setting of `settings`, in the order in which they are declared."""
    told = _told()
    return [_setting(settings, name, told) for name in Settings.model_fields]


def unknown_variables() -> list[str]:
    """Variables that are named like ours and that nothing reads, such as a misspelt one."""
    known = {variable for name in Settings.model_fields for variable in variables(name)} | _OTHERS
    told = {name.upper() for values in _told().values() for name in values}
    return sorted(name for name in told - known if name.startswith("LUMIRA_"))


def overridden_variables() -> list[str]:
    """Variables whose line in `.env` is without effect, because the environment says something else."""
    environment, dotenv = _told().values()
    known = [variable for name in Settings.model_fields for variable in variables(name)]
    return [
        variable
        for variable in known
        if _given(environment, variable)
        and _given(dotenv, variable)
        and _given(environment, variable) != _given(dotenv, variable)
    ]


def variables(field: str) -> list[str]:
    """The environment variables that a field is read from, the one that wins first."""
    alias = Settings.model_fields[field].validation_alias
    return [str(choice) for choice in (alias.choices if isinstance(alias, AliasChoices) else [alias])]


def is_told(variable: str) -> bool:
    """Whether the environment or `.env` says something for this variable."""
    return any(_given(told, variable) for told in _told().values())


def variable_to_set(field: str) -> str:
    """The variable to set so that its value counts: the one that wins, where it is in use already."""
    names = variables(field)
    return next(filter(is_told, names), names[-1])


def masked(value: object) -> str:
    """A value as it may be shown: of a secret nothing, of a key of Stripe its kind and its last four
    characters, of a connection string its hosts and its database.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else _written(value)
    if text.startswith(("mongodb://", "mongodb+srv://")):
        return hosts_and_database(text)
    if key := _STRIPE_KEY.fullmatch(text):
        return f"{key[1]}…{key[2]}"
    return MASK if isinstance(value, SecretStr) else text


def _told() -> dict[Source, Mapping[str, Any]]:
    """What the environment and `.env` say, by variable in lower case."""
    return {
        Source.ENVIRONMENT: EnvSettingsSource(Settings).env_vars,
        Source.DOTENV: DotEnvSettingsSource(Settings).env_vars,
    }


def _given(told: Mapping[str, Any], variable: str) -> str | None:
    # An empty variable counts as unset.
    return told.get(variable.lower()) or None


def _setting(settings: Settings, name: str, told: Mapping[Source, Mapping[str, Any]]) -> Setting:
    value, names = getattr(settings, name), variables(name)
    shown = None if value in (None, ()) else masked(value)
    # The winning variable wins wherever it stands.
    for source, variable in ((source, variable) for variable in names for source in told):
        if (given := _given(told[source], variable)) is None:
            continue
        in_force = value.get_secret_value() if isinstance(value, SecretStr) else _written(value)
        if str(given) == in_force or not isinstance(value, str | int | SecretStr):
            return Setting(variable, shown, source)
        return Setting(variable, shown, Source.LUMIRA)
    is_default = value == Settings.model_fields[name].default
    return Setting(names[0], shown, Source.DEFAULT if is_default else Source.LUMIRA)


def _written(value: object) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(part) for part in value)
    return str(value)
