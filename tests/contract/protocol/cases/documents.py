"""One good document of each kind, by its rule in `protocol/cddl`."""

from protocol import cose
from protocol.commands import RESULT, LayerTimes, Result
from protocol.confidential import wrap
from protocol.documents import (
    Capabilities,
    Chunk,
    Desired,
    Fault,
    GoldenCase,
    IndexPage,
    ModelReport,
    NonceAnswer,
    Report,
    Slot,
    Telemetry,
    Usage,
)
from protocol.enrolment import Invitation, report_key_id
from protocol.message import Message
from protocol.module import ABI, LayerMeta, ModuleMeta, Region, TensorMeta, WeightMeta
from protocol.trust import REPORT, TELEMETRY, TrustState
from tests.contract.protocol.cases import commands
from tests.contract.protocol.cases.form import Case, accept, case
from tests.support.simulator import DEVICE, MODEL, NOW, Repository, digest


def cases() -> list[Case]:
    owner = Repository(floors={MODEL: 2})
    hsm = Repository(signers=owner.signers | {"release": ("release", "hsm")})
    report, telemetry, result = _report(), _telemetry(), _result()
    key = digest("report key")
    documents: dict[str, list[Message]] = {
        "root": [owner.root_document(), hsm.root_document()],
        "manifest": [owner.manifest_document(), owner.manifest_document(content_key=digest("key")[:8])],
        "assignment": [
            owner.assignment_document(),
            owner.assignment_document(models={MODEL: _desired(owner)}),
        ],
        "nonce-answer": [
            NonceAnswer(device=DEVICE, nonce=bytes(range(16)), now=NOW, generation=7, min_root=1)
        ],
        "index-page": [_page(), IndexPage(trace=(bytes(8),))],
        "report": [report, Report(device=DEVICE, boot=1, sequence=0, root=1, generation=0, stale=False)],
        "telemetry": [telemetry],
        "invitation": [_invitation(owner)],
        "trust-state": [TrustState(device=DEVICE, root=owner.root(), floors={MODEL: 3})],
        "fleet-meta": [_meta()],
        "command": [commands.command(), commands.command(rounds=20)],
        "result": [result, Result(device=DEVICE, id=commands.ID, fault=Fault(code="busy", text="busy"))],
    }
    envelopes = {
        "signed-root": owner.root(),
        "signed-manifest": owner.manifest(),
        "signed-assignment": owner.assignment(),
        "signed-nonce-answer": owner.nonce_answer(bytes(range(16))),
        "commanded": commands.signed(commands.command()),
        "wrapped-key": wrap(digest("content key"), key),
        "resulted": cose.mac0(RESULT, result.encode(), key, report_key_id(key)),
        "reported": cose.mac0(REPORT, report.encode(), key, report_key_id(key)),
        "telemetered": cose.mac0(TELEMETRY, telemetry.encode(), key, report_key_id(key)),
    }
    return [
        *(
            case(f"{rule} {number}", "decode", accept(), rule=rule, document=document.encode())
            for rule, messages in documents.items()
            for number, document in enumerate(messages)
        ),
        *(
            case(rule, "decode_envelope", accept(), rule=rule, document=document)
            for rule, document in envelopes.items()
        ),
    ]


def _desired(owner: Repository) -> Desired:
    return Desired(
        manifest=owner.manifest_digest(), mode="shadow", replace=True, observe=(20, 30), attempt=2,
        content_key=bytes(72),
    )  # fmt: skip


def _page() -> IndexPage:
    chunk = Chunk(digest=digest("chunk"), length=4096)
    return IndexPage(
        next=digest("next"),
        chunks=(chunk, chunk),
        golden=(
            GoldenCase(outputs=digest("out"), inputs=(chunk,)),
            GoldenCase(outputs=digest("out"), seed=7),
        ),
        trace=(bytes(8), bytes(range(8))),
    )


def _report() -> Report:
    fault = Fault(
        code="golden",
        text="first difference in layer conv_12 (/features/3/conv, Conv 1x1 96->24)",
        layer=12,
        at=NOW,
        manifest=digest("wanted"),
    )
    model = ModelReport(
        state="failed",
        running=Slot(manifest=digest("running"), version="1.2.0", sequence=4, target="simd"),
        wanted=digest("wanted"),
        have=14_600,
        size=20_276,
        reused=5324,
        golden=(1, 4),
        fault=fault,
        usage=Usage(inferences=120, failures=1, p50_us=310, p95_us=440, rate=9.5, total=4120),
        received=9276,
    )
    return Report(
        device=DEVICE,
        boot=3,
        sequence=14,
        root=1,
        generation=41,
        stale=False,
        models={MODEL: model},
        missing=(digest("chunk"),),
        capabilities=Capabilities(
            device_class="linux",
            targets=("simd", "mvp"),
            abi=ABI,
            memory=1 << 26,
            agent="0.1.0",
            platform="x86_64",
            storage=1 << 30,
        ),
        fault=fault,
        clock=NOW,
    )


def _telemetry() -> Telemetry:
    return Telemetry(
        device=DEVICE,
        boot=3,
        sequence=9,
        models={MODEL: Usage(inferences=7, rate=0.1)},
        versions={MODEL: "1.2.0"},
    )


def _invitation(owner: Repository) -> Invitation:
    return Invitation(
        device=DEVICE,
        device_class="linux",
        controller="http://127.0.0.1:7400",
        broker="mqtt://127.0.0.1:7401",
        token="one-time",  # noqa: S106 - a test's
        root=owner.root(),
        certificate=b"\x30\x03\x02\x01\x05",
    )


def _result() -> Result:
    times = LayerTimes(
        manifest=digest("manifest"), version="1.2.0", target="simd", layers=(40_000, 3_820_000),
        run=3_900_000, call=20_000_000, rounds=574, times=(256, 27),
    )  # fmt: skip
    return Result(device=DEVICE, id=commands.ID, profile=times)


def _meta() -> ModuleMeta:
    layer = LayerMeta(
        name="/conv1/Conv",
        op="Conv",
        detail="Conv 3x3 4->32",
        dtype="int8",
        shape=(1, 32, 3, 3),
        macs=10_368,
        weight_bytes=1152,
        offset=17_408,
        reads=(-1,),
        scratch=Region(offset=17_696, size=96),
        weights=WeightMeta(offset=1024, size=1152, dtype="int8"),
        order=(0, 2, 3, 1),
    )
    alike = layer.model_copy(update={"name": "/conv2/Conv", "reads": (0,), "scratch": None})
    return ModuleMeta(
        name=MODEL,
        version="1.2.0",
        target="simd",
        abi=ABI,
        inputs=(TensorMeta(name="image", dtype="int8", shape=(1, 4, 3, 3), scale=0.0078125, zero_point=-1),),
        outputs=(
            TensorMeta(name="class", dtype="float32", shape=(1, 6), labels=("a", "b", "c", "d", "e", "f")),
        ),
        layers=(layer, alike),
        arena=Region(offset=16_384, size=6144),
        arena_bound=6144,
        memory=65_536,
        state=Region(offset=32_768, size=64),
        provenance={"compiler": "0.1.0"},
    )
