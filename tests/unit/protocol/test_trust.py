"""Properties of the rules under an owner and an attacker who act in any order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.keys import EDDSA
from protocol.trust import TrustError, Verifier, check_meta, read_root
from tests.contract.protocol.cases.modules import meta
from tests.support.simulator import DAY, DEVICE, MODEL, NOW, Repository, target


class Fleet(RuleBasedStateMachine):
    """The owner rotates, releases and assigns; the attacker replays what was ever published."""

    def __init__(self):
        super().__init__()
        self.owner = Repository()
        self.now = NOW
        self.counter = 0
        self.generation = 0
        self.roots = [self.owner.root()]
        self.assignments = []
        self.accepted = []
        self.manifests = {}
        self.device = Verifier.enrol(DEVICE, self.roots[0])
        self.floor = 0

    @rule(role=st.sampled_from(["root", "release", "director"]), more=st.booleans())
    def rotate(self, role, more):
        self.counter += 1
        name = f"{role}-{self.counter}"
        kept = self.owner.signers[role][-1:] if more else ()
        self.roots.append(self.owner.rotate(role, *kept, name))

    @rule()
    def release(self):
        sequence = len(self.manifests) + 1
        self.manifests[self.owner.manifest_digest(sequence)] = self.owner.manifest(sequence)

    @rule(bump=st.booleans())
    def assign(self, bump):
        self.generation += bump
        self.assignments.append(self.owner.assignment(self.generation, issued=self.now))

    @rule(days=st.integers(0, 10))
    def time_passes(self, days):
        self.now += days * DAY + 1

    @precondition(lambda self: self.assignments)
    @rule(data=st.data())
    def replay_assignment(self, data):
        document = data.draw(st.sampled_from(self.assignments))
        before = self.device.state
        try:
            self.device, accepted = self.device.accept_assignment(document, self.now)
        except TrustError:
            return
        self.accepted.append(document)
        state = self.device.state
        assert accepted.device == DEVICE
        assert self.now < accepted.expires
        assert (state.generation, state.issued) >= (before.generation, before.issued)
        assert state.min_root >= before.min_root
        assert state.min_root <= self.device.root.version
        assert not self.device.is_stale(self.now)

    @rule(data=st.data())
    def replay_root(self, data):
        document = data.draw(st.sampled_from(self.roots))
        before = self.device
        try:
            self.device = before.update_root(document)
        except TrustError:
            assert read_root(document).version != before.root.version + 1
            return
        assert self.device.root.version == before.root.version + 1
        if self.device.state.generation < before.state.generation:
            # The counts went back, so nothing that was accepted before may be accepted again.
            for old in self.accepted:
                with pytest.raises(TrustError, match=r"does not list|valid signatures"):
                    self.device.accept_assignment(old, 0)

    @precondition(lambda self: self.manifests)
    @rule(data=st.data(), confirm=st.booleans())
    def offer_release(self, data, confirm):
        digest = data.draw(st.sampled_from(list(self.manifests)))
        try:
            manifest = self.device.check_manifest(MODEL, self.manifests[digest], digest)
        except TrustError:
            return
        assert manifest.sequence >= self.floor
        if confirm:
            self.device = self.device.confirm(manifest.model_copy(update={"floor": manifest.sequence}))
            self.floor = max(self.floor, manifest.sequence)

    @precondition(lambda self: self.assignments)
    @rule(thief=st.sampled_from(["release", "other", "root"]))
    def forge_assignment(self, thief):
        forged = self.owner.assignment(self.generation + 1, (thief,), issued=self.now)
        with pytest.raises(TrustError):
            self.device.accept_assignment(forged, self.now)

    @invariant()
    def floors_never_sink(self):
        assert self.device.state.floors.get(MODEL, 0) == self.floor


Fleet.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestFleet = Fleet.TestCase


def test_a_device_that_slept_through_ten_roots_catches_up():
    owner = Repository()
    device = Verifier.enrol(DEVICE, owner.root())
    roots = [owner.rotate(role, f"{role}-{n}") for n in range(4) for role in ("root", "release", "director")]
    for document in roots:
        device = device.update_root(document)
    assert device.root.version == 13
    assert device.accept_assignment(owner.assignment(1), NOW)[1].generation == 1


def test_fast_forward_is_recovered_by_a_new_director_and_nothing_old_comes_back():
    owner = Repository()
    device = Verifier.enrol(DEVICE, owner.root())
    early = owner.assignment(1)
    device, _ = device.accept_assignment(owner.assignment(2**63 - 1), NOW)
    device = device.update_root(owner.rotate("director", "director-2"))
    assert device.state.assignment is None
    with pytest.raises(TrustError, match="does not list"):
        device.accept_assignment(early, NOW)
    device, accepted = device.accept_assignment(owner.assignment(1), NOW)
    assert accepted.generation == 1


def test_a_second_director_key_does_not_open_the_door_to_replays():
    owner = Repository()
    device = Verifier.enrol(DEVICE, owner.root())
    early = owner.assignment(1)
    device, _ = device.accept_assignment(owner.assignment(2), NOW)
    device = device.update_root(owner.rotate("director", "director", "director-2"))
    with pytest.raises(TrustError, match="older"):
        device.accept_assignment(early, NOW)


def test_a_raised_director_threshold_resets_only_when_the_old_keys_cannot_reach_it():
    owner = Repository(signers=Repository().signers | {"director": ("a", "b")})
    device = Verifier.enrol(DEVICE, owner.root())
    device, _ = device.accept_assignment(owner.assignment(5), NOW)
    owner.thresholds["director"] = 2
    assert device.update_root(owner.rotate("director", "a", "b", "c")).state.generation == 5
    owner.version -= 1
    assert device.update_root(owner.rotate("director", "a", "c")).state.generation == 0


def test_a_board_counts_ed25519_only():
    owner = Repository(signers=Repository().signers | {"release": ("hsm", "release")})
    board = Verifier.enrol(DEVICE, owner.root(), frozenset({EDDSA}))
    linux = Verifier.enrol(DEVICE, owner.root())
    by_hsm = owner.manifest(5, ("hsm",))
    linux.check_manifest(MODEL, by_hsm, owner.manifest_digest(5))
    with pytest.raises(TrustError, match="0 valid signatures"):
        board.check_manifest(MODEL, by_hsm, owner.manifest_digest(5))
    board.check_manifest(MODEL, owner.manifest(5, ("hsm", "release")), owner.manifest_digest(5))


def test_expiry_makes_stale_and_stops_nothing_else():
    owner = Repository()
    device, _ = Verifier.enrol(DEVICE, owner.root()).accept_assignment(owner.assignment(1), NOW)
    assert not device.is_stale(NOW)
    assert device.is_stale(NOW + 7 * DAY)
    assert device.assignment().models
    assert not Verifier.enrol(DEVICE, owner.root()).is_stale(NOW)
    assert Verifier.enrol(DEVICE, owner.root()).assignment().generation == 0


@pytest.mark.parametrize(
    "change", [{"name": "frost"}, {"version": "2"}, {"target": "simd"}, {"memory": 65537}, {"abi": 2}]
)
def test_a_module_of_another_release_is_refused_by_its_metadata(change):
    right = target("mvp", memory=65536)
    manifest = Repository().manifest_document(version="1.0.0", targets={"mvp": right})
    check_meta(meta(), manifest, "mvp")
    with pytest.raises(TrustError) as caught:
        check_meta(meta(**change), manifest, "mvp")
    assert (caught.value.rule, caught.value.code) == (11, "metadata")
