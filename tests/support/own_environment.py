"""This process's environment without the project's settings: what leads a script is given to it alone."""

import os

from poc.settings import Settings


def own_environment() -> dict[str, str]:
    """Return it, to be changed."""
    settings = {name.upper() for name in Settings.model_fields}
    return {name: text for name, text in os.environ.items() if name not in settings}
