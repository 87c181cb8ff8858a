"""Model projects near the working directory, for completion; the compiler's project file loads them."""

from pathlib import Path


def project_names(start: Path) -> list[str]:
    """Names of the folders with a `model.toml` in the nearest `modules/` at or above `start`."""
    for folder in (start, *start.parents):
        modules = folder / "modules"
        if modules.is_dir():
            return sorted(path.parent.name for path in modules.glob("*/model.toml"))
    return []
