"""The command lines that are compared, by subject.

RUN makes a program report readiness and lets the test end it. A line without it is
one that must fail, or answer, at once.
"""
from differential import Case

RUN = "-e {exit} -r {ready}"
PID = RUN + " {pid} tap0"
NETNS = "/proc/{pid}/ns/net"
USERNS = "/proc/{pid}/ns/user"
STALE = """/usr/bin/python3 -c '
import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' {tmp}/b"""
ROOTLESS, ROOTFUL = ("rootless",), ("rootful",)


def lines(subject, *rows, **common):
    """Rows are (id, line) or (id, line, {field: value})."""
    return [Case(f"{subject}/{id_}", line, **{**common, **(more[0] if more else {})})
            for id_, line, *more in rows]


ANSWERS = lines(
    "answer",
    ("help", "--help"), ("h", "-h"), ("version", "--version"), ("v", "-v"),
    ("nothing", ""), ("pid-only", "{pid}"), ("configure-pid-only", "-c {pid}"),
    ("help-after-positionals", "{pid} tap0 --help"), ("help-before-error", "--help --bogus"),
    ("error-before-help", "--bogus --help"), ("bad-value-before-help", "--mtu=0 --help"),
    ("help-before-bad-value", "--help --mtu=0"), ("help-then-version", "-hv"),
    ("version-then-help", "-vh"), ("version-help-long", "--version --help"),
    ("help-in-cluster", "-ch"), ("help-after-dashes", "-- --help"), ("dashes-only", "--"),
    ("dash-only", "-"), ("help-abbreviated", "--hel"), ("version-abbreviated", "--v"),
)

OUR_NAME = lines(
    "name",
    ("help-of-gate4netns", "--help"), ("version-of-gate4netns", "--version"),
    ("bogus-option-of-gate4netns", "--bogus"), ("ambiguous-of-gate4netns", "--en {pid} tap0"),
    ("run-of-gate4netns", f"-c {PID}"), ("bad-cidr-of-gate4netns", "--cidr=x {pid} tap0"),
    name="gate4netns",
) + lines("name", ("whole-path", "--bogus", {"name": "/opt/tools/slirp4netns"}))

OPTIONS = lines(
    "option",
    ("unknown-long", "--bogus {pid} tap0"), ("unknown-long-value", "--bogus=1"),
    ("unknown-short", "-Z {pid} tap0"), ("unknown-in-cluster", "-cZ {pid} tap0"),
    ("unknown-after-positionals", f"-c {PID} --bogus"),
    ("unwanted-value", "--configure=x {pid} tap0"), ("unwanted-value-help", "--help=x"),
    ("missing-long", "--mtu"), ("missing-short", "-m"), ("missing-exit-fd", "-e"),
    ("missing-cidr", "--cidr"), ("missing-api-socket", "-a"), ("missing-ready", "--r"),
    ("missing-target", "--t"), ("missing-userns", "--u"), ("missing-mac", "--ma"),
    ("missing-netns-type", "--ne"),
    ("ambiguous-c", "--c"), ("ambiguous-d", "--d"), ("ambiguous-e", "--e"),
    ("ambiguous-enable", "--enable"), ("ambiguous-enable-s", "--enable-s {pid} tap0"),
    ("ambiguous-m", "--m"), ("ambiguous-n", "--n"), ("ambiguous-o", "--o"),
    ("ambiguous-outbound", "--outbound-a=1 {pid} tap0"), ("unknown-x", "--x"),
    ("alias-abbreviated-create", "--cr"), ("alias-abbreviated-no", "--no"),
    ("abbreviations", "--conf --mt=1400 --exit={exit} --ready {ready} {pid} tap0"),
    ("permuted", "{pid} --cidr 10.0.1.0/24 tap0 -c " + RUN),
    ("separator", f"-c {RUN} -- {{pid}} tap0"),
    ("option-like-extra", f"-c {RUN} {{pid}} -- tap0 --bogus"),
    ("glued", "-ce{exit} -r{ready} -m1400 {pid} tap0"), ("cluster", "-c6e {exit} -r {ready} {pid} tap0"),
    ("last-wins", f"-c -c -m 1400 -m 1300 --cidr=10.1.0.0/16 --cidr 10.2.0.0/16 {PID}"),
    ("bad-value-then-good", "-m 0 -m 1500 {pid} tap0"),
    ("first-error-mtu", "-m 0 -e x {pid} tap0"), ("first-error-exit", "-e x -m 0 {pid} tap0"),
)

