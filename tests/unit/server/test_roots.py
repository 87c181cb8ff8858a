"""New roots at the controller: the director's next key, releases signed before and after, replays."""

from dataclasses import replace

import pytest

from controller.director_keys import DirectorKeys
from controller.keys.keyfile import NO_SECRETS
from controller.service import ConflictError
from protocol import api, cbor, cose, topics
from protocol.documents import MAX_ASSIGNMENT, Role
from protocol.errors import RefusedError
from protocol.keys import PublicKey, SoftwareKey
from protocol.trust import MANIFEST, ROOT, TrustError, decode_root
from tests.support.director import Keys
from tests.support.fleet import Fleet


def root(fleet: Fleet, version: int = 2, **keys: PublicKey) -> bytes:
    """The next root, with these keys in place of the present ones."""
    was = fleet.service.context.root
    roles = {
        name: Role(threshold=1, keys=(keys[name].id,)) if name in keys else role
        for name, role in was.roles.items()
    }
    listed = was.keys | {key.id: key.to_cose() for key in keys.values()}
    held = {kid: key for kid, key in listed.items() if any(kid in role.keys for role in roles.values())}
    document = was.model_copy(update={"version": version, "roles": roles, "keys": held})
    return cose.sign(ROOT, document.encode(), [fleet.keys.root])


def next_key(fleet: Fleet) -> PublicKey:
    return PublicKey.from_cose(cbor.decode(bytes.fromhex(fleet.service.next_director().public)))


def signer_of(fleet: Fleet, device: str) -> bytes:
    [signature] = cose.parse(
        fleet.broker.retained[topics.device(device, "desired")], max_payload=MAX_ASSIGNMENT
    ).signatures
    return signature.kid


def test_the_next_key_is_the_same_until_a_root_lists_it(fleet: Fleet) -> None:
    public = next_key(fleet)
    assert next_key(fleet) == public
    assert public != fleet.keys.director.public
    fleet.service.add_root(root(fleet, director=public))
    assert fleet.service.context.director.public == public
    assert next_key(fleet) != public


def test_assignments_are_signed_by_the_new_key_at_once(fleet: Fleet) -> None:
    device = fleet.join("dev-1")
    fleet.push(fleet.release("1.0.0"))
    assert signer_of(fleet, "dev-1") == fleet.keys.director.public.id
    generation = device.assignment().generation
    public = next_key(fleet)
    signed = root(fleet, director=public)
    fleet.service.add_root(signed)
    assert signer_of(fleet, "dev-1") == public.id
    assert device.verifier is not None
    device.verifier = device.verifier.update_root(signed)
    assert (device.assignment().generation, device.assignment().min_root) == (generation, 2)


def test_after_a_restart_under_a_newer_root_assignments_are_signed_anew(fleet: Fleet) -> None:
    fleet.join("dev-1")
    fleet.push(fleet.release("1.0.0"))
    public = next_key(fleet)
    # What `fleet keys rotate director --data` does while the controller does not run.
    fleet.kept_roots[2] = root(fleet, director=public)
    fleet.directors.keys = fleet.directors.keys[1:]
    fleet.start()
    fleet.service.intake.broker_connected(kept=True)
    assert signer_of(fleet, "dev-1") == public.id


def test_a_root_that_would_leave_this_controller_without_a_key_is_refused(fleet: Fleet) -> None:
    stranger = SoftwareKey.generate()
    with pytest.raises(ConflictError, match="lists no director's key of this controller"):
        fleet.service.add_root(root(fleet, director=stranger.public))
    assert max(fleet.service.context.roots) == 1
    assert fleet.kept_roots == {}


def test_the_newest_root_again_changes_nothing_and_others_are_refused(fleet: Fleet) -> None:
    first = fleet.service.context.roots[1]
    second = root(fleet)
    fleet.service.add_root(second)
    published = len(fleet.broker.published)
    fleet.service.add_root(second)
    assert len(fleet.broker.published) == published
    for bad in (first, root(fleet, version=4), root(fleet, version=2, release=SoftwareKey.generate().public)):
        with pytest.raises(TrustError):
            fleet.service.add_root(bad)


