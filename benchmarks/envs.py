"""How long diff and validation of two env files take, as whole processes, beside what people would use instead."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from benchmarks.table import Figure

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
NODE_PEER, PYTHON_PEER = "dotenv-diff@2.8.1", "dotenv-linter==0.9.0"
GOALS = {100: 2.0, 10_000: 1.5}  # times dotenv-diff


def measure() -> list[Figure]:
    """Two files of 100 and of 10,000 keys; rounds interleaved, medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = _peers(folder)
        figures: list[Figure] = []
        for keys in (100, 10_000):
            figures += _one_size(folder, keys, peers)
        return figures


def _one_size(folder: Path, keys: int, peers: dict[str, list[str]]) -> list[Figure]:
    first, second = _files(folder, keys)
    script = [sys.executable, str(ROOT / "scripts" / "env_diff.py"), str(first), str(second), "--json"]
    validate = [sys.executable, str(ROOT / "scripts" / "validate_runtime_env.py"), "--mode", "staging"]
    commands = {"our diff": script, "our validation": [*validate, "--env-file", str(first)]}
    commands |= {peer: [part.format(first=first.name, second=second.name) for part in c] for peer, c in peers.items()}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            times[name].append(_timed(command, folder))
    medians = {name: statistics.median(values) for name, values in times.items()}
    figures = [Figure(what=f"{name}, {keys:,} keys", value=value, unit="s") for name, value in medians.items()]
    peer = medians.get("dotenv-diff")
    if peer is None:
        note = "dotenv-diff could not be had from npm"
        return [*figures, Figure(what=f"our diff beside dotenv-diff, {keys:,} keys", value=0, unit="×", note=note)]
    ratio = medians["our diff"] / peer
    what = f"our diff beside dotenv-diff, {keys:,} keys"
    return [*figures, Figure(what=what, value=ratio, unit="×", goal=GOALS[keys], note="medians of interleaved rounds")]


def _files(folder: Path, keys: int) -> tuple[Path, Path]:
    paths = folder / f".env.a{keys}", folder / f".env.b{keys}"
    for path in paths:
        lines = [f"SERVICE_{n}_SETTING=value-{n}-of-{path.name if n % 3 == 0 else 'both'}" for n in range(keys)]
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
    return paths


def _timed(command: list[str], folder: Path) -> float:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GREENLIGHT_")}
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begun


def _peers(folder: Path) -> dict[str, list[str]]:
    """The peers that can be installed here."""
    found: dict[str, list[str]] = {}
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        place = folder / "node"
        place.mkdir()
        done = subprocess.run([npm, "install", "--silent", "--prefix", str(place), NODE_PEER], check=False, timeout=300)
        entry = next(iter(place.glob("node_modules/dotenv-diff/dist/bin/dotenv-diff.js")), None)
        if done.returncode == 0 and entry is not None:
            options = ["--compare", "--check-values", "--ci", "--json", "--env", "{first}", "--example", "{second}"]
            found["dotenv-diff"] = [node, str(entry), *options]
    venv.create(folder / "venv", with_pip=True)
    pip = folder / "venv" / "bin" / "pip"
    if pip.exists():
        done = subprocess.run([str(pip), "install", "-q", PYTHON_PEER], check=False, timeout=300)
        if done.returncode == 0:
            found["dotenv-linter"] = [str(folder / "venv" / "bin" / "dotenv-linter"), "lint", "{first}", "{second}"]
    return found