NUMBERS = lines(
    "mtu",
    *((v, f"--mtu={v} {PID}") for v in ("0", "-1", "abc", "65522", "65521x", "+1500", "-0",
                                        "99999999999999999999", "0x5dc", "1500.5", "68", "65521")),
    ("blank", f"--mtu=' 1500' {PID}"), ("empty", f"--mtu= {PID}"), ("short", f"-m 0 {PID}"),
    ("separate", f"--mtu 9000 {PID}"),
    ("too-small-configured", f"-c -m 67 {PID}"), ("too-small", f"-m 1 {PID}"),
    ("truncated", f"--mtu=4294967297 {PID}"),
) + lines(
    "fd",
    *((f"exit-{v}", f"--exit-fd={v} -r {{ready}} {{pid}} tap0") for v in ("-1", "abc", "1x",
                                                                         "99999999999999999999")),
    *((f"ready-{v}", f"--ready-fd={v} -e {{exit}} {{pid}} tap0") for v in ("-1", "abc", "1x")),
    ("ready-not-open", "-c --ready-fd=999 -e {exit} {pid} tap0", {"wait_ready": False}),
    ("exit-plus", "--exit-fd=+{exit} -r {ready} {pid} tap0"),
    ("ready-blank", "-e {exit} --ready-fd=' {ready}' {pid} tap0"),
    ("exit-empty", "--exit-fd= -r {ready} {pid} tap0", {"signal": "SIGKILL"}),
    ("ready-empty", "--ready-fd= -e {exit} {pid} tap0", {"wait_ready": False}),
    ("exit-truncated", "--exit-fd=4294967296 -r {ready} {pid} tap0", {"signal": "SIGKILL"}),
    ("ready-truncated", "--ready-fd=4294967296 -e {exit} {pid} tap0", {"wait_ready": False}),
)

POSITIONALS = lines(
    "pid",
    *((v, f"{RUN} -- {v} tap0") for v in ("abc", "0", "-1", "1x", "1.5", "99999999")),
    ("empty", f"{RUN} '' tap0"), ("dead", f"{RUN} {{dead}} tap0"),
    ("blank", f"{RUN} ' {{pid}}' tap0"), ("plus", f"{RUN} +{{pid}} tap0"),
    ("too-large", f"{RUN} 99999999999 tap0"), ("truncated", f"{RUN} {{wrapped}} tap0"),
    ("foreign", f"{RUN} 1 tap0", {"worlds": ROOTLESS}),
) + lines(
    "positional",
    ("one-extra", f"{PID} extra"), ("two-extra", f"-c {PID} extra more"),
    ("tap-empty", f"{RUN} {{pid}} ''"), ("tap-pattern", f"{RUN} {{pid}} tap%d"),
    ("tap-empty-configured", f"-c {RUN} {{pid}} ''"),
    ("tap-pattern-configured", f"-c {RUN} {{pid}} tap%d"),
    ("tap-15", f"-c {RUN} {{pid}} abcdefghijklmno"),
    ("tap-long", f"-c {RUN} {{pid}} abcdefghijklmnopq"),
    ("tap-slash", f"-c {RUN} {{pid}} a/b"), ("tap-lo", f"-c {RUN} {{pid}} lo"),
    ("tap-dot", f"{RUN} {{pid}} ."), ("tap-space", f"{RUN} {{pid}} 'a b'"),
    ("tap-colon", f"{RUN} {{pid}} tap:0"), ("tap-other-name", f"-c {RUN} {{pid}} slirp0"),
)

