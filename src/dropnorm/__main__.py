"""`python -m dropnorm`: the command line, where it is not on the path."""

from dropnorm.cli import main

if __name__ == "__main__":
    main()
