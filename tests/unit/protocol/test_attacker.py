"""No sequence of an attacker's moves makes a device run, or take, what the owner did not sign.

The machine is also run against verifiers with one rule broken each; it must then find a way in.
"""

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protocol import cose, trust
from protocol.documents import Assignment
from protocol.errors import FleetError
from protocol.trust import Verifier
from tests.support.attacker import OTHER, Attacker, Owner, payload
from tests.support.simulator import DAY, DEVICE, MODEL, NOW, digest, key

_BYTES = st.integers(1, 255)


class Siege(RuleBasedStateMachine):
    """Owner, attacker and one device; asserts compare the device with `Owner.truth` alone."""

    @initialize(settled=st.booleans())
    def begin(self, settled):
        self.owner, self.attacker, self.now = Owner(), Attacker(), NOW
        self.device = Verifier.enrol(DEVICE, self.owner.first_root)
        self.floor = 0
        self.modules = [b"\0asm\1\0\0\0" + digest("evil")]
        for withdraw in (False, True):
            self._release(withdraw=withdraw, model=MODEL)
            self.owner.assign(self._newest(), device=DEVICE, now=self.now)
        if settled:
            self._deliver_everything(self.owner.published)

    def _newest(self):
        return list(self.owner.truth.manifests)[-1]

    def _release(self, *, withdraw, model):
        name = self.owner.release(withdraw=withdraw, model=model)
        self.modules.append(self.owner.truth.modules[name])

    def _director_is_stolen(self):
        listed = set(self.device.root.roles["director"].keys)
        return any(key(name).public.id in listed for name in self.attacker.stolen["director"])

    # --- the owner

    @rule(role=st.sampled_from(["root", "release", "director"]))
    def rotate(self, role):
        self.owner.rotate(role)

    @rule(withdraw=st.booleans(), model=st.sampled_from([MODEL, MODEL, "frost"]))
    def release(self, withdraw, model):
        self._release(withdraw=withdraw, model=model)

    @rule(data=st.data(), device=st.sampled_from([DEVICE, DEVICE, OTHER]))
    def assign(self, data, device):
        name = data.draw(st.sampled_from(sorted(self.owner.truth.manifests)))
        self.owner.assign(name, device=device, now=self.now)

    @rule(days=st.integers(0, 9))
    def time_passes(self, days):
        self.now += days * DAY + 1

    # --- the attacker

    @rule(role=st.sampled_from(["root", "release", "director"]))
    def steal(self, role):
        self.attacker.steal(role, self.owner.repository.signers[role])

    @rule(sequence=st.integers(0, 9), twice=st.booleans(), ahead=st.integers(0, 3))
    def forge_release(self, sequence, twice, ahead):
        name, _, _ = self.attacker.forge_manifest(self.owner.repository, sequence=sequence, twice=twice)
        self._forge_assignment(name, ahead)

    @rule(data=st.data(), ahead=st.integers(0, 3))
    def forge_assignment(self, data, ahead):
        self._forge_assignment(data.draw(st.sampled_from(sorted(self.owner.truth.manifests))), ahead)

    def _forge_assignment(self, name, ahead):
        generation = min(max(self.owner.generation, self.device.state.generation) + ahead, 2**63 - 1)
        self.attacker.forge_assignment(
            name, generation=generation, min_root=self.device.root.version, now=self.now
        )

    @rule(step=st.integers(0, 2))
    def forge_root(self, step):
        self.attacker.forge_root(self.owner.repository, version=self.device.root.version + step)

    @rule(data=st.data())
    def splice(self, data):
        documents = st.sampled_from(self.owner.published)
        self.attacker.splice(data.draw(documents), data.draw(documents))

    @rule(data=st.data(), place=st.integers(0, 4000), value=_BYTES)
    def change(self, data, place, value):
        self.attacker.change(data.draw(st.sampled_from(self.owner.published)), place, value)

    # --- the broker is the attacker's: it delivers anything, as anything

    def _draw(self, data):
        return data.draw(st.sampled_from([*self.owner.published, *self.attacker.air]))

    @rule(data=st.data())
    def deliver_root(self, data):
        self._deliver_root(self._draw(data))

    def _deliver_root(self, document):
        try:
            self.device = self.device.update_root(document)
        except FleetError:
            return
        assert payload(document) in self.owner.truth.roots, "a root that the owner did not sign"

    @rule(data=st.data())
    def deliver_assignment(self, data):
        self._deliver_assignment(self._draw(data))

    def _deliver_assignment(self, document):
        before = self.device.state
        try:
            self.device, accepted = self.device.accept_assignment(document, self.now)
        except FleetError:
            return
        signed = payload(document) in self.owner.truth.assignments
        assert signed or self._director_is_stolen(), "an assignment that the owner did not sign"
        assert accepted.device == DEVICE, "another device's assignment"
        assert self.now < accepted.expires, "an expired assignment"
        assert accepted.generation >= before.generation, "rollback of the assignment"

    @precondition(lambda self: self.device.state.assignment is not None)
    @rule(data=st.data(), confirm=st.booleans())
    def deliver_release(self, data, confirm):
        """What the device does with a manifest and module bytes, both from the attacker's hand."""
        wasm = data.draw(st.sampled_from(self.modules))
        self._install(
            self._draw(data), [wasm[: data.draw(st.sampled_from([None, None, -1]))]], confirm=confirm
        )

    @rule()
    def flood(self):
        self._deliver_everything([*self.owner.published, *self.attacker.air])

    @rule()
    def flood_backwards(self):
        self._deliver_everything([*self.attacker.air[::-1], *self.owner.published[::-1]])

    def _deliver_everything(self, documents):
        """As everything it could be: it reaches far in few moves."""
        for document in documents:
            self._deliver_root(document)
        for document in documents:
            self._deliver_assignment(document)
        for document in documents:
            self._install(document, self.modules, confirm=True)

    def _install(self, document, modules, *, confirm):
        assignment = self.device.assignment()
        for model, desired in assignment.models.items():
            try:
                self.device.check_fresh(assignment, self.now)
                manifest = self.device.check_manifest(model, document, desired.manifest)
            except FleetError:
                continue
            for wasm in modules:
                try:
                    trust.check_module(wasm, manifest.targets["simd"])
                except FleetError:
                    continue
                self._judge(model, manifest, wasm, confirm=confirm)

    def _judge(self, model, manifest, wasm, *, confirm):
        truth, name = self.owner.truth, digest(manifest.encode())
        assert name in truth.manifests, "a release that the owner did not sign"
        assert truth.manifests[name].model == model, "another model's release"
        assert truth.modules[name] == wasm, "a module that the owner did not build"
        held = Assignment.decode(payload(self.device.state.assignment))
        assert held.models[model].manifest == name, "a release that was not assigned"
        assert self.now < held.expires, "installed under an expired assignment"
        if model == MODEL:
            assert manifest.sequence >= self.floor, "a withdrawn release"
            if confirm:
                self.device = self.device.confirm(manifest)
                self.floor = max(self.floor, truth.manifests[name].floor)