NAMESPACES = lines(
    "netns",
    ("pid", f"-c --netns-type=pid {PID}"), ("path", f"--netns-type=path {RUN} {NETNS} tap0",
                                            {"worlds": ROOTFUL}),
    ("path-as-user", f"-c --netns-type=path {RUN} {NETNS} tap0", {"worlds": ROOTLESS}),
    ("path-userns", f"-c --netns-type=path --userns-path={USERNS} {RUN} {NETNS} tap0"),
    ("path-missing", f"--netns-type=path {RUN} /nonexistent tap0"),
    ("path-empty", f"--netns-type=path {RUN} '' tap0"),
    ("path-is-pid", f"--netns-type=path {PID}"), ("path-alone", "--netns-type=path"),
    ("path-no-tap", f"--netns-type=path {NETNS}"),
    ("path-is-file", f"--netns-type=path {RUN} /etc/passwd tap0"),
    ("path-is-directory", f"--netns-type=path {RUN} / tap0"),
    ("path-is-userns", f"--netns-type=path {RUN} {USERNS} tap0"),
    ("type-unknown", f"--netns-type=bogus {RUN} {NETNS} tap0", {"worlds": ROOTFUL}),
    ("type-empty", f"--netns-type= {PID}"), ("type-upper-case", f"--netns-type=PID {PID}"),
    ("type-repeated", f"--netns-type=path --netns-type=pid {PID}"),
    ("tapfd-nothing", "--netns-type=tapfd"), ("tapfd-word", "--netns-type=tapfd abc"),
    ("tapfd-closed", f"--netns-type=tapfd {RUN} 999"),
) + lines(
    "userns",
    ("missing", f"--userns-path=/nonexistent {PID}"), ("empty", f"--userns-path= {PID}"),
    ("missing-alone", "--userns-path=/nonexistent"),
    ("missing-then-bad-mtu", "--userns-path=/nonexistent -m 0 {pid} tap0"),
    ("bad-mtu-then-missing", "-m 0 --userns-path=/nonexistent {pid} tap0"),
    ("missing-and-bad-pid", "--userns-path=/nonexistent abc tap0"),
    ("given-by-pid", f"-c --userns-path={USERNS} {PID}"), ("is-file", f"--userns-path=/etc/passwd {PID}"),
    ("not-readable", f"--userns-path=/proc/1/ns/user {PID}", {"worlds": ROOTLESS}),
)

ADDRESSES = lines(
    "cidr",
    *((v.replace("/", "_"), f"--cidr={v} -c {PID}") for v in (
        "", "abc", "10.0.2.0", "10.0.2.0/", "10.0.2.0/0", "10.0.2.0/26", "10.0.2.100/26", "10.0.2.0/33",
        "10.0.2.100/24", "10.0.2.1/25", "256.0.2.0/24", "10.0.2.256/24", "999.0.2.0/99",
        "10.0.2.0/024", "10.0.2.0/24x", "010.0.2.0/24", "10.0.2/24", "fd00::/64", "10.0.2.0/1",
        "10.0.2.0/01", "128.0.0.0/01", "128.0.0.0/1", "10.0.0.0/8", "10.0.2.128/25", "255.255.255.0/24",
        "0.0.0.0/8", "224.0.0.0/8", "127.0.0.0/8")),
    ("blank-before", f"--cidr=' 10.0.2.0/24' {PID}"), ("blank-after", f"--cidr='10.0.2.0/24 ' {PID}"),
    ("unconfigured-zero", f"--cidr=0.0.0.0/8 {PID}"),
    ("bad-and-bad-pid", "--cidr=bad abc tap0"), ("bad-alone", "--cidr=bad"),
    ("bad-and-bad-mtu", "--cidr=bad -m 0 {pid} tap0"),
    ("before-other-addresses", "--cidr=bad --outbound-addr=bad --macaddress=zz -c {pid} tap0"),
) + lines(
    "mac",
    *((v, f"-c --macaddress={v} {PID}") for v in (
        "", "zz", "g", "0e:d4:18:d9:38:fb", "0E:D4:18:D9:38:FB", "e:4:8:9:8:b", "0e:d4:18:d9:38:fb:00",
        "0e:d4:18:d9:38:fb:", "0e:d4:18:d9:38:", "0e:d4:18:d9:38:fbb", "0e::18:d9:38:fb",
        "01:00:00:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff",
        "0e:d4", "0e-d4-18-d9-38-fb", "0x0e:d4:18:d9:38:fb", "0e:d4:18:d9:38:fg", "0e:d4:18:d9:38:fbX")),
    ("unconfigured", "--macaddress=0e:d4:18:d9:38:fb {pid} tap0"),
    ("unconfigured-alone", "--macaddress=zz"),
    ("after-outbound", "--macaddress=zz -c --outbound-addr=bad {pid} tap0"),
) + lines(
    "outbound",
    *((f"v4-{v}", f"--outbound-addr={v} {PID}") for v in (
        "", "bogus", "127.0.0.1", "192.0.2.1", "0.0.0.0", "1.2.3", "256.1.1.1", "::1", "01.2.3.4",
        "lo", "up0", "eth9")),
    *((f"v6-{v}", f"--outbound-addr6={v} {PID}") for v in (
        "", "bogus", "::1", "2001:db8::1", "::", "127.0.0.1", "fe80::1%lo", "::ffff:1.2.3.4", "lo", "up0")),
    ("both-interfaces", f"--outbound-addr=up0 --outbound-addr6=up0 {PID}"),
    ("both-bad", f"--outbound-addr=bad --outbound-addr6=bad {PID}"),
    ("repeated", f"--outbound-addr=bad --outbound-addr=127.0.0.1 {PID}"),
    ("warns-before-usage", "--outbound-addr=127.0.0.1 --outbound-addr6=::1 --mtu=0 {pid} tap0"),
)

