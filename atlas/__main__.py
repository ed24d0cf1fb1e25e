"""Run ATLAS: `python -m atlas`, and the entry point of the program."""

from atlas.cli.main import main

if __name__ == "__main__":
    main()
