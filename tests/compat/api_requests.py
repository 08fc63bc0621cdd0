"""The API requests that are compared. A scenario is one process, asked in this order.

A request that ends the reference with a crash stands in a scenario of its own.
"""
import dataclasses
import json

LIST = b'{"execute":"list_hostfwd"}'
LARGEST = 4095                  # bytes in a request; one more is too many


@dataclasses.dataclass(frozen=True)
class Request:
    id: str
    pieces: tuple               # each is sent when the one before has been read
    shut: bool = True           # shut the sending side down afterwards


def raw(id_, *pieces, **kw):
    return Request(id_, pieces, **kw)


def add(id_, without=(), **changes):
    """An add_hostfwd that would do, but for these changes."""
    arguments = {"proto": "tcp", "host_addr": "127.0.0.1", "host_port": 18080,
                 "guest_addr": "10.0.2.100", "guest_port": 80, **changes}
    for name in without:
        del arguments[name]
    return raw(id_, json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode())


def remove(id_, arguments):
    return raw(id_, b'{"execute":"remove_hostfwd"' + arguments + b"}")


def padded(length):
    return LIST + b" " * (length - len(LIST))


def stuffed(length):
    rest = b'{"x":"%s","execute":"list_hostfwd"}'
    return rest % (b"a" * (length - len(rest) + 2))


GRAMMAR = [
    raw("empty", b""), raw("newline", b"\n"), raw("brace", b"{"), raw("word", b"x"),
    raw("array", b"[]"), raw("array-of-one", b"[1]"), raw("number", b"1"), raw("string", b'"x"'),
    raw("null", b"null"), raw("true", b"true"), raw("object", b"{}"),
    raw("unfinished", LIST[:-1]), raw("trailing-comma", LIST[:-1] + b",}"),
    raw("single-quotes", LIST.replace(b'"', b"'")), raw("comment", b"/*c*/" + LIST),
    raw("leading-zero", LIST[:-1] + b',"x":01}'), raw("nan", LIST[:-1] + b',"x":NaN}'),
    raw("huge-number", LIST[:-1] + b',"x":1e999}'), raw("duplicate-key", LIST[:-1] + b"," + LIST[1:]),
    raw("deep-array", b"[" * 100 + b"]" * 100), raw("too-deep-array", b"[" * 3000),
    raw("byte-order-mark", b"\xef\xbb\xbf" + LIST), raw("bad-utf8", LIST[:-1] + b',"x":"\xff"}'),
    raw("escaped-nul", LIST[:-1] + b',"x":"\\u0000"}'),
    raw("escaped-letter", LIST.replace(b"_", b"\\u005f")),
    raw("blanks", b' \t\r\n{ "execute" : "list_hostfwd" } '),
    raw("execute-number", b'{"execute":1}'), raw("execute-null", b'{"execute":null}'),
    raw("execute-empty", b'{"execute":""}'), raw("execute-unknown", b'{"execute":"bogus"}'),
    raw("execute-upper-case", b'{"execute":"LIST_HOSTFWD"}'),
    raw("execute-missing", b'{"exec":"list_hostfwd"}'),
    raw("arguments-object", LIST[:-1] + b',"arguments":{"x":1}}'),
    raw("arguments-array", LIST[:-1] + b',"arguments":[]}'),
]

FRAMING = [
    raw("list", LIST), raw("newline-after", LIST + b"\n"),
    raw("newline-open", LIST + b"\n", shut=False), raw("nul-after", LIST + b"\0"),
    raw("nul-open", LIST + b"\0", shut=False), raw("nothing-open", LIST, shut=False),
    raw("garbage-after", LIST + b" garbage"), raw("two-values", LIST + LIST),
    raw("newline-later", LIST, b"\n"),
    raw("split", LIST[:11], LIST[11:]), raw("split-in-word", LIST[:5], LIST[5:18], LIST[18:] + b"\n"),
    raw("split-open", LIST[:1], LIST[1:], shut=False),
    raw("largest", padded(LARGEST)), raw("largest-inside", stuffed(LARGEST)),
    raw("too-large", padded(LARGEST + 1)), raw("too-large-inside", stuffed(LARGEST + 1)),
    raw("far-too-large", padded(2 * LARGEST)), raw("error-open", b'{"execute":"bogus"}\n', shut=False),
]

ADD_ERRORS = [
    *(add(f"proto-{p}", proto=p) for p in ("TCP", "sctp", "", "tcp6", "tcp ")),
    *(add(f"host-addr-{h}", host_addr=h) for h in (
        "bogus", "localhost", "1.2.3", "256.0.0.1", "127.0.0.1 ", "198.51.100.9", "010.0.0.1", ":::",
        "fe80::1%lo")),
    *(add(f"guest-addr-{g}", guest_addr=g) for g in ("bogus", "10.0.2", "10.0.2.100/24", "localhost")),
    *(add(f"host-port-{json.dumps(p)}", host_port=p) for p in ("8080", None, True, -0.5, 0.9, [1])),
    *(add(f"guest-port-{json.dumps(p)}", guest_port=p) for p in (0, "80", None, {})),
    add("no-host-port", without=["host_port"]), add("no-guest-port", without=["guest_port"]),
    add("order-proto-first", proto="x", host_addr="x", host_port="x"),
    add("order-host-addr-second", host_addr="x", host_port="x", guest_addr="x"),
    add("order-host-port-third", host_port="x", guest_addr="x", guest_port=0),
    add("order-guest-addr-fourth", guest_addr="x", guest_port=0),
    add("port-out-of-range-high", host_port=65536), add("port-negative", host_port=-1),
    add("port-far-out-of-range", host_port=70000), add("port-fraction", host_port=8080.5),
    add("port-enormous", host_port=1e99), add("port-wrapping", host_port=4294967376),
    add("guest-port-out-of-range", host_port=18081, guest_port=65536),
    add("guest-port-negative", host_port=18082, guest_port=-1),
    add("guest-port-fraction", host_port=18083, guest_port=1.5),
    raw("list-after-errors", LIST),
]

