"""`python -m controller.cli`."""

from controller.cli.entry import main

main()
