"""Hypothesis strategies for every document of `protocol`."""

from hypothesis import strategies as st

from protocol.commands import Command, LayerTimes, Result
from protocol.documents import (
    Assignment,
    Capabilities,
    Chunk,
    Desired,
    Fault,
    GoldenCase,
    IndexPage,
    Manifest,
    ModelReport,
    NonceAnswer,
    Report,
    Role,
    Root,
    Slot,
    Target,
    Telemetry,
    Usage,
)
from protocol.enrolment import Invitation
from protocol.module import LayerMeta, ModuleMeta, Region, TensorMeta, WeightMeta
from protocol.trust import TrustState
from tests.support.simulator import key

uints = st.integers(0, 2**63 - 1) | st.integers(0, 300)
seconds = st.integers(0, 2**40 - 1)
names = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,62}\Z")
versions = st.from_regex(r"\A[0-9A-Za-z][0-9A-Za-z.+-]{0,31}\Z")
words = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,31}\Z")
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40)
digests = st.binary(min_size=32, max_size=32)
kids = st.binary(min_size=8, max_size=8)
reals = st.floats(allow_nan=False, allow_infinity=False)
rates = st.floats(0, allow_infinity=False)
pairs = st.tuples(uints, uints)
cose_keys = st.sampled_from([key(name).public.to_cose() for name in ("a", "b", "hsm")])


def many(items, most=3):
    return st.lists(items, max_size=most).map(tuple)


def optional(items):
    return st.none() | items


def by_name(values):
    return st.dictionaries(names, values, max_size=3)


roles = st.builds(Role, threshold=st.integers(1, 16), keys=many(kids))
targets = st.builds(
    Target, size=uints, sha256=digests, index=digests, abi=pairs, memory=uints, deadline=uints
)
desired = st.builds(
    Desired,
    manifest=digests,
    mode=words,
    replace=optional(st.booleans()),
    observe=optional(pairs),
    attempt=optional(uints),
    content_key=optional(st.binary(max_size=96)),
)
chunks = st.builds(Chunk, digest=digests, length=uints)
golden = st.builds(GoldenCase, outputs=digests, inputs=optional(many(chunks)), seed=optional(uints))
faults = st.builds(
    Fault, code=words, text=texts, layer=optional(uints), at=optional(seconds), manifest=optional(digests)
)
slots = st.builds(Slot, manifest=digests, version=versions, sequence=uints, target=names)
usages = st.builds(
    Usage, inferences=uints, failures=uints, p50_us=uints, p95_us=uints, rate=rates, total=uints
)
model_reports = st.builds(
    ModelReport,
    state=words,
    running=optional(slots),
    wanted=optional(digests),
    have=uints,
    size=uints,
    reused=uints,
    golden=optional(pairs),
    fault=optional(faults),
    usage=optional(usages),
    received=uints,
)
capabilities = st.builds(
    Capabilities,
    device_class=names,
    targets=many(names),
    abi=uints,
    memory=uints,
    agent=texts,
    platform=texts,
    storage=optional(uints),
)
shapes = st.lists(uints, max_size=4).map(tuple)
regions = st.builds(Region, offset=uints, size=uints)
tensors = st.builds(
    TensorMeta,
    name=texts,
    dtype=words,
    shape=shapes,
    scale=optional(reals),
    zero_point=optional(st.integers(-(2**31), 2**31 - 1)),
    labels=optional(many(texts)),
)
layers = st.builds(
    LayerMeta,
    name=texts,
    op=texts,
    detail=texts,
    dtype=words,
    shape=shapes,
    macs=uints,
    weight_bytes=uints,
    offset=uints,
    reads=optional(many(st.integers(-(2**31), 2**31 - 1))),
    scratch=optional(regions),
    weights=optional(st.builds(WeightMeta, offset=uints, size=uints, dtype=words)),
    order=optional(shapes),
)
command_ids = st.binary(min_size=16, max_size=16)
layer_times = st.builds(
    LayerTimes,
    manifest=digests,
    version=versions,
    target=names,
    layers=many(uints),
    run=uints,
    call=uints,
    rounds=uints,
    times=many(uints),
)

DOCUMENTS = {
    "root": st.builds(
        Root,
        version=st.integers(1, 2**63 - 1),
        issued=seconds,
        expires=seconds,
        keys=st.dictionaries(kids, cose_keys, max_size=3),
        roles=st.fixed_dictionaries({"root": roles, "release": roles, "director": roles}),
        floors=by_name(uints),
    ),
    "manifest": st.builds(
        Manifest,
        model=names,
        version=versions,
        sequence=uints,
        floor=uints,
        classes=many(names),
        provenance=digests,
        targets=by_name(targets),
        content_key=optional(kids),
    ),
    "assignment": st.builds(
        Assignment,
        device=names,
        generation=uints,
        models=by_name(desired),
        min_root=uints,
        issued=seconds,
        expires=seconds,
    ),
    "nonce-answer": st.builds(
        NonceAnswer,
        device=names,
        nonce=st.binary(min_size=16, max_size=32),
        now=seconds,
        generation=uints,
        min_root=uints,
    ),
    "index-page": st.builds(
        IndexPage,
        next=optional(digests),
        chunks=many(chunks),
        golden=many(golden),
        trace=many(kids),
    ),
    "report": st.builds(
        Report,
        device=names,
        boot=uints,
        sequence=uints,
        root=uints,
        generation=uints,
        stale=st.booleans(),
        models=by_name(model_reports),
        missing=many(digests),
        capabilities=optional(capabilities),
        fault=optional(faults),
        clock=optional(seconds),
    ),
    "telemetry": st.builds(
        Telemetry,
        device=names,
        boot=uints,
        sequence=uints,
        models=by_name(usages),
        versions=by_name(versions),
    ),
    "invitation": st.builds(
        Invitation,
        device=names,
        device_class=names,
        controller=texts,
        broker=texts,
        token=texts,
        root=st.binary(max_size=100),
        certificate=optional(st.binary(max_size=100)),
    ),
    "trust-state": st.builds(
        TrustState,
        device=names,
        root=st.binary(max_size=100),
        generation=uints,
        issued=seconds,
        min_root=uints,
        assignment=optional(st.binary(max_size=100)),
        floors=by_name(uints),
    ),
    "fleet-meta": st.builds(
        ModuleMeta,
        name=names,
        version=versions,
        target=names,
        abi=uints,
        inputs=many(tensors),
        outputs=many(tensors),
        layers=many(layers),
        arena=regions,
        arena_bound=uints,
        memory=uints,
        state=optional(regions),
        provenance=st.dictionaries(texts, texts, max_size=3),
    ),
    "command": st.builds(
        Command,
        device=names,
        id=command_ids,
        issued=seconds,
        expires=seconds,
        command=words,
        model=names,
        rounds=optional(st.integers(0, 1000)),
    ),
    "result": st.builds(
        Result, device=names, id=command_ids, fault=optional(faults), profile=optional(layer_times)
    ),
}
