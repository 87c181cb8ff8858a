"""Reads an ONNX file and refuses what is not a sound one."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped] # ships no types

from controller.compiler.errors import BrokenModelError, UnsupportedError
from controller.compiler.frontend.external import load_external
from controller.compiler.frontend.rewrites import REWRITES

OLDEST_OPSET = 7
NEWEST_OPSET = onnx.defs.onnx_opset_version()
STANDARD = ("", "ai.onnx")
MAX_NAME = 512
MAX_REASON = 300
"""Characters of what ONNX's checker says."""
UNNAMED = "model.onnx"
"""What a model is called that was never in a file."""
MAX_FILE_BYTES = (1 << 31) - 1
"""What protobuf can read."""

Model = str | Path | bytes | onnx.ModelProto
"""A file, the bytes of one, or a model in memory."""


@dataclass(frozen=True)
class Source:
    """A model as it was read.

    Attributes:
        name: Of the file; "model.onnx" for one that was never in a file.
        model: Checked, with external data loaded. Nobody changes it.
        opset: Of the standard domain.
        digest: SHA-256 of the file and of its external data, hexadecimal.
    """

    name: str
    model: onnx.ModelProto
    opset: int
    digest: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.name}, opset {self.opset}"

    def opset_of(self, domain: str) -> int:
        """The version that the model uses of a domain; 1 if it does not say."""
        if domain in STANDARD:
            return self.opset
        return next((int(e.version) for e in self.model.opset_import if e.domain == domain), 1)


