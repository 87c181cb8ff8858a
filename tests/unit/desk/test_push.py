"""`fleet push`: reserve, sign, upload, register, begin, follow."""

import shutil
from types import SimpleNamespace

import pytest

from controller.cli import making
from controller.compiler import Instance, ModelProject
from controller.keys import keyfile
from controller.releases import pack
from protocol import api, cose
from protocol.chunks import sha256
from protocol.documents import MAX_MANIFEST, Manifest
from protocol.trust import MANIFEST
from tests.unit.desk import modules, samples

V1 = "/api/v1"


class Store:
    """The part of a controller that takes releases."""

    def __init__(self, controller):
        self.blobs, self.released = {}, {}
        controller.on("POST", f"{V1}/releases/reserve", self.reserve)
        controller.on("POST", f"{V1}/blobs/missing", self.missing)
        controller.on("POST", f"{V1}/releases", self.register, 201)
        controller.on("GET", f"{V1}/releases/toy/1.0.0", lambda _: samples.release(model="toy"))
        self._controller = controller
        self.content = None

    def reserve(self, request):
        asked = api.Reserve.model_validate_json(request.content)
        if self.content is None:
            self.content = asked.content
        released = self.released.get("1.0.0")
        return api.Reservation(sequence=7, floor=2, released=released)

    def missing(self, request):
        asked = api.Digests.model_validate_json(request.content).digests
        for digest in asked:
            self._controller.on("PUT", f"{V1}/blobs/{digest}", self.put)
        return api.Digests(digests=[digest for digest in asked if digest not in self.blobs])

    def put(self, request):
        self.blobs[request.url.path.rsplit("/", 1)[1]] = request.content
        return b""

    def register(self, request):
        self.signed = bytes.fromhex(api.ReleaseUpload.model_validate_json(request.content).manifest)
        payload = cose.parse(self.signed, max_payload=MAX_MANIFEST).payload
        self.released["1.0.0"] = sha256(payload).hex()
        return samples.release(model="toy", version="1.0.0", signers=[])


@pytest.fixture
def store(controller, monkeypatch, fleet):
    fleet("keys", "init")
    controller.on("GET", f"{V1}/groups/farm-a", samples.group())
    controller.on("POST", f"{V1}/pushes", push, 201)
    controller.on("GET", f"{V1}/rollouts/57", samples.finished(model="toy", version="1.0.0"))
    info = api.Info(version="1", broker="mqtt://b", broker_connected=True, root=1, director="00")
    controller.on("GET", f"{V1}/info", info)
    monkeypatch.setattr(making, "package_for", lambda *_: pack(modules.build(), [], Instance))
    return Store(controller)


def push(request):
    asked = api.PushRequest.model_validate_json(request.content)
    plan = samples.plan(model=asked.model, version=asked.version)
    return plan if asked.dry_run else api.Started(rollout=57, plan=plan)


def paths(controller):
    return [(request.method, request.url.path.removeprefix(V1)) for request in controller.requests]


def test_a_push_from_the_project_to_the_last_device(fleet, controller, store):
    done = fleet("push", "toy", "--group", "farm-a", "--observe", "5,1m")
    assert done.code == 0, done.err
    assert done.out.startswith("done: 2 of 2 devices run toy 1.0.0 after 3 min 12 s")
    header, group, *_ = done.err.splitlines()
    assert header.startswith("toy 1.0.0  sha256:9f2c41d0…   simd 19.8 KiB · mvp 20.1 KiB   signed by")
    assert group.split("  ", 1)[0] == "farm-a"
    assert "2 devices: 1 simd · 1 do not fit (fleet push --dry-run shows why)" in group
    [sent] = controller.sent("POST", f"{V1}/pushes")
    assert sent["observe"] == {"inferences": 5, "seconds": 60}
    assert sent["timeout"] == 3600


def test_what_was_signed_is_what_was_reserved_by_the_release_key(fleet, store, home):
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
    document = cose.parse(store.signed, max_payload=MAX_MANIFEST)
    manifest = Manifest.decode(document.payload)
    assert (manifest.sequence, manifest.floor) == (7, 2)
    from controller.cli.key_folder import key_store

    [(_, signer)] = key_store().release_signers()
    assert document.signers(MANIFEST, {signer.public.id: signer.public}) == {signer.public.id}
    assert all(sha256(blob).hex() == name for name, blob in store.blobs.items())
    assert {manifest.provenance.hex(), manifest.targets["simd"].index.hex()} <= store.blobs.keys()