BEYOND = lines(         # options that only we have, and what must not become an abbreviation of one
    "beyond",
    ("tcp-slirp", f"-c --tcp=slirp {PID}"), ("tcp-native", f"-c --tcp=native {PID}"),
    ("tcp-separate", f"-c {PID} --tcp native"),
    ("tcp-last-wins", f"--tcp=slirp -c --tcp=native {PID}"),
    ("tcp-among-abbreviations", f"--t=netns -c --tcp=native --t=netns {PID}"),
    ("tcp-unknown", f"--tcp=fast {PID}"), ("tcp-empty", f"--tcp= {PID}"),
    ("tcp-missing", f"{PID} --tcp"),
    ("pcap", f"-c --pcap={{tmp}}/capture {PID}"), ("pcap-missing", f"{PID} --pcap"),
    ("pcap-cannot-open", f"--pcap=/nonexistent/capture {PID}"),
    ("pcap-limit-word", f"--pcap-limit=x {PID}"), ("pcap-limit-zero", f"--pcap-limit=0 {PID}"),
    ("pcap-limit-alone", f"--pcap-limit=1 {PID}"),
    ("publish", f"-c --publish=18080:80 --publish 18081:80/udp {PID}"),
    ("publish-bad", f"--publish=80/sctp {PID}"), ("publish-missing", f"{PID} --publish"),
    ("publish-foreign-address", f"-c --publish=198.51.100.9:8080:80 {PID}"),
    ("pub", f"--pub=80 {PID}"),
    ("t", f"-c --t=netns {PID}"), ("ta", f"-c --ta netns {PID}"), ("t-bess", "--t=bess"),
    ("tc", f"--tc=native {PID}"), ("p", f"--p=x {PID}"), ("pca", f"--pca=x {PID}"),
    ("pcap-l", f"--pcap-l=1 {PID}"), ("tcp-behind-dashes", f"{RUN} -- {{pid}} tap0 --tcp=native"),
    ("tcp-as-value", f"--cidr --tcp=native {PID}"),
)

BESS = lines(
    "bess",
    ("type-unknown", "--target-type=bogus {pid} tap0"), ("type-empty", "--target-type= {pid} tap0"),
    ("type-unknown-after-mtu", "-m 0 --target-type=bogus abc"),
    ("netns", f"--target-type=netns {PID}"), ("nothing", "--target-type=bess"),
    ("configure", "--target-type=bess -c {tmp}/b"),
    ("netns-type", "--target-type=bess --netns-type=pid {tmp}/b"),
    ("netns-type-path", "--netns-type=path --target-type=bess {tmp}/b"),
    ("userns-path", "--target-type=bess --userns-path=/proc/self/ns/user {tmp}/b"),
    ("userns-path-missing", "--target-type=bess --userns-path=/nonexistent {tmp}/b"),
    ("mac", "--target-type=bess --macaddress=0e:d4:18:d9:38:fb {tmp}/b"),
    ("extra", "--target-type=bess {tmp}/b x"),
    ("everything", "--target-type=bess -c --netns-type=pid --userns-path=/proc/self/ns/user {tmp}/b x"),
    ("no-directory", "--target-type=bess {tmp}/none/b"),
    ("path-too-long", "--target-type=bess {tmp}/" + "b" * 120),
    ("run", f"--target-type=bess {RUN} {{tmp}}/b", {"peer": "{tmp}/b"}),
    ("run-options", "--target-type=bess -a {tmp}/a --mtu=9000 --cidr=10.3.0.0/16 --disable-dns "
     f"--disable-host-loopback {RUN} {{tmp}}/b", {"peer": "{tmp}/b"}),
    ("run-over-stale-socket", f"--target-type=bess {RUN} {{tmp}}/b", {"peer": "{tmp}/b", "files": STALE}),
    ("run-SIGTERM", f"--target-type=bess -r {{ready}} {{tmp}}/b", {"peer": "{tmp}/b", "signal": "SIGTERM"}),
)

