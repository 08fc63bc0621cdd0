"""API requests: the answer, byte for byte, and that the process lives on."""
import contextlib
import fcntl
import json
import socket
import struct
import termios

import pytest

import api_requests
import differences
import differential
import world as w

NAMED = [pytest.param(scenario, request, kind, id=f"{scenario}/{request.id}@{kind}")
         for kind in ("rootful", "rootless")
         for scenario, requests in api_requests.SCENARIOS.items() for request in requests]


def unread(sock):
    """How much of what we sent the other side has not read."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


def ask(path, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(w.DEADLINE_S)
        sock.connect(str(path))
        with contextlib.suppress(BrokenPipeError):
            for piece in request.pieces:
                w.wait_until(lambda: unread(sock) == 0, "what was sent to be read")
                sock.sendall(piece)
            if request.shut:
                sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
        return answer.decode(errors="replace")


def life(gate):
    """Whether the process still answers; a crash has closed the ready pipe for good."""
    status = gate.process.poll()
    return "running" if status is None else f"signal {-status}"


def play(pair, which, scenario):
    """{request id: outcome} for one program; "log" is what it wrote to stderr."""
    path = pair.empty_work() / "api"
    guest = pair.world.guest
    gate = pair.world.start("-c", "-a", path, *api_requests.OPTIONS.get(scenario, ()), guest.pid,
                            "tap0", program=pair.program[which])
    outcomes = {}
    for request in api_requests.SCENARIOS[scenario]:
        answer = ask(path, request)
        if not answer:          # no request goes without one, unless the process died
            gate.wait()
        outcomes[request.id] = {"answer": answer, "life": life(gate)}
    if gate.process.poll() is None:
        gate.stop()
    outcomes["log"] = {"stderr": pair.normalise(gate.stderr(), guest)}
    return outcomes


def outcomes(pair, scenario, id_):
    both = pair.once(("api", scenario),
                     lambda: [play(pair, which, scenario) for which in differential.PROGRAMS])
    return [outcome[id_] for outcome in both]


def compare(pairs, kind, scenario, id_):
    reference, ours = outcomes(pairs(kind), scenario, id_)
    differential.check(f"api/{scenario}/{id_}@{kind}", reference, ours, differences.ROWS)


@pytest.mark.parametrize("scenario, request_, kind", NAMED)
def test_answer(pairs, scenario, request_, kind):
    compare(pairs, kind, scenario, request_.id)


@pytest.mark.parametrize("kind", ["rootful", "rootless"])
@pytest.mark.parametrize("scenario", api_requests.SCENARIOS)
def test_log(pairs, scenario, kind):
    """The log of a whole scenario."""
    compare(pairs, kind, scenario, "log")


@pytest.mark.parametrize("port, proto", [(80, "tcp"), (80, "udp")])
def test_privileged_port_as_a_user(pairs, port, proto):
    """The user may not bind it; the answer says so."""
    pair = pairs("rootless")
    answers = []
    for which in differential.PROGRAMS:
        path = pair.empty_work() / "api"
        gate = pair.world.start("-c", "-a", path, pair.world.guest.pid, "tap0",
                                program=pair.program[which])
        answers.append(ask(path, api_requests.add("privileged", host_port=port, proto=proto)))
        gate.stop()
    reference, ours = (json.loads(answer)["error"] for answer in answers)
    assert "slirp_add_hostfwd failed" in reference["desc"]
    assert "net.ipv4.ip_unprivileged_port_start" in ours.pop("detail")
    assert ours == reference