def read(given: Model) -> Source:
    """Read and check a model.

    Raises:
        BrokenModelError: Not ONNX, truncated, inconsistent, cyclic, of an opset that is not 7 … newest, or
            with external data missing.
        UnsupportedError: An operator that ONNX does not know.
    """
    if isinstance(given, onnx.ModelProto):
        data, path = _serialized(given), Path(UNNAMED)
    elif isinstance(given, bytes):
        data, path = given, Path(UNNAMED)
    else:
        path = Path(given)
        data = _file(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise BrokenModelError(
            f"{path.name} is not an ONNX file, or it is truncated ({len(data):,} bytes)",
            where=str(path),
            remedy="export or download it again",
        ) from error
    if not model.graph.node and not model.graph.output:
        raise BrokenModelError(
            f"{path.name} holds no graph", where=str(path), remedy="give a model exported as .onnx"
        )
    _readable_names(path, model)
    opset = _opset(path, model)
    digest = sha256(data)
    folder = path.parent if isinstance(given, str | Path) else None
    load_external(model, path, folder, digest.update)
    _known_operators(path, model, opset)
    _made_before_read(path, model.graph)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise BrokenModelError(
            f"{path.name} is not a valid ONNX model: {reason}", where=str(path), remedy="export it again"
        ) from error
    return Source(path.name, model, opset, digest.hexdigest())


def _file(path: Path) -> bytes:
    """The bytes of a file; a pipe or a device could have no end."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise BrokenModelError(f"{path} is not a file", remedy="give a model exported as .onnx")
        if size > MAX_FILE_BYTES:
            raise BrokenModelError(
                f"{path.name} has {size:,} bytes; an ONNX file has at most {MAX_FILE_BYTES:,}",
                where=str(path),
                remedy="save its weights as external data",
            )
        return path.read_bytes()
    except OSError as error:
        raise BrokenModelError(
            f"cannot read {path}: {error.strerror}", remedy="check the name of the file"
        ) from error


def _serialized(model: onnx.ModelProto) -> bytes:
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except (EncodeError, ValueError) as error:
        raise BrokenModelError(
            f"the model cannot be written as a file: {error}",
            remedy="save its weights as external data, and give the file",
        ) from error


def _readable_names(path: Path, model: onnx.ModelProto) -> None:
    """Protobuf hands out names that are not UTF-8 as bytes, and takes any control character.

    Names of tensors reach people and metadata verbatim, so they are held to what those can show; names
    of nodes are cleaned later.
    """
    names: list[object] = [entry.domain for entry in model.opset_import]
    tensors: list[object] = []
    for node in model.graph.node:
        if any(attribute.ref_attr_name for attribute in node.attribute):
            raise BrokenModelError(
                f"node {node.name} ({node.op_type}) refers to an attribute of a function, and is in none",
                where=str(path),
                remedy="export it again",
            )
        names += [node.name, node.op_type, node.domain, *(a.name for a in node.attribute)]
        tensors += [*node.input, *node.output]
    tensors += [value.name for value in (*model.graph.input, *model.graph.output, *model.graph.initializer)]
    for value in (*model.graph.input, *model.graph.output):
        names += [dim.dim_param for dim in value.type.tensor_type.shape.dim]
    text = all(isinstance(name, str) for name in (*names, *tensors))
    if not text or not all(str(name).isprintable() and len(str(name)) <= MAX_NAME for name in tensors):
        raise BrokenModelError(
            f"{path.name} is damaged: a name in it is not text of at most {MAX_NAME} characters",
            where=str(path),
            remedy="export it again",
        )


def _opset(path: Path, model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if not versions and any(node.domain in STANDARD for node in model.graph.node):
        raise BrokenModelError(f"{path.name} names no ONNX opset", where=str(path), remedy="export it again")
    if not versions:
        return NEWEST_OPSET
    if not OLDEST_OPSET <= versions[0] <= NEWEST_OPSET:
        raise BrokenModelError(
            f"{path.name} uses opset {versions[0]}; {OLDEST_OPSET} to {NEWEST_OPSET} compile",
            where=str(path),
            remedy="convert it: onnx.version_converter.convert_version(model, 17)",
        )
    return int(versions[0])


def _known_operators(path: Path, model: onnx.ModelProto, opset: int) -> None:
    """ONNX's checker would say the same, without naming the node."""
    # Bounded as ONNX's lookup takes it; the standard domain's version is checked by now.
    versions = {entry.domain: min(max(int(entry.version), 1), 1 << 30) for entry in model.opset_import}
    functions = {(function.domain, function.name) for function in model.functions}
    for index, node in enumerate(model.graph.node):
        domain = "" if node.domain in STANDARD else node.domain
        version = opset if domain == "" else versions.get(domain, 1)
        if (node.domain, node.op_type) in functions | REWRITES.keys() or onnx.defs.has(
            node.op_type, version, domain
        ):
            continue
        known = any(schema.domain == domain for schema in onnx.defs.get_all_schemas())
        why = (
            f"opset {version}{f' of {domain}' if domain else ''} has no such operator"
            if known
            else f"operators of the domain {domain} have no kernels"
        )
        raise UnsupportedError(
            node.name or f"{node.op_type}_{index}",
            node.op_type,
            why,
            where=f"{path.name}, opset {opset}",
            remedy="export with standard operators only; docs/operators.md lists what compiles",
        )


def _made_before_read(path: Path, graph: onnx.GraphProto) -> None:
    """ONNX's checker would say the same, without telling a cycle from a name that nothing makes."""
    known = {"", *(value.name for value in graph.input), *(tensor.name for tensor in graph.initializer)}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    makers = {name: node for node in graph.node for name in node.output}
    for index, node in enumerate(graph.node):
        missing = next((name for name in node.input if name not in known), None)
        if missing is not None:
            maker = makers.get(missing)
            layer = f"{node.name or f'{node.op_type}_{index}'} ({node.op_type})"
            why = "nothing makes"
            if maker is not None:
                itself = "the node itself" if maker is node else f"{maker.name or 'a node'} ({maker.op_type})"
                why = f"{itself} makes only after it: the graph is cyclic, or its nodes are not in order"
            raise BrokenModelError(
                f"node {layer} reads {missing}, which {why}",
                where=str(path),
                remedy="export it again",
                layer=layer,
            )
        known.update(node.output)
