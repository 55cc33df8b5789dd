import json
import subprocess
import sys

SAID = """
import logging
from app.kernel import logs
logs.configure(level="info", output="json")
try:
    raise OSError("postgresql://owner:hidden@host refused")
except OSError:
    logging.getLogger("library").warning("no answer for %s", "cb_abcdefgh_hidden", exc_info=True)
"""


def test_what_a_library_logs_is_one_object_a_line_without_secrets():
    ended = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True)
    [line] = ended.stderr.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"], said["event"]) == ("warning", "library", "no answer for ***")
    assert "OSError" in said["exception"]
    assert "hidden" not in line
