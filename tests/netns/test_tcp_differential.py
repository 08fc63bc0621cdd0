"""The guest's programs see of TCP what programs of the host see.

Every row is a connection that is made in the host namespace, without the program under test, and
through it in the guest, with each stack. The three have to see the same: bytes, ends, errors,
events. What they meet on the way is made in the host and the inet namespace, where it is the same
for all of them. What a stack cannot do is a row of a table here.
"""
import json
import os
import re
import shutil
import signal
import sys

import pytest

import tcp_script
import world as w
from probes import CONFINED

UNROUTED4, UNROUTED6 = "203.0.113.1", "2001:db8:2::1"   # the host has no way to these
FIRST_PORT, CLOSED_PORT = 7100, 9
STACKS = "native", "slirp"

# Routes of the host that are answers.
ROUTES = {
    "unreachable": ("198.51.100.1", "2001:db8:1::1"),
    "prohibit": ("198.51.100.2", "2001:db8:1::2"),
    "blackhole": ("198.51.100.3", "2001:db8:1::3"),
}

# What the inet namespace does with a SYN to a port of its own; for each family, in nft's words.
VERDICTS4 = {
    "drop": "drop",
    "tcp reset": "reject with tcp reset",
    **{what: f"reject with icmp type {what}"
       for what in ("net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable",
                    "net-prohibited", "host-prohibited", "admin-prohibited")},
}
VERDICTS6 = {
    "drop": "drop",
    "tcp reset": "reject with tcp reset",
    **{what: f"reject with icmpv6 type {what}"
       for what in ("no-route", "admin-prohibited", "addr-unreachable", "port-unreachable",
                    "policy-fail", "reject-route")},
}

# Connections to addresses: where to from the host, and from the guest if that is another.
ADDRESSES = {
    "closed port": (w.INET4, CLOSED_PORT),
    "closed port 6": (w.INET6, CLOSED_PORT),
    "port 0": (w.INET4, 0),
    "closed port of the gateway": ("127.0.0.1", CLOSED_PORT, w.GATEWAY4),
    "closed port of the gateway 6": ("::1", CLOSED_PORT, w.GATEWAY6),
    "no route": (UNROUTED4, CLOSED_PORT),
    "no route 6": (UNROUTED6, CLOSED_PORT),
    "nobody in the host's network": ("192.0.2.77", CLOSED_PORT),
    "nobody in the host's network 6": ("2001:db8::77", CLOSED_PORT),
    "nobody in one's own network": ("192.0.2.77", CLOSED_PORT, "10.0.2.77"),
    "nobody in one's own network 6": ("2001:db8::77", CLOSED_PORT, "fd00::77"),
    "broadcast of the host's network": ("192.0.2.255", CLOSED_PORT),
    "broadcast of one's own network": ("192.0.2.255", CLOSED_PORT, "10.0.2.255"),
    "broadcast": ("255.255.255.255", CLOSED_PORT),
    "multicast": ("224.0.0.1", CLOSED_PORT),
    "multicast 6": ("ff0e::1", CLOSED_PORT),
    "reserved": ("240.0.0.1", CLOSED_PORT),
    "no address": ("0.0.0.0", CLOSED_PORT),
    **{f"{kind} route": (pair[0], CLOSED_PORT) for kind, pair in ROUTES.items()},
    **{f"{kind} route 6": (pair[1], CLOSED_PORT) for kind, pair in ROUTES.items()},
}

