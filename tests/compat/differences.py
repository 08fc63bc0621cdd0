"""Every intended difference from the reference: one row each, with its reason.

A row names cases ("id@world", a glob), and for each stream the reference's text and ours.
A row that names one case must occur there; any row must occur somewhere. Rows apply in
this order, each to what the ones before have left.
"""
import re

from differential import ANYTHING, Difference

USAGE = """\
Usage: slirp4netns [OPTION]... PID|PATH|FD [TAPNAME]
User-mode networking for unprivileged network namespaces.

-c, --configure          bring up the interface
-e, --exit-fd=FD         specify the FD for terminating slirp4netns
-r, --ready-fd=FD        specify the FD to write to when the network is configured
-m, --mtu=MTU            specify MTU (default=1500, max=65521)
-6, --enable-ipv6        enable IPv6 (experimental)
-a, --api-socket=PATH    specify API socket path
--cidr=CIDR              specify network address CIDR (default=10.0.2.0/24)
--disable-host-loopback  prohibit connecting to 127.0.0.1:* on the host namespace
--netns-type=TYPE        specify network namespace type ([path|pid|tapfd], default=pid)
--userns-path=PATH       specify user namespace path
--enable-sandbox         create a new mount namespace (and drop all caps except \
CAP_NET_BIND_SERVICE if running as the root)
--enable-seccomp         enable seccomp to limit syscalls (experimental)
--outbound-addr=IPv4     sets outbound ipv4 address to bound to (experimental)
--outbound-addr6=IPv6    sets outbound ipv6 address to bound to (experimental)
--disable-dns            disables 10.0.2.3 (or configured internal ip) to host dns redirect \
(experimental)
--macaddress=MAC         specify the MAC address of the TAP (only valid with -c)
--target-type=TYPE       specify the target type ([netns|bess], default=netns)
-h, --help               show this help and exit
-v, --version            show version and exit

Not in slirp4netns, and not to be abbreviated:
--tcp=STACK              whose TCP carries connections of the namespace ([native|slirp], \
default=native)
--tcp-flows=N            allow so many TCP connections at once (default=100000)
--udp=STACK              whose UDP carries datagrams of the namespace ([native|slirp], \
default=native)
--udp-filter=WHO         who may answer a UDP port: endpoints or addresses that it has sent to, \
or anybody ([endpoint|address|none], default=endpoint)
--udp-bindings=N         keep so many UDP ports and clients at once (default=10000)
--udp-timeout=SECONDS    forget a UDP port that nobody uses (default=120)
--guest-loopback         forwards may lead to the own loopback of the namespace
--pcap=FILE              write every frame of the TAP to a pcapng file
--pcap-limit=MIB         end that file at this size (default=1024)
--publish=SPEC           forward [HOSTADDR:]PORT[-LAST]:[GUESTADDR:]PORT[-LAST][/tcp|/udp|/tcp+udp] or \
unix:PATH:PORT
"""
_LAST = "-v, --version            show version and exit\n"
_BEYOND = USAGE[USAGE.index(_LAST):]

BANNER = """\
Starting slirp
* MTU:             1500
* Network:         10.0.2.0
* Netmask:         255.255.255.0
* Gateway:         10.0.2.2
* DNS:             10.0.2.3
* DHCP begin:      10.0.2.15
* DHCP end:        10.0.2.30
* Recommended IP:  10.0.2.100
WARNING: 127.0.0.1:* on the host is accessible as 10.0.2.2 (set --disable-host-loopback \
to prohibit connecting to 127.0.0.1:*)
"""
OUTBOUND6_WARNING = "WARNING: Support for --outbound-addr6 is experimental\n"
OUTBOUND6 = BANNER.replace("WARNING", "* Outbound IPv6:    {}\nWARNING")

EVERYTHING = re.compile(r"(?s)\A.*\Z")
RUN_LOG = re.compile(r"(?s)\Asent tapfd=.*\Z")
RUN_STDOUT = re.compile(r"(?s)^Starting slirp\n.*\Z", re.M)
MAC_ERROR = ("macaddress has to be a valid MAC address (hex string, 6 bytes, each byte "
             "separated by a ':')")


def refused(message, usage=True, status="exit 0", ready="1"):
    """The reference runs; we print one line and end with status 1."""
    changes = {"status": (status, "exit 1"), "ready": (ready, ""),
               "stdout": (RUN_STDOUT, USAGE if usage else ""), "stderr": (RUN_LOG, message + "\n")}
    return {stream: change for stream, change in changes.items() if change[0] != change[1]}


