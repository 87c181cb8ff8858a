"""Metadata of a module that is nowhere, and profiles of it."""

from controller.inspection.machine import Machine
from controller.inspection.profile import against, evaluate
from protocol.module import ABI, LayerMeta, ModuleMeta, Region, TensorMeta, WeightMeta
from protocol.profiling import Timing

MACHINE = Machine("a machine", "simd", {"int8": 1e9, "float32": 5e8}, {1024: 4e9, 65536: 1e9})


def layer(name, detail="Conv 1x1 4->4", offset=0, reads=(-1,), **more):
    fields = {
        "name": name, "op": detail.split()[0], "detail": detail, "dtype": "int8", "shape": (1, 4, 8, 8),
        "macs": 1024, "weight_bytes": 64, "offset": offset, "reads": reads,
        "weights": WeightMeta(offset=4096, size=64, dtype="int8"),
    }  # fmt: skip
    return LayerMeta(**(fields | more))


PLAIN = {"macs": 0, "weight_bytes": 0, "weights": None}
LAYERS = (
    layer("/stem/conv", offset=256),
    layer("/block/left/conv", offset=512, reads=(0,)),
    layer("/block/right/conv", offset=768, reads=(0,)),
    layer("/block/add", "Add", offset=512, reads=(1, 2), **PLAIN),
    layer("</script><b>", "Relu", offset=512, reads=(3,), **PLAIN),
)


def meta(layers=LAYERS, **more):
    image = TensorMeta(name="image", dtype="int8", shape=(1, 4, 8, 8), scale=0.5, zero_point=3)
    fields = {
        "name": "toy", "version": "1.0.0", "target": "simd", "abi": ABI, "inputs": (image,),
        "outputs": (image.model_copy(update={"name": "class"}),), "layers": tuple(layers),
        "arena": Region(offset=0, size=1024), "arena_bound": 1024, "memory": 65536,
    }  # fmt: skip
    return ModuleMeta(**(fields | more))


def profile(machine=MACHINE):
    timing = Timing((1000.0, 2000.0, 3000.0, 500.0, 0.0), 6600.0, 20_000.0, 9, (1,) * 5)
    done = evaluate(meta(), timing, "here")
    return against(done, machine) if machine else done
