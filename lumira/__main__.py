"""`python -m lumira` is `lumira`."""

from lumira.cli import main

main()