def _settings(examples, **more):
    return settings(
        max_examples=examples, stateful_step_count=30, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck), **more,
    )  # fmt: skip


def test_no_sequence_of_moves_gets_anything_in():
    chosen = random.SystemRandom().randrange(1 << 32)
    print("seed", chosen)  # noqa: T201 - to repeat a failure
    run_state_machine_as_test(
        seed(chosen)(type("Siege", (Siege,), {})), settings=_settings(120, database=None)
    )


def _relaxed(method, **forgotten):
    """`method` on a device that has forgotten parts of its state."""
    original = getattr(Verifier, method)

    def relaxed(self, *given):
        result = original(replace(self, state=self.state.model_copy(update=forgotten)), *given)
        if method != "accept_assignment":
            return result
        kept = result[0].state.model_copy(update={"floors": self.state.floors, "device": self.state.device})
        return replace(self, state=kept), result[1]

    return relaxed


def _one_is_enough(self, kind, signed, root, role, *, rule):
    if not signed.signers(kind, self._keys(root, role)):
        raise trust.TrustError(rule, "signature", "nobody has signed")


def _any_digest(self, model, data, wanted, original=Verifier.check_manifest):
    return original(self, model, data, digest(payload(data)))


def _never(*_given):
    """In place of a check: nothing is wrong."""


def _everyone(_signed, _kind, keys):
    return set(keys)


_BROKEN = {
    "R3: signatures are not verified": (cose.Signed, "signers", _everyone),
    "R3: one signature is enough": (Verifier, "_require", _one_is_enough),
    "R4: any device's assignment": (
        Verifier,
        "accept_assignment",
        _relaxed("accept_assignment", device=OTHER),
    ),
    "R5: generations may go back": (
        Verifier,
        "accept_assignment",
        _relaxed("accept_assignment", generation=0, issued=0),
    ),
    "R7: nothing expires": (Verifier, "check_fresh", _never),
    "R8: any manifest": (Verifier, "check_manifest", _any_digest),
    "R10: floors are forgotten": (Verifier, "check_manifest", _relaxed("check_manifest", floors={})),
    "R11: any module": (trust, "check_module", _never),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", _BROKEN)
def test_the_siege_gets_in_where_a_rule_is_broken(name, monkeypatch):
    place, attribute, broken = _BROKEN[name]
    monkeypatch.setattr(place, attribute, broken)
    quick = _settings(300, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Siege, settings=quick)
