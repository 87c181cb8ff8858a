"""The bill of materials of a release, CycloneDX 1.6 in JSON.

What the modules contain: the quantized graph, the compiler with its kernels. What they were made with: the
packages whose versions can change a build. The same build on the same desk gives the same bytes: no time, and
the serial number follows from the content.
"""

from collections.abc import Mapping
from importlib.metadata import metadata, version
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from controller.releases.tools import TOOLS
from protocol.chunks import sha256
from protocol.documents import Target

if TYPE_CHECKING:
    from controller.compiler import Build, ModelProject

_PRODUCT = "modelfleet"


def bill(build: "Build", origin: Mapping[str, str], targets: Mapping[str, Target]) -> bytes:
    """Describe a release.

    Args:
        build: From the compiler.
        origin: Its provenance.
        targets: Its modules, cut.
    """
    model = Component(
        name=build.name,
        version=build.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"{build.name}@{build.version}",
        components=[_module(build.name, name, target) for name, target in targets.items()],
    )
    compiler = _package(_PRODUCT, ComponentType.APPLICATION, origin["compiler"])
    parts = [
        _file(
            _onnx_name(build.project), ComponentType.MACHINE_LEARNING_MODEL, origin["onnx"], "the float model"
        ),
        _file("graph.cbor", ComponentType.DATA, origin["graph"], "the graph that was compiled"),
        compiler,
    ]
    if "calibration" in origin:
        parts.append(_file("calibration", ComponentType.DATA, origin["calibration"], "calibration data"))
    about = BomMetaData(
        component=model,
        tools=ToolRepository(components=[_package(name, ComponentType.LIBRARY) for name in TOOLS]),
        properties=[Property(name=f"fleet:{key}", value=value) for key, value in sorted(origin.items())],
    )
    about.timestamp = None  # type: ignore[assignment]  # the format lets it out, the library means to
    bom = Bom(metadata=about, components=parts)
    bom.register_dependency(model, parts)
    content = "".join(target.sha256.hex() for target in targets.values()) + repr(sorted(origin.items()))
    bom.serial_number = uuid5(NAMESPACE_URL, sha256(content.encode()).hex())
    return JsonV1Dot6(bom).output_as_string(indent=1).encode() + b"\n"


def _onnx_name(project: "ModelProject") -> str:
    return project.onnx or (project.source.member if project.source else project.name)


def _hash(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _module(model: str, name: str, target: Target) -> Component:
    return Component(
        name=f"{model}-{name}.wasm",
        type=ComponentType.FILE,
        bom_ref=f"module:{name}",
        hashes=[_hash(target.sha256.hex())],
        properties=[Property(name="fleet:target", value=name)],
    )


def _file(name: str, kind: ComponentType, digest: str, description: str) -> Component:
    return Component(
        name=name, type=kind, bom_ref=f"sha256:{digest}", description=description, hashes=[_hash(digest)]
    )


def _package(name: str, kind: ComponentType, digest: str | None = None) -> Component:
    """An installed package; the digest is that of its sources that decide what a module contains."""
    number = version(name)
    about = metadata(name)
    expression = about["License-Expression"] if "License-Expression" in about else ""  # noqa: SIM401 - it has no get
    return Component(
        name=name,
        version=number,
        type=kind,
        bom_ref=f"pypi:{name}",
        purl=PackageURL("pypi", name=name, version=number),
        licenses=[LicenseFactory().make_from_string(expression)] if expression else [],
        hashes=[_hash(digest)] if digest else [],
    )
