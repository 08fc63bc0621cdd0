"""A pid that names another process by the time its namespaces are opened is no target."""
import json
import pathlib
import sys

import world as w


def test_reused_pid_is_refused(rootful_world):
    script = pathlib.Path(w.__file__).with_name("reuse.py")
    done = rootful_world.host.run("unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                                  sys.executable, script, w.binary())
    outcome = json.loads(done.stdout)
    assert outcome["reused"]
    assert outcome["status"] == 1
    assert outcome["stderr"] == f"/proc/{outcome['pid']}/ns/net: No such file or directory\n"
    assert outcome["links"] == ["lo"]
