"""Run ATLAS: `python -m atlas`, and the entry point of the program."""

import gc


def main() -> None:
    """Run the program."""
    gc.set_threshold(100_000)  # what loads stays: looking for garbage in it every 700 objects costs 5 % of a start
    from atlas.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