API_SOCKET = lines(
    "api-socket",
    ("short", "-a {tmp}/a " + PID), ("long", f"--api-socket={{tmp}}/a -c {PID}"),
    ("repeated", f"--api-socket={{tmp}}/a -a {{tmp}}/b {PID}"),
    ("too-long", "-a {tmp}/" + "a" * 120 + f" {PID}"), ("no-directory", f"-a {{tmp}}/none/a {PID}"),
    ("is-directory", f"-a {{tmp}}/d {PID}", {"files": "mkdir {tmp}/d"}),
    ("is-file", f"-a {{tmp}}/f {PID}", {"files": "echo precious >{tmp}/f"}),
    ("is-stale-socket", f"-a {{tmp}}/b {PID}", {"files": STALE}),
    ("in-proc", f"-a /proc/x {PID}"), ("denied", f"-a /root/x {PID}", {"worlds": ROOTLESS}),
)

WARNINGS = lines(
    "warning",
    ("ipv6", f"-c -6 {PID}"), ("ipv6-twice", f"--enable-ipv6 -6 {PID}"),
    ("no-host-loopback", f"--no-host-loopback {PID}"), ("create-sandbox", f"--create-sandbox {PID}"),
    ("both-aliases-twice", "--create-sandbox --no-host-loopback --no-host-loopback "
     f"--create-sandbox {PID}"),
    ("alias-then-error", "--no-host-loopback --create-sandbox --mtu=x"),
)

FAILURES = lines(
    "failure",
    ("tap-multi-queue", f"-c {PID}", {"guest": "ip tuntap add name tap0 mode tap multi_queue"}),
    ("tap-is-tun", f"-c {PID}", {"guest": "ip tuntap add name tap0 mode tun"}),
    ("route-exists", f"-c {PID}", {"guest": "ip link set lo up; ip addr add 10.0.2.7/24 dev lo; "
     "ip route add default via 10.0.2.2 dev lo"}),
    ("second-run-on-persistent", f"-c {PID}", {"guest": "ip tuntap add name tap0 mode tap; "
     "ip addr add 10.0.2.100/24 dev tap0; ip link set tap0 up; ip route add default via 10.0.2.2"}),
    ("fd-limit", f"-c {PID}", {"prefix": "prlimit --nofile=4:4"}),
    ("no-cap-net-admin", f"-c {PID}", {"worlds": ROOTFUL, "prefix": "setpriv --bounding-set=-net_admin "
     "--inh-caps=-net_admin"}),
    ("no-cap-sys-admin", f"-c {PID}", {"worlds": ROOTFUL, "prefix": "setpriv --bounding-set=-sys_admin "
     "--inh-caps=-sys_admin"}),
    ("foreign-owner", f"-c {PID}", {"worlds": ROOTFUL, "prefix": "setpriv --reuid=10001 --regid=10001 "
     "--clear-groups"}),
    ("no-device", f"-c {PID}", {"worlds": ROOTFUL,
     "prefix": "unshare --mount sh -c 'mount -t tmpfs none /dev/net; exec \"$@\"' sh"}),
    ("device-is-null", f"-c {PID}", {"worlds": ROOTFUL, "prefix":
     "unshare --mount sh -c 'mount --bind /dev/null /dev/net/tun; exec \"$@\"' sh"}),
    ("device-denied", f"-c {PID}", {"worlds": ROOTFUL, "prefix": "unshare --mount sh -c 'umount /dev/net/tun; "
     "mknod {tmp}/n c 10 200; mount --bind {tmp}/n /dev/net/tun; chmod 0 {tmp}/n; "
     "exec setpriv --bounding-set=-dac_override --inh-caps=-dac_override \"$@\"' sh"}),
    ("child-signal-ignored", f"-c {PID}", {"prefix": "env --ignore-signal=CHLD"}),
    ("sandbox-path-as-user", f"-c --enable-sandbox --netns-type=path --userns-path={USERNS} "
     f"{RUN} {NETNS} tap0", {"worlds": ROOTLESS}),
    ("fork-refused", f"-c {PID}", {"worlds": ROOTLESS, "prefix": "prlimit --nproc=1:1"}),
)

