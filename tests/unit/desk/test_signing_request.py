"""Files to sign: what enters them, what is refused, when they are complete."""

import pytest

from controller.keys import RoleChange, SigningError, SigningRequest, StrangeRootError, next_root
from controller.keys.request import ask, manifest_item, signed_item
from protocol.documents import Manifest
from protocol.trust import Verifier
from tests.support.simulator import NOW, Repository, key


@pytest.fixture
def fleet():
    """Two of three root keys, one release key; root 2 is the newest."""
    owner = Repository(
        signers={"root": ("a", "b", "c"), "release": ("release",), "director": ("director",)},
        thresholds={"root": 2},
    )
    chain = [owner.root(["a", "b"])]
    owner.version = 2
    chain.append(owner.root(["b", "c"]))
    return owner, chain


@pytest.fixture
def request_(fleet):
    """Root 3 with another release key, and a release to be signed by it, too."""
    owner, chain = fleet
    change = RoleChange((key("release-2").public,), frozenset({key("release").public.id}))
    root = next_root(
        Verifier.enrol("x", chain[0]).update_root(chain[1]).root, {"release": change}, issued=NOW
    )
    return ask(chain, root, [signed_item(owner.manifest(), owner.root_document())], NOW, "desk-7")


def sign(request, *names):
    return request.sign([key(name) for name in names])


def missing(request):
    return [need.missing for item in request.items for need in request.needs(item)]


def test_it_is_complete_when_old_and_new_keys_have_signed(request_):
    assert missing(request_) == [2, 2, 1]
    assert not request_.complete
    request = sign(request_, "a", "release-2")
    assert missing(request) == [1, 1, 0]
    request = sign(request, "c")
    assert request.complete
    assert (
        Verifier.enrol("x", request.roots[0])
        .update_root(request.roots[1])
        .update_root(request.items[0].signed)
        .root
        == request.root
    )


def test_the_manifest_keeps_the_signature_by_the_key_that_goes(request_, fleet):
    owner, chain = fleet
    request = sign(request_, "a", "b", "release-2")
    manifest, wanted = request.items[1].signed, owner.manifest_digest()
    device = Verifier.enrol("dev-0042", chain[0]).update_root(chain[1])
    device.check_manifest("crop-model", manifest, wanted)
    device.update_root(request.items[0].signed).check_manifest("crop-model", manifest, wanted)


def test_a_stranger_and_a_second_signature_by_one_key_add_nothing(request_):
    request = sign(request_, "a")
    assert sign(request, "a", "stranger", "director", "release") == request
    assert key("a").public.id not in request.wanted()
    assert set(request.wanted()) == {key(name).public.id for name in ("b", "c", "release-2")}


def test_nobody_signs_more_than_is_needed(request_):
    request = sign(request_, "a", "b", "c", "release-2")
    assert len(request.items[0].signatures) == 2


def test_it_travels_as_bytes(request_):
    request = sign(request_, "a")
    assert SigningRequest.read(request.encode(), "x") == request


def test_copies_signed_in_different_places_are_put_together(request_):
    copies = [sign(request_, "a"), sign(request_, "c"), sign(request_, "release-2")]
    merged = copies[0].merge(copies[1], "c").merge(copies[2], "d").merge(copies[0], "again")
    assert merged.complete
    assert len(merged.items[0].signatures) == 2


def test_copies_of_different_files_are_not(request_, fleet):
    owner, chain = fleet
    other = ask(chain, None, [manifest_item(owner.manifest_document(sequence=9).encode())], NOW, "")
    with pytest.raises(SigningError, match="different signatures"):
        request_.merge(other, "other.sign")


def altered(request, **change):
    return request.model_copy(update=change).encode()


def test_every_truncation_and_every_flipped_byte_is_refused_or_means_the_same(request_):
    """A flipped bit never leaves a file that asks for something else and reads as complete."""
    request = sign(request_, "a", "b", "release-2")
    data = request.encode()
    for length in range(0, len(data), 37):
        with pytest.raises((SigningError, StrangeRootError)):
            SigningRequest.read(data[:length], "x")
    for place in range(0, len(data), 11):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            read = SigningRequest.read(flipped, "x")
        except (SigningError, StrangeRootError):
            continue
        same = [item.payload for item in read.items] == [item.payload for item in request.items]
        assert same or not read.complete


def test_a_chain_with_a_gap_or_a_forged_root_is_refused(request_, fleet):
    owner, chain = fleet
    with pytest.raises(StrangeRootError):
        SigningRequest.read(altered(request_, roots=(chain[1], chain[0])), "x")
    with pytest.raises(StrangeRootError, match="root 2 would be next"):
        SigningRequest.read(altered(request_, roots=(chain[0],)), "x")
    with pytest.raises(StrangeRootError, match="root 1 would be next"):
        SigningRequest.read(altered(request_, roots=()), "x")
    owner.version = 2
    with pytest.raises(StrangeRootError, match="chain of roots is broken"):
        SigningRequest.read(altered(request_, roots=(chain[0], owner.root(["a"]))), "x")


def test_only_roots_and_manifests_of_their_form_are_signed(request_, fleet):
    owner, chain = fleet
    for payload in (owner.assignment_document().encode(), b"", b"\xa0", owner.root_document().encode()):
        with pytest.raises(SigningError):
            SigningRequest.read(
                SigningRequest(roots=tuple(chain), items=(manifest_item(payload),), made=NOW).encode(), "x"
            )
    Manifest.decode(request_.items[1].payload)
    with pytest.raises(SigningError, match="nothing to sign"):
        SigningRequest.read(altered(request_, items=()), "x")
    with pytest.raises(SigningError, match="first document"):
        SigningRequest.read(altered(request_, items=request_.items[::-1]), "x")


def test_a_signature_that_does_not_verify_is_named(request_):
    forged = request_.items[0].with_signature(sign(request_, "a").items[0].signatures[0].protected, bytes(64))
    with pytest.raises(SigningError, match=f"signature of key {key('a').public.id.hex()} does not verify"):
        SigningRequest.read(altered(request_, items=(forged, request_.items[1])), "x")


def test_signatures_do_not_pile_up_over_the_years(fleet):
    """A manifest has room for sixteen; each rotation adds one and takes the oldest away."""
    owner, chain = fleet
    manifest = owner.manifest()
    device = Verifier.enrol("dev-0042", chain[0]).update_root(chain[1])
    for number in range(20):
        name = f"release-{number}"
        change = RoleChange((key(name).public,), frozenset(device.root.roles["release"].keys))
        root = next_root(device.root, {"release": change}, issued=NOW + number)
        request = sign(ask(chain, root, [signed_item(manifest, device.root)], NOW, ""), "a", "b", name)
        assert request.complete
        manifest = request.items[1].signed
        assert len(request.items[1].signatures) == 2
        chain.append(request.items[0].signed)
        device = device.update_root(chain[-1])
        device.check_manifest("crop-model", manifest, owner.manifest_digest())