def named(message, usage=True):
    """Both fail, we before anything was done, with another text."""
    stdout = {"stdout": ("", USAGE)} if usage else {}
    return {"stderr": (EVERYTHING, message + "\n"), **stdout}


def runs(message, tap="tap0", stdout=("", BANNER)):
    """The reference fails; we run."""
    return {"status": ("exit 1", "exit 0"), "ready": ("", "1"), "stdout": stdout,
            "stderr": (message, f"sent tapfd=N for {tap}\nreceived tapfd=N\nexitfd event\n")}


def answers(reference, ours):
    return {"answer": (f'{{"error":{{"desc":"bad request: {reference}"}}}}', ours)}


def error(desc):
    return f'{{"error":{{"desc":"bad request: {desc}"}}}}'


def detailed(desc):
    return f'{{"error":{{"desc":"bad request: {desc}","detail":"{ANYTHING}"}}}}'


def survives(desc="add_hostfwd: bad arguments.proto"):
    return {"answer": ("", error(desc)), "life": ("signal 11", "running")}


FAILED = "add_hostfwd: slirp_add_hostfwd failed"
COUNTERS = ',"accepted":0,"refused":0,"active":0,"bytes_to_guest":0,"bytes_from_guest":0'
BAD_HOST_PORT = error("add_hostfwd: bad arguments.host_port")
BAD_GUEST_PORT = error("add_hostfwd: bad arguments.guest_port")
ACCEPTED = re.compile(r'^\{"return":\{"id":\d+\}\}$')

USAGE_TEXT = [
    Difference("*", "the third kind of operand has a name", {
        "stdout": ("... PID|PATH [TAPNAME]\n", "... PID|PATH|FD [TAPNAME]\n")}),
    Difference("*", "tapfd is named, and the column is made of spaces", {
        "stdout": ("--netns-type=TYPE \t specify network namespace type ([path|pid],",
                   "--netns-type=TYPE        specify network namespace type ([path|pid|tapfd],")}),
    Difference("*", "the column is made of spaces", {
        "stdout": ("--userns-path=PATH\t specify", "--userns-path=PATH       specify")}),
    Difference("*", "options that it does not have are in a group of their own", {
        "stdout": (_LAST, _BEYOND)}),
    Difference("answer/*", "the version is that of the feature set", {
        "stdout": (re.compile(r"slirp4netns version 1\.2\.0\ncommit: \w+\n((?:.+\n)+)"),
                   rf"slirp4netns version 1.3.3\ncommit: {ANYTHING}\n\1"
                   rf"implementation: gate4netns {ANYTHING}\nkernel: {ANYTHING}\n")}),
    Difference("name/version-of-gate4netns*", "under its own name it says its own version", {
        "stdout": (re.compile(r"slirp4netns version 1\.2\.0\ncommit: \w+\n((?:.+\n)+)"),
                   rf"gate4netns version {ANYTHING}\ncommit: {ANYTHING}\n\1"
                   rf"compatible with: slirp4netns 1.3.3\nkernel: {ANYTHING}\n")}),
]

ENDINGS = [
    Difference("*", "a failure is one line; the status says the rest", {
        "stderr": ("child failed(1)\n", "")}),
    Difference("*", "a failure is one line; the status says that it ends", {
        "stderr": ("do_slirp is exiting\ndo_slirp failed\nparent failed\n", "")}),
    Difference("*", "an end that was asked for is said in one line", {
        "stderr": ("exitfd event\ndo_slirp is exiting\n", "exitfd event\n")}),
    Difference("end/SIGTERM*", "the API socket goes with its server", {"files": ("a:s", "")}),
    Difference("end/SIGINT*", "the API socket goes with its server", {"files": ("a:s", "")}),
    Difference("end/SIGHUP*", "the API socket goes with its server", {"files": ("a:s", "")}),
    Difference("end/exit-fd-sandboxed@*", "the socket goes from inside the sandbox too", {
        "files": ("a:s", "")}),
    Difference("caller/every-option@*", "the socket goes from inside the sandbox too", {
        "files": ("a:s", "")}),
    Difference("caller/podman-*", "the socket goes from inside the sandbox too", {
        "files": ("c.net:s", "")}),
    Difference("bess/run*", "the BESS socket goes with its server", {"files": ("b:s", "")}),
    Difference("stdout-in-a-file/SIG*", "stdout is line buffered: a signal loses nothing", {
        "stdout": ("", BANNER)}),
    Difference("stdout-in-a-file/exit-fd-warnings@*", "stdout is line buffered: fork() repeats nothing", {
        "stdout": ("WARNING: Support for IPv6 is experimental\n" * 2,
                   "WARNING: Support for IPv6 is experimental\n")}),
]

