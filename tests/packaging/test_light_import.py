"""`pip install honeylink` brings NumPy alone, so codec, scheduler and the command itself import nothing else."""

import subprocess
import sys

import pytest

# Stands in the import machinery of a fresh interpreter and names the distributions that an import brought in.
PROBE = """
import importlib, importlib.metadata, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
owners = importlib.metadata.packages_distributions()
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted({owner for name in loaded for owner in owners.get(name, [])}))
"""


@pytest.mark.parametrize(
    "module",
    [
        "honeylink",
        "honeylink.errors",
        "honeylink.fec",
        "honeylink.scheduler",
        "honeylink.cli",
        "honeylink.cli.bench.command",
        "honeylink.cli.progress",
    ],
)
def test_the_library_imports_numpy_alone(module: str) -> None:
    answer = subprocess.run([sys.executable, "-c", PROBE, module], capture_output=True, text=True, check=True)

    assert set(answer.stdout.split()) <= {"honeylink", "numpy"}
