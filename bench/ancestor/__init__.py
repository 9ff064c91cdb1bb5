"""The ancestor's design, rebuilt on its libraries, in its own virtual environment."""

import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).parent
VENV = HERE / "venv"
REQUIREMENTS = HERE / "requirements.txt"
SCRIPT = HERE / "serial_mover.py"


def command() -> list[str]:
    """The command that starts it, without the config file. Installs it if necessary."""
    python = VENV / "bin" / "python"
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        venv.create(VENV, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True, capture_output=True)
        stamp.write_text(REQUIREMENTS.read_text())
    return [str(python), str(SCRIPT)]


def versions() -> str:
    """The versions of its libraries."""
    code = (
        "from importlib.metadata import version as v;"
        "print(', '.join(f'{n} {v(n)}' for n in ('pgq', 'skytools', 'psycopg2-binary')))"
    )
    python = command()[0]
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()