def test_a_release_is_signed_by_the_next_key_before_the_root_is_there(fleet: Fleet) -> None:
    """Devices under the old root and under the new one accept it, whichever comes first."""
    fleet.join("dev-1")
    release = fleet.release("1.0.0")
    fleet.push(release)
    following = SoftwareKey.generate()
    payload = cose.parse(bytes.fromhex(release.signed), max_payload=4096).payload
    both = cose.sign(MANIFEST, payload, [fleet.keys.release, following])
    assert fleet.service.releases.register(both).manifest == release.manifest
    retained = fleet.broker.retained[topics.manifest(bytes.fromhex(release.manifest))]
    assert {one.kid for one in cose.parse(retained, max_payload=4096).signatures} == {
        fleet.keys.release.public.id, following.public.id,
    }  # fmt: skip
    fleet.service.add_root(root(fleet, release=following.public))
    assert fleet.service.releases.get("crop-model", "1.0.0").signers == [following.public.id.hex()]
    fleet.push(release)


def test_nobody_displaces_a_signature_that_counts(fleet: Fleet) -> None:
    release = fleet.release("1.0.0")
    payload = cose.parse(bytes.fromhex(release.signed), max_payload=4096).payload
    good = cose.make_signature(MANIFEST, payload, fleet.keys.release)
    with pytest.raises(RefusedError):
        fleet.service.releases.register(cose.assemble(payload, [(good[0], bytes(64))]))
    fleet.service.releases.register(cose.assemble(payload, [(good[0], bytes(64)), good]))
    kept = fleet.service.releases.get("crop-model", "1.0.0")
    assert kept.signers == [fleet.keys.release.public.id.hex()]
    assert len(cose.parse(bytes.fromhex(kept.signed), max_payload=4096).signatures) == 1


def test_what_a_revoked_key_signed_is_pushed_no_more(fleet: Fleet) -> None:
    fleet.join("dev-1")
    release = fleet.release("1.0.0")
    fleet.push(release)
    fleet.push(fleet.release("1.1.0", key=2))
    following = SoftwareKey.generate()
    fleet.service.add_root(root(fleet, release=following.public))
    with pytest.raises(RefusedError, match="which root 2 does not list for role release") as caught:
        fleet.push(release)
    assert "fleet release sign crop-model 1.0.0" in str(caught.value.remedy)
    with pytest.raises(RefusedError, match="does not list"):
        fleet.service.rollouts.rollback(api.RollbackRequest(model="crop-model", group="farm-a"))
    payload = cose.parse(bytes.fromhex(release.signed), max_payload=4096).payload
    fleet.service.releases.register(cose.sign(MANIFEST, payload, [following]))
    fleet.push(release)


class TestFiles:
    """The keys in the controller's folder, whatever moment a power cut chose."""

    @pytest.fixture
    def keys(self) -> Keys:
        return Keys.new()

    def write(self, tmp_path, keys):
        (tmp_path / "director.key").write_text(keys.director.seed.hex())
        (tmp_path / "director.key").chmod(0o600)
        return DirectorKeys(tmp_path, NO_SECRETS)

    def listing(self, keys, director):
        signed = replace(keys, director=director).signed_root(2)
        return decode_root(cose.parse(signed, max_payload=16384).payload)

    def test_the_key_that_a_root_lists_is_found_in_either_file(self, tmp_path, keys):
        files = self.write(tmp_path, keys)
        public = files.next()
        waiting = SoftwareKey.from_seed(bytes.fromhex((tmp_path / "director-next.key").read_text()))
        assert waiting.public == public
        assert files.of(self.listing(keys, keys.director)).public == keys.director.public
        assert files.of(self.listing(keys, waiting)).public == public
        assert files.of(self.listing(keys, SoftwareKey.generate())) is None

    def test_settling_takes_the_old_key_away_and_can_be_repeated(self, tmp_path, keys):
        files = self.write(tmp_path, keys)
        files.next()
        waiting = SoftwareKey.from_seed(bytes.fromhex((tmp_path / "director-next.key").read_text()))
        files.settle(self.listing(keys, keys.director))
        assert (tmp_path / "director-next.key").exists()
        for _ in range(2):
            files.settle(self.listing(keys, waiting))
        assert [path.name for path in tmp_path.iterdir()] == ["director.key"]
        assert (tmp_path / "director.key").read_text().strip() == waiting.seed.hex()
        assert (tmp_path / "director.key").stat().st_mode & 0o777 == 0o600
