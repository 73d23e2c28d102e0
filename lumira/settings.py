"""Every environment variable Lumira reads, its default and what it is for."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import limits
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from lumira.errors import SettingsError

DEFAULT_DATABASE = "lumira"
_OF_PRODUCT_ENDPOINT = "STRIPE_PRODUCT_WEBHOOK_SECRET"

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """What this process was told, from the environment and a `.env` file in the working directory.

    An empty variable counts as unset. Secrets are `SecretStr`, so they never show in a log or a traceback.
    """

    # By alias only: a field's own name would be read from the environment too, and HOME is not ours.
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    mongodb_uri: SecretStr | None = Field(default=None, validation_alias="MONGODB_URI")
    mongodb_db: str | None = Field(default=None, validation_alias="MONGODB_DB")

    stripe_secret_key: SecretStr | None = Field(default=None, validation_alias="STRIPE_SECRET_KEY")
    stripe_publishable_key: str | None = Field(default=None, validation_alias="STRIPE_PUBLISHABLE_KEY")
    # The product endpoint's own secret wins over the account-wide one, as in the system we replace.
    stripe_webhook_secret: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(_OF_PRODUCT_ENDPOINT, "STRIPE_WEBHOOK_SECRET"),
    )
    stripe_api_base: str | None = Field(default=None, validation_alias="STRIPE_API_BASE")

    home: Path = Field(default=Path(".lumira"), validation_alias="LUMIRA_HOME")
    host: str = Field(default="127.0.0.1", validation_alias="LUMIRA_HOST")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8501, validation_alias="LUMIRA_PORT")
    api_token: SecretStr | None = Field(default=None, validation_alias="LUMIRA_API_TOKEN")
    secret_key: SecretStr | None = Field(default=None, validation_alias="LUMIRA_SECRET_KEY")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), validation_alias="LUMIRA_CORS_ORIGINS"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(), validation_alias="LUMIRA_TRUSTED_PROXIES"
    )
    # Empty: the names of this machine, and LUMIRA_HOST.
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), validation_alias="LUMIRA_ALLOWED_HOSTS"
    )
    rate_limit: str = Field(default="1200/minute", validation_alias="LUMIRA_RATE_LIMIT")
    # Stripe delivers in bursts, and from few addresses.
    webhook_rate_limit: str = Field(default="3000/minute", validation_alias="LUMIRA_WEBHOOK_RATE_LIMIT")
    allow_live: bool = Field(default=False, validation_alias="LUMIRA_ALLOW_LIVE")
    timezone: str = Field(default="Europe/Paris", validation_alias="LUMIRA_TIMEZONE")
    # Without it: console where stderr is a terminal, else JSON.
    log_format: LogFormat | None = Field(default=None, validation_alias="LUMIRA_LOG_FORMAT")
    log_level: LogLevel = Field(default="info", validation_alias="LUMIRA_LOG_LEVEL")

    # By their own names: whoever runs a collector knows them.
    # https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_headers: SecretStr | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_HEADERS")
    sentry_dsn: SecretStr | None = Field(default=None, validation_alias="SENTRY_DSN")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What wins comes first: what is handed in, the environment, `.env`.

        For the library a line of `.env` gives way to each variable of the same setting; the product
        endpoint's secret is to win over the account-wide one wherever either stands.
        """
        sources = [each for each in (env_settings, dotenv_settings) if isinstance(each, EnvSettingsSource)]
        told = [secret for each in sources if (secret := each.env_vars.get(_OF_PRODUCT_ENDPOINT.lower()))]
        wins = InitSettingsSource(settings_cls, {_OF_PRODUCT_ENDPOINT: told[0]} if told else {})
        return init_settings, wins, env_settings, dotenv_settings, file_secret_settings

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("LUMIRA_TIMEZONE must be an IANA name such as Europe/Paris") from error
        return name

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        origins = _comma_separated(value)
        for origin in origins:
            address = _web_address(origin)
            if not address or f"{address.scheme}://{address.netloc}" != origin:
                raise ValueError(
                    "LUMIRA_CORS_ORIGINS must be origins such as https://example.com, separated by commas"
                )
        return origins

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        hosts = tuple(host.lower() for host in _comma_separated(value))
        for host in hosts:
            if not re.fullmatch(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", host):
                raise ValueError(
                    "LUMIRA_ALLOWED_HOSTS must be names such as lumira.example.com or *.example.com, without "
                    "scheme and port, separated by commas"
                )
        return hosts

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        try:
            return tuple(ip_network(network, strict=False) for network in _comma_separated(value))
        except ValueError as error:
            raise ValueError(
                "LUMIRA_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, separated by commas"
            ) from error

    @field_validator("rate_limit", "webhook_rate_limit")
    @classmethod
    def _known_rate(cls, rate: str) -> str:
        try:
            allowed = limits.parse(rate).amount
        except ValueError:
            allowed = 0
        if not allowed:
            raise ValueError(f"{rate} is no rate: say 120/minute, or 20/second")
        return rate

    @field_validator("mongodb_uri")
    @classmethod
    def _uri_scheme(cls, uri: SecretStr | None) -> SecretStr | None:
        if uri and not uri.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("MONGODB_URI must start with mongodb:// or mongodb+srv://")
        return uri

    @field_validator("stripe_secret_key")
    @classmethod
    def _secret_key_shape(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not key.get_secret_value().startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")):
            raise ValueError(
                "STRIPE_SECRET_KEY must start with sk_test_ or rk_test_ (a secret or restricted key)"
            )
        return key

    @field_validator("stripe_publishable_key")
    @classmethod
    def _publishable_key_shape(cls, key: str | None) -> str | None:
        # Customers' browsers get it: a secret key must never stand here.
        if key and not key.startswith(("pk_test_", "pk_live_")):
            raise ValueError("STRIPE_PUBLISHABLE_KEY must start with pk_test_ or pk_live_")
        return key

    @field_validator("stripe_api_base")
    @classmethod
    def _stripe_address(cls, base: str | None) -> str | None:
        if base and not _web_address(base):
            raise ValueError("STRIPE_API_BASE must be an address such as http://127.0.0.1:12111")
        # Paths are put behind it as they are, and Stripe knows none that begins with two slashes.
        return base.rstrip("/") if base else base

    @field_validator("otlp_endpoint")
    @classmethod
    def _collector(cls, endpoint: str | None) -> str | None:
        if endpoint and not _web_address(endpoint):
            raise ValueError(
                "OTEL_EXPORTER_OTLP_ENDPOINT must be an address such as http://127.0.0.1:4318, without "
                "/v1/traces"
            )
        return endpoint

    @field_validator("otlp_headers")
    @classmethod
    def _headers(cls, headers: SecretStr | None) -> SecretStr | None:
        if headers and not all(
            name and is_ and value
            for name, is_, value in (
                pair.partition("=") for pair in _comma_separated(headers.get_secret_value())
            )
        ):
            raise ValueError(
                "OTEL_EXPORTER_OTLP_HEADERS must be headers such as api-key=…, separated by commas"
            )
        return headers

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, dsn: SecretStr | None) -> SecretStr | None:
        address = _web_address(dsn.get_secret_value()) if dsn else None
        if dsn and not (address and address.username and address.path.strip("/")):
            raise ValueError("SENTRY_DSN must be a project's DSN such as https://key@errors.example.com/1")
        return dsn

    @model_validator(mode="after")
    def _live_on_purpose(self) -> Settings:
        if self.livemode and not self.allow_live:
            raise ValueError(
                "STRIPE_SECRET_KEY is a live key: use a test key, or set LUMIRA_ALLOW_LIVE=1 for real money"
            )
        return self

    @model_validator(mode="after")
    def _keys_of_one_mode(self) -> Settings:
        publishable = self.stripe_publishable_key
        if self.stripe_secret_key and publishable and publishable.startswith("pk_live_") != self.livemode:
            modes = ("a live key", "a test key") if self.livemode else ("a test key", "a live key")
            raise ValueError(
                f"STRIPE_SECRET_KEY is {modes[0]} and STRIPE_PUBLISHABLE_KEY is {modes[1]}: take both from "
                "the same mode, side by side in Stripe's dashboard under Developers → API keys"
            )
        return self

    @property
    def livemode(self) -> bool:
        """Whether the Stripe key moves real money."""
        return (revealed(self.stripe_secret_key) or "").startswith(("sk_live_", "rk_live_"))

    @property
    def otlp_header_values(self) -> dict[str, str]:
        """What a request to the collector carries besides: name and value, which may be percent-encoded."""
        pairs = (pair.partition("=") for pair in _comma_separated(revealed(self.otlp_headers) or ""))
        return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}

    @property
    def local_url(self) -> str:
        """Where the desk of these settings is reached from this machine, without a slash at its end."""
        # Bound to every address it answers on loopback; "localhost" may mean either of two there.
        here = {"0.0.0.0": "127.0.0.1", "localhost": "127.0.0.1", "::": "::1"}  # noqa: S104 - no binding
        host = here.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def business_timezone(self) -> ZoneInfo:
        """The zone in which the business counts its days."""
        return ZoneInfo(self.timezone)


