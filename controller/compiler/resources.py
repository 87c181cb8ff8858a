"""Finds the C sources and the oracle: in a checkout where they live, in a wheel inside `controller`."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from controller.compiler.errors import CompileError

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent


def _find(shipped: str, source: str) -> Path:
    for place in (_PACKAGE / shipped, _CHECKOUT / source):
        if place.is_dir():
            return place
    raise CompileError(
        f"{source} is missing: neither in the installed package nor in a checkout",
        where=str(_PACKAGE),
        remedy="reinstall: pip install --force-reinstall 'modelfleet[controller]'",
    )


def kernels() -> Path:
    """Folder of the C kernels."""
    return _find("_kernels", "modules/kernels")


def abi() -> Path:
    """Folder of `fleet_abi.h`."""
    return _find("_abi", "modules/abi")


@cache
def oracle() -> ModuleType:
    """The oracle's package. It is loaded by its place: no code of the compiler may import it."""
    name = "fleet_oracle"
    folder = _find("_oracle", "tests/oracle")
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise CompileError(f"the oracle in {folder} cannot be loaded", remedy="reinstall the package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def compiler_files() -> list[Path]:
    """Every source that decides what a module contains, in a fixed order."""
    folders = {Path(__file__).resolve().parent: "*.py", kernels(): "*.[ch]", abi(): "*.h"}
    files = [path for folder, pattern in folders.items() for path in sorted(folder.rglob(pattern))]
    return [*files, kernels() / "compile_flags.txt"]
