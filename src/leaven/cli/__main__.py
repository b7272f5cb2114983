"""``python -m leaven.cli``, for launchers that want a module."""

from leaven.cli import main

if __name__ == "__main__":
    main()