NUMBERS = [
    Difference("mtu/too-small@*", "an MTU that IPv4 forbids is refused before anything is done", {
        "stdout": (RUN_STDOUT, USAGE), "stderr": (RUN_LOG, "MTU must be 68 or more, not 1\n")}),
    Difference("mtu/too-small-configured@*", "an MTU that IPv4 forbids is refused before anything is done",
               named("MTU must be 68 or more, not 67")),
    Difference("mtu/truncated@*", "numbers are not truncated", {
        "stdout": (RUN_STDOUT, USAGE),
        "stderr": (RUN_LOG, "MTU must be a positive integer (< 65522)\n")}),
    Difference("fd/exit-truncated@*", "numbers are not truncated", refused(
        "exit-fd must be a non-negative integer", status="signal 9")),
    Difference("fd/ready-truncated@*", "numbers are not truncated", refused(
        "ready-fd must be a non-negative integer", ready="")),
    Difference("fd/exit-empty@*", "nothing is not a number", refused(
        "exit-fd must be a non-negative integer", status="signal 9")),
    Difference("fd/ready-empty@*", "nothing is not a number", refused(
        "ready-fd must be a non-negative integer", ready="")),
    Difference("fd/ready-not-open@*", "a ready byte that is lost is said", {
        "stderr": ("exitfd event\n", "cannot write to ready-fd 999: Bad file descriptor\nexitfd event\n")}),
    Difference("pid/too-large@*", "numbers are not truncated", named("PID must be a positive integer")),
    Difference("pid/truncated@*", "numbers are not truncated", named("PID must be a positive integer")),
]

TARGETS = [
    Difference("positional/tap-empty-configured@*", "the name that the kernel chose is configured", runs(
        "cannot set device up: No such device\n", tap="")),
    Difference("positional/tap-pattern-configured@*", "the name that the kernel chose is configured", runs(
        "cannot set device up: No such device\n", tap="tap%d")),
    Difference("netns/type-unknown@*", "an unknown type is not a path", refused(
        '--netns-type must be "pid", "path" or "tapfd", not "bogus"')),
    Difference("netns/type-empty@*", "an unknown type is not a path", named(
        '--netns-type must be "pid", "path" or "tapfd", not ""', usage=False)),
    Difference("netns/type-upper-case@*", "an unknown type is not a path", named(
        '--netns-type must be "pid", "path" or "tapfd", not "PID"', usage=False)),
    Difference("netns/tapfd-word@*", "tapfd came after the reference's version", {
        "stderr": ("", "TAPFD must a file descriptor\n")}),
    Difference("netns/tapfd-closed@*", "tapfd came after the reference's version", {
        "stdout": (EVERYTHING, ""), "stderr":
        ("", "TAPFD 999 is not a TAP without packet information: Bad file descriptor\n")}),
    Difference("bess/path-too-long@*", "a path that cannot work is refused before anything is done", {
        "stdout": ("WARNING: BESS mode is experimental\n", "")}),
    Difference("api-socket/too-long@*", "a path that cannot work is refused before anything is done", {
        "stdout": (RUN_STDOUT, ""), "stderr": ("sent tapfd=N for tap0\nreceived tapfd=N\n", "")}),
    Difference("api-socket/is-file@*", "a file that is no socket is not deleted", {
        "status": ("exit 0", "exit 1"), "ready": ("1", ""), "files": ("", "f"),
        "stderr": ("exitfd event\n", "api_bindlisten: bind: Address already in use\n")}),
]

