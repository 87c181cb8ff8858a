"""A wheel, installed outside the checkout: it compiles a model, and its agent needs no compiler."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture
def nowhere(tmp_path):
    """An environment in which nothing leads back to the checkout."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for name in ("SSL_CERT_FILE", "PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_CONFIG_FILE"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env


def test_wheel_compiles_a_model_outside_the_checkout(wheel, nowhere, tmp_path):
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel], check=True
    )
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    project = tmp_path / "crop-model"
    subprocess.run(["cp", "-r", ROOT / "modules/crop-model", project], check=True)
    # A folder on PYTHONPATH has its .pth files ignored, so the editable install stays out of sight.
    env = nowhere | {"PYTHONPATH": f"{site}:{dependencies}"}
    interpreter = Path(sys.base_prefix) / "bin" / "python3"
    done = subprocess.run(
        [interpreter, "-m", "controller.cli", "build", "crop-model", "--project", project],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "built crop-model 1.0.0" in done.stdout + done.stderr
    assert re.search(r"simd = mvp = oracle, \d+ inputs, bit for bit", done.stdout + done.stderr)


def test_agent_installs_from_binary_packages_and_without_the_controllers(wheel, nowhere, tmp_path):
    pins = "\n".join(re.findall(r"^[\w.-]+==[\w.]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    (tmp_path / "constraints.txt").write_text(pins)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:",
         "-c", tmp_path / "constraints.txt", f"{wheel}[agent]"],
        env=nowhere, check=True, cwd=tmp_path,
    )  # fmt: skip
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "freeze"], check=True, capture_output=True, text=True
    ).stdout
    installed = {line.split("==")[0].lower() for line in listed.splitlines()}
    assert "wasmtime" in installed
    assert not installed & {"onnx", "onnxruntime", "ziglang", "fastapi", "sqlalchemy", "textual"}
    agent = subprocess.run(
        [tmp_path / "venv/bin/fleet-agent", "--help"],
        env=nowhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert agent.returncode == 0, agent.stderr
    fleet = subprocess.run(
        [tmp_path / "venv/bin/fleet", "status"], env=nowhere, capture_output=True, text=True, check=False
    )
    assert fleet.returncode == 2
    assert "[controller]" in fleet.stderr
    assert "Traceback" not in fleet.stderr