_PODMAN = "--disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp --enable-ipv6"
_ROOTLESSKIT = "--mtu 65520 -r {ready} -e {exit} --disable-host-loopback"
_PERSISTENT = {"guest": "ip tuntap add name tap0 mode tap; ip link set tap0 up"}

CALLERS = lines(
    "caller",
    ("podman-3", f"{_PODMAN} --api-socket {{tmp}}/c.net -c {PID}"),
    ("podman-4.3-path", f"{_PODMAN} -c {RUN} --api-socket {{tmp}}/c.net --netns-type=path {NETNS} tap0",
     {"worlds": ROOTFUL}),
    ("podman-4.3-pid", f"{_PODMAN} -c {PID}"),
    ("podman-4.6", f"{_PODMAN} --cidr=10.9.0.0/16 --outbound-addr=192.0.2.1 --outbound-addr6=2001:db8::1 "
     f"-c -r {{ready}} -e {{exit}} --netns-type=path {NETNS} tap0", {"worlds": ROOTFUL}),
    ("podman-rootless-netns", f"{_PODMAN} -c -r {{ready}} {{pid}} tap0", {"signal": "SIGTERM"}),
    ("buildah", "--mtu 65520 -r {ready} -c {pid} tap0", {"signal": "SIGKILL"}),
    ("rootlesskit", f"{_ROOTLESSKIT} {{pid}} tap0", _PERSISTENT),
    ("rootlesskit-cidr-api", f"{_ROOTLESSKIT} --cidr 10.41.0.0/16 --api-socket {{tmp}}/.s4nn.sock "
     "{pid} tap0", _PERSISTENT),
    ("rootlesskit-sandbox", f"{_ROOTLESSKIT} --enable-sandbox --enable-seccomp {{pid}} tap0", _PERSISTENT),
    ("rootlesskit-detach-netns", f"{_ROOTLESSKIT} --enable-ipv6 --userns-path={USERNS} --netns-type=path "
     f"{NETNS} tap0", _PERSISTENT),
    ("by-hand", f"--configure --mtu=65520 --disable-host-loopback {PID}"),
    ("by-hand-dns", f"--disable-dns --configure {RUN} {{pid}} --cidr 10.0.1.0/24 tap0"),
    ("sandbox-alone", f"-c --enable-sandbox {PID}"), ("seccomp-alone", f"-c --enable-seccomp {PID}"),
    ("every-option", "-c -6 --enable-seccomp --outbound-addr=127.0.0.1 --outbound-addr6=::1 -a {tmp}/a "
     f"--macaddress=0e:d4:18:d9:38:fb -m 65520 --disable-dns --enable-sandbox {PID}"),
    ("path-by-pid-tap", f"-c --netns-type=path {RUN} {NETNS} tap0 extra", {"worlds": ROOTFUL}),
)

ENDS = lines(
    "end",
    *((name, f"-c -a {{tmp}}/a {PID}", {"signal": name}) for name in ("SIGTERM", "SIGINT", "SIGHUP",
                                                                     "SIGKILL", "SIGQUIT")),
    ("exit-fd", f"-c -a {{tmp}}/a {PID}"), ("exit-fd-not-open", "-c -r {ready} -e 999 {pid} tap0"),
    ("exit-fd-sandboxed", f"-c -a {{tmp}}/a --enable-sandbox {PID}"),
    ("SIGTERM-sandboxed", f"-c -a {{tmp}}/a --enable-sandbox --enable-seccomp {PID}", {"signal": "SIGTERM"}),
) + lines(
    "stdout-in-a-file",
    ("exit-fd", f"-c {PID}"), ("exit-fd-warnings", f"-c -6 {PID}"),
    ("SIGTERM", f"-c {PID}", {"signal": "SIGTERM"}),
    ("SIGKILL", f"-c {PID}", {"signal": "SIGKILL"}),
    raw_stdout=True,
)

CASES = [*ANSWERS, *OUR_NAME, *OPTIONS, *NUMBERS, *POSITIONALS, *NAMESPACES, *ADDRESSES, *BESS,
         *API_SOCKET, *WARNINGS, *FAILURES, *CALLERS, *ENDS, *BEYOND]
