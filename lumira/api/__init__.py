"""The HTTP API: the contract's routes on FastAPI, mounted under /api."""