# Connections to the inet namespace: what the client does, what the server does, and what nft there
# does to what the client sends. Sizes under 1000 travel in one segment.
STREAMS = {
    "exchange": ("connect; send 900; shut; drain", "drain; send 900"),
    "exchange, begun without blocking": ("begin; send 900; shut; drain", "drain; send 900"),
    "server goes on after the client's end": ("connect; send 1000000; shut; drain",
                                              "drain; send 1000000"),
    "client goes on after the server's end": ("connect; drain; finished; send 1000000; shut",
                                              "send 1000000; shut; drain"),
    "both end": ("connect; send 1; recv 1; shut; drain; failed",
                 "recv 1; send 1; shut; drain; failed"),
    "server is sending at the client's end": ("connect; shut; drain; failed",
                                              "send 1000000; drain"),
    "server closes at once": ("connect; drain; send 5; failed; send 5; send 5; drain", "close"),
    "server closes after a part": ("connect; send 900; failed; drain; drain; send 5",
                                   "recv 10; close"),
    "server closes and has read nothing": ("connect; send 900; failed; error; drain; send 5",
                                           "readable; close"),
    "server resets after a byte": ("connect; send 1; failed; send 5; send 5; drain",
                                   "recv 1; reset"),
    "server resets after its answer": ("connect; send 1; recv 900; send 1; drain; drain",
                                       "recv 1; send 900; recv 1; reset"),
    "server resets after its end": ("connect; finished; send 1; failed; send 5; send 5; drain",
                                    "shut; recv 1; reset"),
    "server resets after the client's end": ("connect; shut; failed; error; drain", "drain; reset"),
    "server resets after both ends": ("connect; finished; send 1; shut; failed; drain",
                                      "shut; drain; reset"),
    "server resets a client that sends": ("connect; send 20000000; send 5; drain",
                                          "recv 900; reset"),
    "client closes, server sends on": ("connect; close", "drain; send 5; failed; send 5; drain"),
    "client closes and has read nothing": ("connect; readable; close",
                                           "send 900; failed; error; drain; send 5"),
    "client closes after a part": ("connect; recv 10; close", "send 900; failed; drain; drain"),
    "client resets at once": ("connect; reset", "failed; drain; send 5"),
    "client resets after its bytes": ("connect; send 900; reset", "failed; drain; drain; send 5"),
    "client resets after its end": ("connect; shut; readable; reset",
                                    "drain; send 5; failed; send 5; send 5; drain"),
    "client resets a server that sends": ("connect; recv 900; reset", "send 20000000; send 5"),
    "urgent byte in line": ("connect; urgent; shut; drain", "inline; drain"),
    "an ICMP error on the way": ("connect; send 5; shut; drain", "drain; send 3",
                                 "tcp flags & psh == psh quota until 100 bytes "
                                 "reject with icmpx type host-unreachable"),
    "silence on the way": ("connect; send 5; failed; error", "keep",
                           "tcp flags & psh == psh drop"),
    "ICMP errors from now on": ("connect; send 5; failed; error", "keep",
                                "tcp flags & psh == psh reject with icmpx type host-unreachable"),
    "server believes the client gone": ("connect; failed; error; drain",
                                        "keepalive; failed; error; drain",
                                        "tcp flags & (syn | ack) == ack quota over 80 bytes drop"),
}

# Connections to a port of the host's own loopback, which the guest knows as its gateway.
LOOPBACK = {name: STREAMS[name] for name in ("exchange", "server resets after a byte",
                                             "client resets after its bytes")}

# The program is stopped while these happen, and finds all of it at once: {row: (client, server)}.
# It is stopped at the client's "say stop", and then the end that awaits goes on.
STOPPED = {
    "server resets behind its bytes": ("connect; send 1; say stop; drain; drain",
                                       "recv 1; await; send 900; acknowledged; reset"),
    "server resets behind its bytes, client sends": (
        "connect; send 1; say stop; await; send 5; say go; drain; drain",
        "recv 1; await; send 900; acknowledged; reset"),
    "server ends behind its bytes": ("connect; send 1; say stop; drain; drain",
                                     "recv 1; await; send 900; acknowledged; close"),
    "client resets behind its bytes": ("connect; send 1; say stop; await; send 900; reset; say go",
                                       "recv 1; await; drain; drain"),
    "client ends behind its bytes": ("connect; send 1; say stop; await; send 900; close; say go",
                                     "recv 1; await; drain; drain"),
}

# What the guest cannot be told. ICMP for IPv4 has no code for EACCES, that of neither family has
# one for EINVAL; and once a connection is established, nothing but RST ends it.
NATIVE = {
    "prohibit route": "EHOSTUNREACH",
    "blackhole route": "EHOSTUNREACH",
    "blackhole route 6": "EHOSTUNREACH",
    "silence on the way": "ECONNRESET",
    "silence on the way 6": "ECONNRESET",
    "ICMP errors from now on": "ECONNRESET",
    "ICMP errors from now on 6": "ECONNRESET",
}

# libslirp tells an error that connect() returned at once, as that the network is unreachable if it
# does not know better, and of the later ones only that the connection is refused.
SLIRP = {
    **dict.fromkeys(("nobody in the host's network", "nobody in the host's network 6"), "ETIMEDOUT"),
    **{f"{kind} route{suffix}": "ENETUNREACH"
       for kind in ("prohibit", "blackhole") for suffix in ("", " 6")},
    **{verdict: "ETIMEDOUT" for verdict in VERDICTS4 if verdict not in ("drop", "tcp reset")},
    **{f"{verdict} 6": "ETIMEDOUT" for verdict in VERDICTS6
       if verdict not in ("drop", "tcp reset", "port-unreachable")},
}

