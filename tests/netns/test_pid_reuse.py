"""A pid that names another process by the time its namespaces are opened is no target."""
import json
import pathlib
import sys

import pytest

import world as w


@pytest.mark.parametrize("arguments, status", [
    (["PID", "tap0"], 1),
    (["attach", "--api-socket=none", "PID"], 1),
    (["exec", "PID", "ip", "link", "add", "made", "type", "veth"], 125)],
    ids=["slirp4netns", "attach", "exec"])
def test_reused_pid_is_refused(rootful_world, arguments, status):
    script = pathlib.Path(w.__file__).with_name("reuse.py")
    done = rootful_world.host.run("unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                                  sys.executable, script, w.binary(), *arguments)
    outcome = json.loads(done.stdout)
    assert outcome["reused"]
    assert outcome["status"] == status
    assert outcome["stderr"] == f"/proc/{outcome['pid']}/ns/net: No such file or directory\n"
    assert outcome["links"] == ["lo"]
