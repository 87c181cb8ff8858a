"""Topics and enrolment."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol import topics
from protocol.enrolment import report_key, report_key_id


@pytest.mark.parametrize("leaf", sorted(topics.DEVICE_LEAVES))
def test_device_topics_come_back(leaf):
    topic = topics.device("dev-0042", leaf)
    assert topics.parse_device(topic) == ("dev-0042", leaf)
    assert topics.every_device(leaf) == topic.replace("dev-0042", "+")


@given(st.text(max_size=70))
def test_no_name_leaves_its_level(name):
    try:
        topic = topics.device(name, "desired")
    except topics.BadNameError:
        return
    assert topic.count("/") == 4
    assert not set("+#\0 ") & set(topic)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "fleet/v1/d/x",
        "fleet/v1/d/x/other",
        "fleet/v2/d/x/desired",
        "fleet/v1/d//desired",
        "fleet/v1/d/X/desired",
        "fleet/v1/d/x/infer",
        "fleet/v1/d/x/desired/",
        "x/fleet/v1/d/x/desired",
        "fleet/v1/d/x\n/desired",
    ],
)
def test_other_topics_are_none(topic):
    assert topics.parse_device(topic) is None


def test_unknown_leaves_are_a_mistake_of_the_program():
    for call in (lambda: topics.device("x", "other"), lambda: topics.every_device("other")):
        with pytest.raises(ValueError, match="other"):
            call()


def test_content_topics():
    assert topics.root(3) == "fleet/v1/root/3"
    assert topics.manifest(b"\xab") == "fleet/v1/manifest/ab"
    assert topics.chunk(b"\xcd") == "fleet/v1/chunk/cd"


def test_both_ends_derive_the_same_report_key():
    ours, theirs = (X25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    ends = [
        report_key(own.private_bytes_raw(), other.public_key().public_bytes_raw(), "dev-0042")
        for own, other in ((ours, theirs), (theirs, ours))
    ]
    assert ends[0] == ends[1]
    assert len(ends[0]) == 32
    another = report_key(ours.private_bytes_raw(), theirs.public_key().public_bytes_raw(), "dev-0043")
    assert another != ends[0]
    assert report_key_id(another) != report_key_id(ends[0])


def test_a_peer_of_small_order_is_refused():
    with pytest.raises(ValueError):  # noqa: PT011 - cryptography's message may change
        report_key(bytes([1]) * 32, bytes(32), "dev-0042")
