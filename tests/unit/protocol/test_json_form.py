"""Documents inside HTTP resources: bytes are hexadecimal text in JSON, and come back as bytes."""

from protocol import api
from protocol.documents import Fault, ModelReport, Slot

DIGEST = bytes(range(32))


def test_a_report_survives_json():
    fault = Fault(code="golden", text="differs", layer=3, manifest=DIGEST)
    slot = Slot(manifest=DIGEST, version="1.0.0", sequence=1, target="simd")
    report = ModelReport(state="failed", running=slot, wanted=DIGEST, golden=(1, 4), fault=fault)
    model = api.WantedModel(wanted="1.0.0", running=None, state="failed", report=report)
    text = model.model_dump_json()
    assert DIGEST.hex() in text
    assert api.WantedModel.model_validate_json(text) == model
