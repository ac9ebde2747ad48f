"""`python -m trackline`: the command line without its script."""

from trackline.cli import main

main()