def test_a_second_push_uploads_and_signs_nothing(fleet, controller, store):
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
    controller.requests.clear()
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
    assert paths(controller) == [
        ("GET", "/groups/farm-a"),
        ("POST", "/releases/reserve"),
        ("GET", "/releases/toy/1.0.0"),
        ("POST", "/pushes"),
    ]


def test_an_interrupted_upload_goes_on_where_it_was(fleet, controller, store):
    package = pack(modules.build(), [], Instance)
    there = dict(list(package.blobs.items())[:3])
    store.blobs.update({digest.hex(): blob for digest, blob in there.items()})
    assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
    puts = [path for method, path in paths(controller) if method == "PUT"]
    assert len(puts) == len(package.blobs) - len(there)


def test_the_same_version_with_other_bytes(fleet, controller, store):
    controller.problem(
        "POST", f"{V1}/releases/reserve", 409, title="toy 1.0.0 has content 77ab…", exit_code=5
    )
    done = fleet("push", "toy", "--group", "farm-a")
    assert done.code == 5
    assert done.err.startswith("refused: toy 1.0.0 is released already, with other bytes")
    assert "model.toml" in done.err


def test_an_existing_release_needs_no_project(fleet, controller, store, monkeypatch):
    monkeypatch.setattr(making, "package_for", None)
    assert fleet("push", "toy", "--group", "farm-a", "--version", "1.0.0", "--detach").code == 0
    assert ("POST", "/releases/reserve") not in paths(controller)


def test_dry_run_begins_nothing(fleet, controller, store):
    done = fleet("push", "toy", "--group", "farm-a", "--dry-run")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["DEVICE", "WAVE", "MODULE", "TO", "SEND", "LINK", "NOTE"]
    assert lines[1].split() == ["dev-0001", "1", "simd", "13.7", "KiB", "online", "runs", "1.2.0"]
    assert "this device is of class fpga" in lines[2]
    assert lines[-1].startswith("toy 1.0.0 would go to 1 of 2 devices of farm-a: 39.9 KiB published once")
    assert ("GET", "/rollouts/57") not in paths(controller)
    document = fleet("push", "toy", "--group", "farm-a", "--dry-run", "--json").json
    assert api.PushPlan.model_validate(document).devices[1].target is None


def test_json(fleet, store):
    done = fleet("push", "toy", "--group", "farm-a", "--json")
    assert api.Rollout.model_validate(done.json).state == "done"
    started = fleet("push", "toy", "--group", "farm-a", "--json", "--detach").json
    assert started["rollout"] == 57


@pytest.mark.parametrize(
    "wrong",
    [["--observe", "many"], ["--timeout", "soon"], ["--device-timeout", "x"], ["--group", "Farm A"]],
)
def test_wrong_options_cost_no_build(fleet, controller, store, monkeypatch, wrong):
    monkeypatch.setattr(making, "package_for", None)
    controller.requests.clear()
    assert fleet("push", "toy", "--group", "farm-a", *wrong).code == 3
    assert controller.requests == []


def test_an_unknown_group_costs_no_build(fleet, controller, store, monkeypatch):
    monkeypatch.setattr(making, "package_for", None)
    controller.problem(
        "GET", f"{V1}/groups/nobody", 404, title="no group nobody", remedy="fleet group list", exit_code=3
    )
    done = fleet("push", "toy", "--group", "nobody")
    assert (done.code, done.err) == (3, "error: no group nobody\n  try     fleet group list\n")


def test_without_a_release_key_nothing_is_uploaded(fleet, controller, store, home):
    shutil.rmtree(home / "config")
    done = fleet("push", "toy", "--group", "farm-a")
    assert done.code == 3
    assert "fleet keys init" in done.err
    assert store.blobs == {}


