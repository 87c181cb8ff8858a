import pytest

from protocol.boards import BOARD, KeyMixError, check_keys, check_signers, key_types
from protocol.trust import TrustError, Verifier
from tests.support.simulator import DEVICE, MODEL, Repository, key

_ROLES = Repository().signers


def _owner(threshold, *release):
    return Repository(signers=_ROLES | {"release": release}, thresholds={"release": threshold})


def test_key_types_of_each_role():
    found = key_types(_owner(1, "release", "hsm", "hsm-b").root_document())
    assert found == {
        "root": {"Ed25519": 1},
        "release": {"Ed25519": 1, "ES256": 2},
        "director": {"Ed25519": 1},
    }


@pytest.mark.parametrize(
    ("threshold", "release"),
    [(1, ("hsm",)), (2, ("release", "hsm")), (2, ("hsm", "hsm-b", "hsm-c", "release"))],
)
def test_a_role_that_no_board_could_obey_is_refused(threshold, release):
    owner = _owner(threshold, *release)
    with pytest.raises(KeyMixError, match="a board could not verify role release") as caught:
        check_keys(owner.root_document())
    assert "Ed25519" in caught.value.remedy
    board = Verifier.enrol(DEVICE, owner.root(), BOARD)
    with pytest.raises(TrustError, match="valid signatures"):
        board.check_manifest(MODEL, owner.manifest(), owner.manifest_digest())


@pytest.mark.parametrize(
    ("threshold", "release"), [(1, ("hsm", "release")), (2, ("release", "release-b", "hsm"))]
)
def test_a_mix_that_a_board_can_obey_passes(threshold, release):
    owner = _owner(threshold, *release)
    check_keys(owner.root_document())
    board = Verifier.enrol(DEVICE, owner.root(), BOARD)
    assert board.check_manifest(MODEL, owner.manifest(), owner.manifest_digest()).model == MODEL


def test_signatures_that_suffice_on_linux_only():
    owner = _owner(2, "release", "release-b", "hsm")
    root, names = owner.root_document(), ("release", "hsm", "other", "release-b")
    kids = [key(name).public.id for name in names]
    with pytest.raises(KeyMixError, match="1 of the 2 signatures"):
        check_signers(root, "release", kids[:3])
    with pytest.raises(KeyMixError, match="1 of the 2 signatures"):
        check_signers(root, "release", [kids[0], kids[0]])
    check_signers(root, "release", kids)
