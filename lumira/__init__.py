"""The payment desk of Oracle Lumira: PaymentIntents, orders and revenue on Stripe and MongoDB."""

__version__ = "0.1.0"