ADDRESSES = [
    Difference("mac/*", "one line names the option and the value", {
        "stderr": (re.compile(r'\A"(.*)" is an invalid MAC address\..*\n.*\Z'),
                   MAC_ERROR + ', not "\\1"\n')}),
    *(Difference(f"mac/{mac}@*", "a MAC has six bytes between colons", refused(
        f'{MAC_ERROR}, not "{mac}"', usage=False))
      for mac in ("0e:d4", "0e-d4-18-d9-38-fb", "0x0e:d4:18:d9:38:fb", "0e:d4:18:d9:38:fg",
                  "0e:d4:18:d9:38:fbX")),
    Difference("*", "a line of stderr ends in a newline", {
        "stderr": (re.compile(r"(outbound-addr has to be .* name\.)\Z"), "\\1\n")}),
    *(Difference(f"outbound/v6-{name}@*", "the name of an interface works without --outbound-addr", runs(
        "outbound-addr has to be valid ipv4 address or iterface name.\n",
        stdout=(OUTBOUND6_WARNING, OUTBOUND6_WARNING + OUTBOUND6.format(address))))
      for name, address in (("lo", "::1"), ("up0", "2001:db8::1"))),
    Difference("cidr/127.0.0.0_8@*", "refused before anything is made", {
        "stderr": (EVERYTHING, "CIDR is the loopback network, which no interface but lo can have: "
                   "127.0.0.0/8\n")}),
    Difference("cidr/224.0.0.0_8@*", "an address that cannot be is refused by the kernel a step later", {
        "stderr": ("cannot set device address: Invalid argument", "set route: Network is unreachable")}),
]

FAILURES = [
    Difference("failure/route-exists@*", "the route names its device", runs(
        "set route: Network is unreachable\n")),
    Difference("failure/second-run-on-persistent@*", "a tap that is configured already may be used again",
               runs("set route: File exists\n")),
    Difference("failure/fd-limit@*", "the namespaces are opened first", {
        "stderr": ("socketpair: Too many", "/proc/PID/ns/net: Too many")}),
    Difference("failure/child-signal-ignored@*", "a caller that ignores SIGCHLD is served", runs(
        "sent tapfd=N for tap0\nwaitpid: No child processes\n")),
    Difference("failure/sandbox-path-as-user@*", "the sandbox works as a user by path, too", {
        "status": ("exit 1", "exit 0"), "ready": ("", "1"),
        "stderr": ("setegid(0)\nparent failed\n", "exitfd event\n")}),
]

_MULTICAST = ('"BROADCAST", "UP"', '"BROADCAST", "MULTICAST", "UP"')
_OLD = 'tap0.addr_info[10.9.9.9/32].family="inet"\n' \
       'tap0.addr_info[10.9.9.9/32].label="tap0"\n' \
       'tap0.addr_info[10.9.9.9/32].local="10.9.9.9"\n' \
       'tap0.addr_info[10.9.9.9/32].preferred_life_time=4294967295\n' \
       'tap0.addr_info[10.9.9.9/32].prefixlen=32\n' \
       'tap0.addr_info[10.9.9.9/32].scope="global"\n' \
       'tap0.addr_info[10.9.9.9/32].valid_life_time=4294967295\n'
_OLD_ROUTE = "".join(f"local 10.9.9.9.{field}\n" for field in (
    'dev="tap0"', 'dst="10.9.9.9"', "flags=[]", 'prefsrc="10.9.9.9"', 'protocol="kernel"',
    'scope="host"', 'table="local"', 'type="local"'))
_ADDRESS_END = "tap0.addr_info[10.0.2.100/24].valid_life_time=4294967295\n"
_ROUTE_END = 'local 10.0.2.100.type="local"\n'

INTERFACE = [
    Difference("interface/*", "large segments cross the tap, with a header that says so", {
        "link": ("tap0.linkinfo.info_data.vnet_hdr=false\n",
                 "tap0.linkinfo.info_data.vnet_hdr=true\n")}),
    Difference("interface/*", "the tap keeps IFF_MULTICAST", {
        "link": _MULTICAST, "addr": _MULTICAST, "after": _MULTICAST}),
    Difference("interface/*mac@*", "the MAC is set before the IPv6 address is made of it", {
        "addr": ("fe80::OTHER", "fe80::EUI64"), "route6": ("fe80::OTHER", "fe80::EUI64")}),
    Difference("interface/persistent-with-address@*", "an address that was there stays", {
        "addr": (_ADDRESS_END, _ADDRESS_END + _OLD), "route4": (_ROUTE_END, _ROUTE_END + _OLD_ROUTE)}),
]