def revealed(secret: SecretStr | None) -> str | None:
    """The text of a secret, for the library or the process that needs it; None for none."""
    return secret.get_secret_value() if secret else None


def _comma_separated(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part for item in parts if (part := str(item).strip()))  # type: ignore[attr-defined]


def _web_address(text: str) -> SplitResult | None:
    """The parts of an http or https address; None for what is none."""
    try:
        address = urlsplit(text)
    except ValueError:
        return None
    return address if address.scheme in {"http", "https"} and address.netloc else None


def load_settings(**overrides: object) -> Settings:
    """The settings of this process; `overrides` (by field name) win over the environment.

    Raises SettingsError with one line that names the variable and says what to change.
    """
    try:
        return Settings(**{_variable(name): value for name, value in overrides.items()})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            where = ", ".join(str(part) for part in problem["loc"])
            text = problem["msg"].removeprefix("Value error, ")
            problems.append(text if where in text or not where else f"{where}: {text}")
        raise SettingsError("; ".join(problems)) from None
    except OSError as error:
        raise SettingsError(
            f"The .env of {Path.cwd()} can't be read: {error.strerror}. Run this from a folder that is yours."
        ) from None


def _variable(field: str) -> str:
    """The environment variable that a field is read from, the one that wins where there are two."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)
