"""`python -m lumira.sandbox`, the same as `lumira sandbox`."""

import typer

from lumira.sandbox.command import sandbox

if __name__ == "__main__":
    typer.run(sandbox)