API = [
    Difference("api/forwards/log@*", "a refused forward is said with its reason, no request is logged", {
        "stderr": (re.compile(r"(?s)apifd event\n.*(?=exitfd event)"), "".join(
            f"api: add_hostfwd: {at}: Address already in use\n" for at in (
                "tcp 127.0.0.1:18080", "udp 127.0.0.1:18080", "tcp 127.0.0.1:18082",
                "tcp 0.0.0.0:18080")))}),
    Difference("api/add-errors/log@*", "a refused forward is said with its reason, no request is logged", {
        "stderr": (re.compile(r"(?s)apifd event\n.*(?=exitfd event)"),
                   "api: add_hostfwd: tcp 198.51.100.9:18080: Cannot assign requested address "
                   "(it is no address of this host)\n")}),
    Difference("api/ipv6/log@*", "a refused forward is said with its reason, no request is logged", {
        "stderr": (re.compile(r"(?s)apifd event\n.*(?=exitfd event)"),
                   "api: add_hostfwd: tcp [::]:18070: Address already in use\n")}),
    *(Difference(f"api/{scenario}/log@*", "the request is answered, and the process ends when told to", {
        "stderr": (re.compile(r"(?s)apifd event\n.*\Z"), "exitfd event\n")})
      for scenario in ("no-proto", "proto-null", "no-arguments", "arguments-list")),
    Difference("api/*/log@*", "requests are not copied to the log", {
        "stderr": (re.compile(r"(?s)apifd event\n.*(?=exitfd event)"), "")}),
    Difference("api/*", "the list has both shapes that callers look for", {
        "answer": (re.compile(r'^\{"entries":(\[.*\])\}$'),
                   r'{"entries":\1,"return":{"entries":\1}}')}),
    Difference("api/*", "a forward of our own stacks has counters", {
        "answer": (re.compile(r'("proto":"(?:tcp|udp)",[^{}]*"guest_port":\d+)\}'), rf'\1{COUNTERS}}}')}),
    Difference("api/*", "what the system has refused has its reason", {
        "answer": (error(FAILED), detailed(FAILED))}),
    Difference("api/port-zero/chosen@*", "the kernel may choose the port", {
        "answer": (BAD_HOST_PORT, f'{{"return":{{"id":1,"host_port":{ANYTHING}}}}}')}),
    Difference("api/stats/get@*", "the counters can be asked for", answers(
        "unknown execute",
        '{"return":{' + ",".join(f'"{module}":{{{ANYTHING}}}' for module in (
            "link", "gate", "tcp", "pool", "ports")) + "}}")),
    Difference("api/framing/split*", "a request may come in pieces", answers(
        "cannot parse JSON", '{"entries":[],"return":{"entries":[]}}')),
    Difference("api/fraction-id/remove-fraction@*", "an id is a whole number", {
        "answer": ('{"return":{}}', error("remove_hostfwd: bad arguments.id"))}),
    Difference("api/grammar/byte-order-mark@*", "JSON begins without a byte order mark (RFC 8259)", {
        "answer": (EVERYTHING, error("cannot parse JSON"))}),
    Difference("api/grammar/bad-utf8@*", "JSON is UTF-8 (RFC 8259)", {
        "answer": (EVERYTHING, error("cannot parse JSON"))}),
    Difference("api/*/proto-missing@*", "a request without proto is answered", survives()),
    Difference("api/*/proto-null@*", "a request without proto is answered", survives()),
    Difference("api/*/arguments-missing@*", "a request without proto is answered", survives()),
    Difference("api/*/arguments-list@*", "a request without proto is answered", survives()),
    Difference("api/add-errors/port-*", "a port is a whole number from 1 to 65535", {
        "answer": (ACCEPTED, BAD_HOST_PORT)}),
    Difference("api/add-errors/guest-port-*", "a port is a whole number from 1 to 65535", {
        "answer": (ACCEPTED, BAD_GUEST_PORT)}),
    Difference("api/add-errors/list-after-errors@*", "nothing of what was refused is there", {
        "answer": (EVERYTHING, '{"entries":[],"return":{"entries":[]}}')}),
]

_GUEST6 = "fd00::cd4:18ff:fed9:38fb"    # of the MAC in api_requests.py
_ENTRY = '{{"id":{},"proto":"{}","host_addr":"{}","host_port":{},"guest_addr":"{}","guest_port":80{}}}'
_BOTH = ',"guest_addr4":"10.0.2.100"'    # on :: for IPv4 clients; that of 18070 has given way to the sixth
_ENTRIES = [_ENTRY.format(*fields) for fields in (
    (1, "tcp", "::", 18070, _GUEST6, COUNTERS), (2, "tcp", "::1", 18071, _GUEST6, COUNTERS),
    (3, "tcp", "::1", 18072, "fd00::100", COUNTERS), (4, "tcp", "::", 18073, "fd00::100", COUNTERS),
    (5, "udp", "::", 18074, _GUEST6, _BOTH + COUNTERS),
    (6, "tcp", "127.0.0.1", 18070, "10.0.2.100", COUNTERS))]