PORT_ZERO = [add("chosen", host_port=0)]
NO_PROTO = [add("proto-missing", without=["proto"])]
PROTO_NULL = [add("proto-null", proto=None)]
NO_ARGUMENTS = [raw("arguments-missing", b'{"execute":"add_hostfwd"}')]
ARGUMENTS_LIST = [raw("arguments-list", b'{"execute":"add_hostfwd","arguments":[]}')]

FORWARDS = [
    raw("list-none", LIST),
    add("first"), add("same-again"), add("host-addr-empty", host_port=18082, host_addr=""),
    add("host-addr-missing", host_port=18083, without=["host_addr"]),
    add("guest-addr-missing", host_port=18084, without=["guest_addr"]),
    add("guest-addr-empty", host_port=18085, guest_addr=""),
    add("guest-addr-any", host_port=18086, guest_addr="0.0.0.0"),
    add("host-addr-number", host_port=18087, host_addr=1),
    add("host-addr-null", host_port=18088, host_addr=None),
    add("guest-addr-list", host_port=18089, guest_addr=[]), add("port-whole-float", host_port=18090.0),
    add("udp", proto="udp"), add("udp-same-again", proto="udp"),
    add("any-taken", host_port=18082, host_addr="127.0.0.1"), add("one-taken", host_addr="0.0.0.0"),
    add("unknown-key", host_port=18091, host_ip="127.0.0.1"),
    add("guest-loopback", host_port=18092, guest_addr="127.0.0.1"),
    add("guest-elsewhere", host_port=18093, guest_addr="192.0.2.55"),
    add("other-loopback", host_port=18080, host_addr="127.0.0.2"),
    add("ports-1-and-65535", host_addr="127.0.0.3", host_port=65535, guest_port=1),
    raw("list-all", LIST),
    *(remove(f"remove-{id_}", arguments) for id_, arguments in (
        ("nothing", b""), ("no-id", b',"arguments":{}'), ("string", b',"arguments":{"id":"1"}'),
        ("null", b',"arguments":{"id":null}'), ("list", b',"arguments":[]'),
        ("unknown", b',"arguments":{"id":99}'),
        ("zero", b',"arguments":{"id":0}'), ("negative", b',"arguments":{"id":-1}'),
        ("enormous", b',"arguments":{"id":1e99}'), ("wrapping", b',"arguments":{"id":4294967297}'),
        ("first", b',"arguments":{"id":1}'), ("first-again", b',"arguments":{"id":1}'),
        ("whole-float", b',"arguments":{"id":2.0}'), ("extra-key", b',"arguments":{"id":3,"x":1}'))),
    raw("list-rest", LIST), add("after-removal"), raw("list-end", LIST),
]

FRACTION_ID = [add("forward"), remove("remove-fraction", b',"arguments":{"id":1.5}')]

IPV6 = [
    add("any", host_addr="::", host_port=18070, guest_addr=""),
    add("loopback", host_addr="::1", host_port=18071, without=["guest_addr"]),
    add("guest", guest_addr="fd00::100", host_port=18072, host_addr="::1"),
    add("guest-alone", guest_addr="fd00::100", host_port=18073, without=["host_addr"]),
    add("udp", proto="udp", host_addr="::", host_port=18074, guest_addr=""),
    add("any-again", host_addr="::", host_port=18070, guest_addr=""),
    add("any-v4-taken", host_addr="127.0.0.1", host_port=18070),
    add("host-6-guest-4", host_addr="::1", host_port=18075),
    add("host-4-guest-6", host_port=18076, guest_addr="fd00::100"),
    raw("list", LIST), remove("remove-any", b',"arguments":{"id":1}'), raw("list-rest", LIST),
]

# Without -6 there is no IPv6 guest to forward to.
IPV6_OFF = [
    add("any", host_addr="::", host_port=18070, guest_addr=""),
    add("loopback", host_addr="::1", host_port=18071, guest_addr=""),
    add("guest", guest_addr="fd00::100", host_port=18072), raw("list", LIST),
]

STATS = [raw("get", b'{"execute":"get_stats"}')]

SCENARIOS = {
    "grammar": GRAMMAR, "framing": FRAMING, "add-errors": ADD_ERRORS,
    "port-zero": PORT_ZERO, "no-proto": NO_PROTO,
    "proto-null": PROTO_NULL, "no-arguments": NO_ARGUMENTS, "arguments-list": ARGUMENTS_LIST,
    "forwards": FORWARDS, "fraction-id": FRACTION_ID, "ipv6": IPV6, "ipv6-off": IPV6_OFF,
    "stats": STATS,
}
OPTIONS = {"ipv6": ("-6", "--macaddress=0e:d4:18:d9:38:fb")}
