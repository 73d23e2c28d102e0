"""A stateful local Stripe, for work and tests without a Stripe account. See docs/sandbox.md."""