class TestBuildCache:
    @pytest.fixture
    def project(self, tmp_path, monkeypatch):
        folder = tmp_path / "toy"
        folder.mkdir()
        (folder / "model.toml").write_text('name = "toy"\nversion = "1.0.0"\nonnx = "toy.onnx"\n')
        (folder / "toy.onnx").write_bytes(b"onnx")
        self.builds = 0

        def compile_project(*_, **__):
            self.builds += 1
            return modules.build()

        monkeypatch.setattr(making, "compile_project", compile_project)
        monkeypatch.setattr(making, "golden_inputs", lambda *_: [])
        return folder

    def test_a_second_push_builds_nothing(self, project):
        first = making.package_for("toy", project)
        assert making.package_for("toy", project) == first
        assert self.builds == 1

    @pytest.mark.parametrize("name", ["model.toml", "toy.onnx", "weights.data", "data/calibration.npz"])
    def test_a_changed_file_means_a_new_build(self, project, name):
        making.package_for("toy", project)
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
        making.package_for("toy", project)
        assert self.builds == 2

    def test_what_no_build_reads_does_not_matter(self, project):
        key = making.project_key(project)
        (project / "README.md").write_text("x")
        (project / "train.py").write_text("x")
        (project / "build").mkdir()
        (project / "build/toy.wasm").write_bytes(b"x")
        assert making.project_key(project) == key

    def test_another_compiler_means_a_new_build(self, project, monkeypatch, tmp_path):
        key = making.project_key(project)
        (tmp_path / "pass.py").write_text("x")
        monkeypatch.setattr(
            making, "resources", SimpleNamespace(compiler_files=lambda: [tmp_path / "pass.py"])
        )
        assert making.project_key(project) != key

    def test_a_build_with_other_shapes_is_not_what_a_push_takes(self, project):
        from controller.cli.build_screen import BuildScreen

        with BuildScreen("toy") as screen:
            making.make(ModelProject.load("toy", project), screen, shapes={"x": (1,)})
        making.package_for("toy", project)
        assert self.builds == 2


def test_an_encrypted_release_key(fleet, controller, store, tmp_path, monkeypatch):
    monkeypatch.setattr(keyfile, "COST", 10)
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    assert fleet("keys", "protect", "--new-passphrase-file", secret).code == 0
    done = fleet("push", "toy", "--group", "farm-a", "--detach")
    assert done.code == 3
    assert "is encrypted, and there is no terminal" in done.err
    assert not any(method == "PUT" for method, _ in paths(controller))
    assert fleet("push", "toy", "--group", "farm-a", "--detach", "--passphrase-file", secret).code == 0
    assert store.released.keys() == {"1.0.0"}


class TestSignedByOthers:
    """The release key is with somebody else."""

    @pytest.fixture
    def away(self, store, home, monkeypatch):
        assert store.released == {}
        monkeypatch.chdir(home)
        [key] = (home / "config/fleet/keys").glob("release-*.key")
        key.rename(home / "away")
        return key

    @pytest.mark.usefixtures("away")
    def test_a_push_says_how(self, fleet):
        done = fleet("push", "toy", "--group", "farm-a")
        assert done.code == 3
        assert "0 of its release keys are here" in done.err
        assert "--to-sign FILE" in done.err

    def test_it_is_uploaded_carried_signed_and_then_released(self, fleet, controller, store, away, home):
        done = fleet("push", "toy", "--group", "farm-a", "--to-sign", "toy.sign")
        assert done.code == 0, done.err
        assert "not signed yet toy 1.0.0: 1 signature missing" in done.out
        assert store.blobs
        assert store.released == {}
        assert ("POST", "/pushes") not in paths(controller)
        nobody = fleet("sign", "--offline", "--yes", "toy.sign")
        assert nobody.code == 3
        assert "no key on this machine can sign toy 1.0.0" in nobody.err

        (home / "away").rename(away)
        signed = fleet("sign", "--offline", "--yes", "toy.sign")
        assert signed.code == 0, signed.err
        assert "release toy 1.0.0, sequence 7, floor 2" in signed.out
        assert fleet("sign", "toy.sign").code == 0
        assert store.released.keys() == {"1.0.0"}

    def test_what_is_released_already_is_not_signed_again(self, fleet, away, home):
        (home / "away").rename(away)
        assert fleet("push", "toy", "--group", "farm-a", "--detach").code == 0
        done = fleet("push", "toy", "--group", "farm-a", "--to-sign", "toy.sign")
        assert done.code == 3
        assert "released already" in done.err