def listed(entries):
    whole = f'[{",".join(entries)}]'
    return {"answer": (EVERYTHING, f'{{"entries":{whole},"return":{{"entries":{whole}}}}}')}


API_IPV6 = [
    *(Difference(f"api/ipv6/{id_}@*", "IPv6 can be forwarded", {
        "answer": (EVERYTHING, f'{{"return":{{"id":{number}}}}}')})
      for number, id_ in enumerate(("any", "loopback", "guest", "guest-alone", "udp", "any-v4-taken"), 1)),
    Difference("api/ipv6/any-again@*", "IPv6 can be forwarded", answers(
        "add_hostfwd: bad arguments.host_addr", detailed(FAILED))),
    Difference("api/ipv6/host-6-guest-4@*", "of two families the guest's is the wrong one", answers(
        "add_hostfwd: bad arguments.host_addr", error("add_hostfwd: bad arguments.guest_addr"))),
    Difference("api/ipv6/list@*", "IPv6 can be forwarded", listed(_ENTRIES)),
    Difference("api/ipv6/list-rest@*", "IPv6 can be forwarded", listed(_ENTRIES[1:])),
]


def unknown(option):
    return f"slirp4netns: unrecognized option '{option}'\n"


def ours_only(case, option, files="", stdout=BANNER):
    """The reference does not know the option; we run."""
    return Difference(f"beyond/{case}@*", f"{option} is an option of ours", {
        **runs(unknown(option), stdout=(USAGE, stdout)), **({"files": ("", files)} if files else {})})


def ours_refuses(case, option, message, usage=False):
    return Difference(f"beyond/{case}@*", f"{option} is an option of ours", {
        "stderr": (unknown(option), message + "\n"), **({} if usage else {"stdout": (USAGE, "")})})


BEYOND = [
    ours_only("tcp-slirp", "--tcp=slirp"), ours_only("tcp-native", "--tcp=native"),
    ours_only("tcp-separate", "--tcp"), ours_only("tcp-last-wins", "--tcp=slirp"),
    ours_only("tcp-among-abbreviations", "--tcp=native"),
    ours_only("publish", "--publish=18080:80"),
    ours_refuses("publish-bad", "--publish=80/sctp",
                 "--publish=80/sctp: the protocol is not tcp, udp or tcp+udp"),
    ours_refuses("publish-missing", "--publish",
                 "slirp4netns: option '--publish' requires an argument", usage=True),
    Difference("beyond/publish-foreign-address@*", "a port that cannot be published ends the start", {
        "stdout": (USAGE, BANNER),
        "stderr": (unknown("--publish=198.51.100.9:8080:80"),
                   "sent tapfd=N for tap0\nreceived tapfd=N\n"
                   "--publish=198.51.100.9:8080:80: tcp 198.51.100.9:8080: Cannot assign requested address "
                   "(it is no address of this host)\n")}),
    ours_only("pcap", "--pcap=TMP/capture", files="capture"),
    ours_refuses("tcp-unknown", "--tcp=fast",
                 '--tcp must be "native" or "slirp", not "fast"', usage=True),
    ours_refuses("tcp-empty", "--tcp=", '--tcp must be "native" or "slirp", not ""', usage=True),
    ours_refuses("tcp-missing", "--tcp", "slirp4netns: option '--tcp' requires an argument",
                 usage=True),
    ours_refuses("pcap-missing", "--pcap", "slirp4netns: option '--pcap' requires an argument",
                 usage=True),
    ours_refuses("pcap-cannot-open", "--pcap=/nonexistent/capture",
                 "--pcap: cannot open '/nonexistent/capture': No such file or directory"),
    ours_refuses("pcap-limit-word", "--pcap-limit=x",
                 '--pcap-limit must be a number from 1 to 2147483647, not "x"', usage=True),
    ours_refuses("pcap-limit-zero", "--pcap-limit=0",
                 '--pcap-limit must be a number from 1 to 2147483647, not "0"', usage=True),
    ours_refuses("pcap-limit-alone", "--pcap-limit=1",
                 "--pcap-limit cannot be specified without --pcap"),
]

ROWS = [*USAGE_TEXT, *ENDINGS, *NUMBERS, *TARGETS, *ADDRESSES, *FAILURES, *INTERFACE, *API, *API_IPV6,
        *BEYOND]
