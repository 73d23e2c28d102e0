"""A stateful local Stripe, for work and tests without a Stripe account. See docs/sandbox.md."""

from lumira.sandbox.app import create_app

__all__ = ["create_app"]
