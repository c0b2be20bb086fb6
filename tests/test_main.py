import subprocess
import sys


def test_the_package_can_be_run():
    done = subprocess.run([sys.executable, "-m", "dropnorm", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("dropnorm ")
