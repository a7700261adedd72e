"""`python -m eduhub` is the command `eduhub`."""

from eduhub.ops.cli import main

if __name__ == "__main__":
    main()
