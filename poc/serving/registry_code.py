"""Functions that a registry holds: Feast keeps them pickled, and runs them in whatever reads the registry."""

from typing import Any, NoReturn

from poc.errors import RegistryHoldsCode
from poc.settings import Settings


def refuse_registry_code(settings: Settings) -> None:
    """Let this process load no pickled function from now on, unless `REGISTRY_CODE=run`.

    Feast loads those of on-demand and stream views by `dill.loads`, whenever it lists them; what it is given
    there raises `RegistryHoldsCode`. Nothing else that a server reads is pickled.
    """
    if settings.registry_code == "refuse":
        import dill

        dill.loads = _refuse


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RegistryHoldsCode
