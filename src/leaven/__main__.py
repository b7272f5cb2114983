"""``python -m leaven`` is the ``leaven`` command."""

from leaven.utils.look_up import forget_current_folder

if __name__ == "__main__":
    forget_current_folder()  # before anything else is imported
    from leaven.cli import main

    main()