# libslirp makes an end of file of every RST of the guest, and of most errors of its socket after
# the end of the server's half: who waits for one here waits for ever, so nobody does.
NOT_WITH_SLIRP = {
    "server closes at once", "server resets after its end", "client closes, server sends on",
    "client closes and has read nothing", "client closes after a part", "client resets at once",
    "client resets after its bytes", "client resets after its end", "silence on the way",
    "ICMP errors from now on", "client resets after its bytes, gateway",
}


# --- the rows, as connections ---


def tries(name, host, port, guest=None):
    """One address, with a connect() that blocks and one that does not."""
    for how, script in ("", "connect"), (", not blocking", "begin"):
        yield name + how, {"host": host, "guest": guest or host, "port": port, "script": script}


def all_rows():
    """{name: row}. A row with a server has its own port; so has one with a verdict of nft."""
    rows, port = {}, FIRST_PORT
    for name, (host, to, *guest) in ADDRESSES.items():
        rows.update(tries(name, host, to, *guest))
    for address, suffix, verdicts in (w.INET4, "", VERDICTS4), (w.INET6, " 6", VERDICTS6):
        for verdict, words in verdicts.items():
            for name, row in tries(verdict + suffix, address, port):
                rows[name] = {**row, "verdict": words}
            port += 1
        for name, (client, server, *verdict) in STREAMS.items():
            rows[name + suffix] = {"host": address, "guest": address, "port": port,
                                   "script": client, "server": server,
                                   "verdict": verdict[0] if verdict else None}
            port += 1
    for host, guest, suffix in ("127.0.0.1", w.GATEWAY4, ""), ("::1", w.GATEWAY6, " 6"):
        for name, (client, server) in LOOPBACK.items():
            rows[f"{name}, gateway{suffix}"] = {"host": host, "guest": guest, "port": port,
                                                "script": client, "server": server}
            port += 1
    return rows


ROWS = all_rows()


# --- the world that they meet ---


def setting(ns, **values):
    for name, value in values.items():
        ns.run("sh", "-c", f"echo {value} >/proc/sys/net/" + name.replace("__", "/"))


def quick_to_give_up(ns, dev):
    """One repeated SYN, one question to a neighbour: as final as many, and sooner."""
    setting(ns, ipv4__tcp_syn_retries=1, ipv4__tcp_retries2=3,
            **{f"{ip}__neigh__{dev}__{name}": value for ip in ("ipv4", "ipv6")
               for name, value in (("mcast_solicit", 1), ("retrans_time_ms", 100))})


def lay_out(world):
    """Routes that are answers, and no limit on how many ICMP errors there are."""
    quick_to_give_up(world.host, "up0")
    setting(world.inet, ipv4__icmp_ratelimit=0, ipv6__icmp__ratelimit=0)
    for kind, pair in ROUTES.items():
        for address in pair:
            world.host.run("ip", "route", "add", kind, address)


def set_verdicts(world):
    """Afresh for each run: some count."""
    rules = "\n".join(f"tcp dport {row['port']} {row['verdict']}"
                      for row in {r["port"]: r for r in ROWS.values()}.values()
                      if row.get("verdict"))
    world.inet.run("nft", "-f", "-", input=f"""flush ruleset
        table inet verdicts {{
            chain in {{
                type filter hook input priority 0
                {rules}
            }}
        }}
    """)


def script_file(world, name, table):
    path = world.tmp / name
    path.write_text(json.dumps(table))
    path.chmod(0o644)
    return path


def program(world):
    """tcp_script.py at a path that the ordinary user can read."""
    copy = world.tmp / "tcp_script.py"
    if not copy.exists():
        shutil.copy(tcp_script.__file__, copy)
        copy.chmod(0o644)
    return [sys.executable, copy]


def serve(world, ns, servers, *addresses):
    """{port: script} on these addresses, until the end of the world."""
    path = script_file(world, f"serve-{ns.pid}.json", servers)
    return world.spawn(ns, *program(world), "serve", path, *addresses, ready_line="listening")


def serve_rows(world):
    loopback = "127.0.0.1", "::1"
    for ns, addresses in (world.inet, (w.INET4, w.INET6)), (world.host, loopback):
        serve(world, ns, {row["port"]: row["server"] for row in ROWS.values() if "server" in row
                          and (row["host"] in loopback) == (ns is world.host)}, *addresses)


