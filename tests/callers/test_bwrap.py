"""A program inside bubblewrap gets its network through --info-fd and --block-fd."""
import pathlib
import subprocess

import callers as c
import pytest
import whoami
import world as w

LAUNCHER = pathlib.Path(__file__).with_name("bwrap_launcher.py")
SANDBOX = ["--unshare-user", "--unshare-net", "--unshare-pid", "--dev-bind", "/", "/"]
# Ask for the network three times, then wait for a line and end with a status of its own
QUESTIONS = ('"$@" ask tcp $SERVER $PORT && "$@" ask udp $SERVER $PORT &&'
             '"$@" resolve peer.example && read line && exit 7')


def launch(space, how, *options):
    resolv_conf = space.world.tmp / "resolv.sandbox"
    resolv_conf.write_text(f"nameserver {w.DNS4}\n")
    command = [*c.script(space.world, LAUNCHER), w.binary(), how, *SANDBOX, *options,
               "--ro-bind", resolv_conf, "/etc/resolv.conf",
               "--setenv", "SERVER", w.INET4, "--setenv", "PORT", c.PORT,
               "sh", "-c", QUESTIONS, "sh", *c.whoami(space.world)]
    return space.popen(*space.caller(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       text=True)


def nested_ids(space):
    """Ids for which bubblewrap needs a second user namespace."""
    return ["--uid", "1000", "--gid", "1000"] if not space.world.rootless else []


@pytest.mark.parametrize("how", ["pid", "owner"])
def test_program_reaches_the_network(space, how):
    ids = ["--uid", "0", "--gid", "0"] if how == "pid" else nested_ids(space)
    launcher = launch(space, how, *ids)
    assert "--userns-path" in c.argv_of(space.gate())
    answers, _ = launcher.communicate("go on\n", timeout=w.DEADLINE_S)
    assert answers.split() == [w.HOST4, w.HOST4, whoami.ANSWER]
    assert launcher.returncode == 7
    w.wait_until(lambda: not space.pids(), "the end of every process")
