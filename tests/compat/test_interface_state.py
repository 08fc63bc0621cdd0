"""What the guest's interfaces look like afterwards: links, addresses and routes, field by field.

The dumps of `ip -j` are flattened to one line per field, so that a difference is one line.
"""
import json
import re

import pytest

import differences
import differential
import world as w

MAC = "0e:d4:18:d9:38:fb"
PERSISTENT = "ip tuntap add name tap0 mode tap; "

# No waiting for duplicate address detection or for the first router solicitation.
PROMPT = "cd /proc/sys/net/ipv6/conf/default; echo 0 >accept_dad; echo 0 >router_solicitation_delay; "

# id: (options, what is done in the guest beforehand, the IPv6 addresses that the tap gets)
CASES = {
    "plain": (["-c"], "", 1),
    "untouched": ([], "", 0),
    "untouched-persistent": ([], PERSISTENT + "ip link set tap0 up mtu 1400", 1),
    "mtu-cidr": (["-c", "-m", "65520", "--cidr=10.0.2.128/25"], "", 1),
    "smallest-mtu": (["-c", "-m", "68"], "", 0),
    "mac": (["-c", f"--macaddress={MAC}"], "", 1),
    "persistent": (["-c"], PERSISTENT, 1),
    "persistent-up": (["-c", "--cidr=10.41.0.0/16"], PERSISTENT + "ip link set tap0 up", 1),
    "persistent-with-address": (["-c"], PERSISTENT + "ip addr add 10.9.9.9/32 dev tap0", 1),
    "other-route": (["-c"], "ip link set lo up; ip route add 198.51.100.0/24 dev lo", 1),
    "ipv6": (["-c", "-6"], "", 2),
    "ipv6-mac": (["-c", "-6", f"--macaddress={MAC}"], "", 2),
}
DUMPS = {
    "link": ("-d", "link"),
    "addr": ("addr",),
    "route4": ("-4", "route", "show", "table", "all"),
    "route6": ("-6", "route", "show", "table", "all"),
}
NAMED = [(id_, kind) for kind in ("rootful", "rootless") for id_ in CASES]


def eui64(mac):
    """The interface identifier that the kernel makes of a MAC."""
    byte = [int(part, 16) for part in mac.split(":")]
    byte = [byte[0] ^ 2, *byte[1:3], 0xff, 0xfe, *byte[3:]]
    words = (f"{(high << 8) | low:x}" for high, low in zip(byte[::2], byte[1::2]))
    return ":".join(words)


def flatten(value, path):
    """(field, value) of everything in a dump; addresses are named by themselves."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            name = f"{inner['local']}/{inner['prefixlen']}" if "local" in inner else number
            yield from flatten(inner, f"{path}[{name}]")
    else:
        yield f"{path}={json.dumps(value)}"


def label(row):
    return str(row.get("ifname") or f"{row.get('type', 'unicast')} {row['dst']}")


def steady(row):
    """Without what follows the carrier, which the kernel tells in its own time."""
    row.pop("operstate", None)
    row["flags"] = [flag for flag in row["flags"] if flag not in ("LOWER_UP", "NO-CARRIER", "linkdown")]
    for address in row.get("addr_info", ()):
        address.pop("tentative", None)
    return row


def dump(guest, argv, mac):
    """One `ip` listing as lines; the random MAC and what the kernel derives from it have names."""
    rows = [steady(row) for row in guest.ip(*argv)]
    text = "\n".join(line for row in rows for line in flatten(row, label(row)))
    text = text.replace(mac, "MAC").replace(eui64(mac), "EUI64")
    text = re.sub(r"fe80::(?!EUI64)[0-9a-f:]{5,}", "fe80::OTHER", text)
    text = re.sub(r"((?:life_time|expires)=)(?!4294967295)\d+", r"\1COUNTING", text)
    return "".join(f"{line}\n" for line in sorted(text.splitlines()))


def settled(guest, count):
    """The tap has its IPv6 addresses, and may use them."""
    usable = [address for link in guest.ip("-6", "addr", "show", "dev", "tap0")
              for address in link["addr_info"] if not address.get("tentative")]
    return len(usable) == count


def start(pair, which, case):
    options, beforehand, _ = CASES[case]
    guest = pair.world.new_guest()
    guest.run("sh", "-ec", PROMPT + beforehand)
    return guest, pair.world.start(*options, guest.pid, "tap0", program=pair.program[which])


def both_states(pair, case):
    """Both programs at the same time, each in its own guest."""
    outcomes = []
    for guest, gate in [start(pair, which, case) for which in differential.PROGRAMS]:
        w.wait_until(lambda: settled(guest, CASES[case][2]), f"addresses to settle in {case}")
        mac = guest.ip("link", "show", "dev", "tap0")[0]["address"]
        outcomes.append({stream: dump(guest, argv, mac) for stream, argv in DUMPS.items()})
        gate.stop()
        outcomes[-1]["after"] = dump(guest, ("link",), mac)
    return outcomes


def states(pair, case):
    return pair.once(("interface", case), lambda: both_states(pair, case))


@pytest.mark.parametrize("case, kind", NAMED, ids=lambda value: value)
def test_interface_state(pairs, case, kind):
    reference, ours = states(pairs(kind), case)
    differential.check(f"interface/{case}@{kind}", reference, ours, differences.ROWS)