def run_rows(world, ns, place, names):
    set_verdicts(world)
    table = {name: {"address": ROWS[name][place], "port": ROWS[name]["port"],
                    "script": ROWS[name]["script"], "served": "server" in ROWS[name]}
             for name in names}
    done = ns.run(*program(world), "run", script_file(world, f"run-{place}.json", table))
    return json.loads(done.stdout)


def start_guest(world, stack, *options):
    world.guest = world.new_guest()
    gate = world.start_tap("-6", *options, *CONFINED, env={**os.environ, "GATE4NETNS_TCP": stack})
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    world.guest.run("ip", "route", "add", "default", "via", w.GATEWAY6)
    quick_to_give_up(world.guest, "tap0")
    return gate


def is_asked(stack, name):
    return stack != "slirp" or name.removesuffix(" 6") not in NOT_WITH_SLIRP


@pytest.fixture(scope="module")
def seen():
    """{"host", "native", "slirp": {row: what was seen}}."""
    with w.World(rootless=True) as world:
        lay_out(world)
        serve_rows(world)
        result = {"host": run_rows(world, world.host, "host", ROWS)}
        for stack in STACKS:
            gate = start_guest(world, stack)
            names = [name for name in ROWS if is_asked(stack, name)]
            result[stack] = run_rows(world, world.guest, "guest", names)
            assert gate.stop() == 0
        yield result


# --- the tests ---


def instead(sight, error):
    """What was seen, but with this error in the place of the only one."""
    wrong, = set(re.findall(r"\bE[A-Z]{4,}\b", sight["client"]))
    return {**sight, "client": sight["client"].replace(wrong, error)}


@pytest.mark.parametrize("stack,name", [(s, n) for s in STACKS for n in ROWS if is_asked(s, n)])
def test_the_guest_sees_what_the_host_sees(seen, stack, name):
    known = {"native": NATIVE, "slirp": SLIRP}[stack]
    error = known.get(name.removesuffix(", not blocking"))
    wanted = seen["host"][name]
    assert seen[stack][name] == (instead(wanted, error) if error else wanted)


def run_stopped(world, ns, row, port, stop, go):
    """Both ends of a row of STOPPED; what they saw."""
    def control(word):
        done = world.inet.run(*program(world), "control", w.INET4, word, port)
        return json.loads(done.stdout)

    def wait_line(word):
        assert process.stdout.readline().decode().strip() == word

    path = script_file(world, f"stopped-{port}.json",
                       {"": {"address": w.INET4, "port": port, "script": row[0]}})
    process = world.spawn(ns, *program(world), "run", path)
    wait_line("stop")
    control("waiting")
    stop()
    if "await" in row[0]:
        process.send_signal(signal.SIGUSR1)
        wait_line("go")
    if row[1].endswith("drain"):        # the server waits for what the program brings it
        go()
    control("go")
    server = control("seen")
    go()
    return {**json.loads(process.stdout.readline())[""], "server": server}


@pytest.mark.parametrize("row", STOPPED.values(), ids=STOPPED.keys())
def test_nothing_is_lost_when_all_comes_at_once(rootless_world, row):
    world = rootless_world
    serve(world, world.inet, {FIRST_PORT: row[1], FIRST_PORT + 1: row[1]}, w.INET4)
    wanted = run_stopped(world, world.host, row, FIRST_PORT, lambda: None, lambda: None)
    gate = start_guest(world, "native")
    assert run_stopped(world, world.guest, row, FIRST_PORT + 1,
                       lambda: gate.process.send_signal(signal.SIGSTOP),
                       lambda: gate.process.send_signal(signal.SIGCONT)) == wanted


@pytest.mark.parametrize("stack", STACKS)
def test_closed_loopback_is_an_unreachable_network(rootless_world, stack):
    start_guest(rootless_world, stack, "--disable-host-loopback")
    table = {f"{script} {address}": {"address": address, "port": CLOSED_PORT, "script": script}
             for script in ("connect", "begin") for address in (w.GATEWAY4, w.GATEWAY6)}
    done = rootless_world.guest.run(*program(rootless_world), "run",
                                    script_file(rootless_world, "closed.json", table))
    assert {name: sight["client"].partition("=")[2]
            for name, sight in json.loads(done.stdout).items()} == dict.fromkeys(table, "ENETUNREACH")
