"""DNS through 10.0.2.3 and fd00::3: the host's first nameserver, followed while it changes."""
import os

import pytest

import peers
import probes
import world as w
from probes import CONFINED, peer

pytestmark = pytest.mark.usefixtures("stack")

NAME, OTHER_NAMESERVER = "gate.test", "192.0.2.3"
OLD, NEW = "198.51.100.1", "198.51.100.2"       # what the two nameservers answer


def nameserver(world, address, answer):
    world.spawn(world.inet, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces",
                "--except-interface=lo", f"--listen-address={address}",
                f"--address=/{NAME}/{answer}", ready_line="started")


@pytest.fixture
def nameservers(world):
    """Two nameservers with different answers; the host uses the one that says OLD."""
    world.inet.run("ip", "addr", "add", f"{OTHER_NAMESERVER}/24", "dev", "inet0")
    nameserver(world, w.INET4, OLD)
    nameserver(world, OTHER_NAMESERVER, NEW)


def resolve(world, *options, server=w.DNS4):
    done = world.guest.run("dig", "+short", "+time=2", "+tries=2", *options, f"@{server}",
                           NAME, "A", check=False)
    return done.stdout.strip()


def own_etc(world):
    """Give the host an /etc that the test may write to."""
    etc = world.tmp / "etc"
    etc.mkdir()
    (etc / "resolv.conf").write_text(f"nameserver {w.INET4}\n")
    world.host.run("umount", "/etc/resolv.conf")
    world.host.run("mount", "--bind", etc, "/etc")
    return etc


def own_run(world):
    """Give the host a /run whose resolv.conf /etc/resolv.conf points to, as systemd does."""
    etc, run = own_etc(world), world.tmp / "run"
    (run / "resolve").mkdir(parents=True)
    world.host.run("mount", "--bind", run, "/run")
    (run / "resolve" / "stub.conf").write_text(f"nameserver {w.INET4}\n")
    replace_by_symlink(etc, "../run/resolve/stub.conf")
    return etc, run / "resolve"


def replace(path, text):
    """Replace a file as editors and network managers do: write aside, then rename."""
    aside = path.with_suffix(".new")
    aside.write_text(text)
    os.replace(aside, path)


def replace_by_symlink(etc, target):
    aside = etc / "resolv.conf.new"
    aside.symlink_to(target)
    os.replace(aside, etc / "resolv.conf")


def assert_followed(world):
    for transport in ("+notcp", "+tcp"):
        w.wait_until(lambda: resolve(world, transport) == NEW, "the new nameserver to be used")


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_answer(world, confinement, nameservers, transport):
    world.start_tap(*confinement)
    assert resolve(world, transport) == OLD


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_answer_over_ipv6(world, confinement, transport):
    """fd00::3 is the first nameserver that has an IPv6 address."""
    nameserver(world, w.INET6, OLD)
    world.set_nameservers(w.INET4, w.INET6)
    world.start_tap("-6", *confinement)
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    assert resolve(world, transport, server=w.DNS6) == OLD


def test_link_local_nameserver(world):
    """Its scope, an interface of the host, stands behind the address."""
    world.inet.run("ip", "addr", "add", "fe80::8/64", "dev", "inet0", "nodad")
    world.host.run("ip", "addr", "add", "fe80::7/64", "dev", "up0", "nodad")
    probes.serve(world, world.inet, peers.tcp_server, "::", 53)
    world.set_nameservers("fe80::8%up0")
    world.start_tap("-6", *CONFINED)
    world.guest.run("ip", "addr", "add", "fd00::100/64", "dev", "tap0", "nodad")
    assert peer(world, world.guest, peers.ask, w.DNS6, 53, "peer") == "fe80::7"


def test_only_port_53_of_the_dns_address(world):
    for port in (53, 54):
        probes.serve(world, world.inet, peers.tcp_server, w.INET4, port)
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.connect, w.DNS4, 53) == "connected"
    assert peer(world, world.guest, peers.connect, w.DNS4, 54) == "ENETUNREACH"


def test_no_nameserver_of_that_family(world):
    world.set_nameservers(w.INET6)
    world.start_tap(*CONFINED)
    assert peer(world, world.guest, peers.connect, w.DNS4, 53) == "ENETUNREACH"


def test_loopback_nameserver_of_the_host(world):
    """A nameserver in 127/8 is the host's own, even when its loopback is closed otherwise."""
    world.spawn(world.host, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces",
                "--listen-address=127.0.0.53", f"--address=/{NAME}/{OLD}", ready_line="started")
    world.set_nameservers("127.0.0.53")
    world.start_tap("--disable-host-loopback", *CONFINED)
    assert (resolve(world), resolve(world, "+tcp")) == (OLD, OLD)


def test_nameserver_changed_in_place(world, confinement, nameservers):
    world.start_tap(*confinement)
    assert resolve(world) == OLD
    world.set_nameservers(OTHER_NAMESERVER)
    assert_followed(world)


def test_file_replaced_by_rename(world, nameservers):
    etc = own_etc(world)
    world.start_tap(*CONFINED)
    assert resolve(world) == OLD
    replace(etc / "resolv.conf", f"nameserver {OTHER_NAMESERVER}\n")
    assert_followed(world)


def test_symlink_target_replaced_by_rename(world, nameservers):
    _, resolve_dir = own_run(world)
    world.start_tap(*CONFINED)
    assert resolve(world) == OLD
    replace(resolve_dir / "stub.conf", f"nameserver {OTHER_NAMESERVER}\n")
    assert_followed(world)


def test_symlink_changed_to_another_target(world, nameservers):
    etc, resolve_dir = own_run(world)
    world.start_tap(*CONFINED)
    assert resolve(world) == OLD
    (resolve_dir / "other.conf").write_text(f"nameserver {OTHER_NAMESERVER}\n")
    replace_by_symlink(etc, "../run/resolve/other.conf")
    assert_followed(world)


def test_file_replaced_by_a_symlink(world, nameservers):
    etc, resolve_dir = own_run(world)
    (etc / "resolv.conf").unlink()
    (etc / "resolv.conf").write_text(f"nameserver {w.INET4}\n")
    (resolve_dir / "stub.conf").write_text(f"nameserver {OTHER_NAMESERVER}\n")
    world.start_tap(*CONFINED)
    assert resolve(world) == OLD
    replace_by_symlink(etc, "../run/resolve/stub.conf")
    assert_followed(world)


def test_symlink_out_of_etc_and_run(world, nameservers):
    etc = own_etc(world)
    (world.tmp / "far.conf").write_text(f"nameserver {w.INET4}\n")
    replace_by_symlink(etc, world.tmp / "far.conf")
    world.start_tap(*CONFINED)
    assert resolve(world) == OLD


def test_file_that_appears_later(world, nameservers):
    """No resolv.conf at the start is no reason to end; it is used as soon as it exists."""
    etc = own_etc(world)
    (etc / "resolv.conf").unlink()
    world.start_tap(*CONFINED)
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    replace(etc / "resolv.conf", f"nameserver {OTHER_NAMESERVER}\n")
    assert_followed(world)


def test_link_whose_target_appears_later(world, nameservers):
    """As when the resolver's own directory is made after us."""
    etc = own_etc(world)
    world.host.run("mount", "-t", "tmpfs", "tmpfs", "/run")
    replace_by_symlink(etc, "../run/late/stub.conf")
    world.start_tap(*CONFINED)
    world.host.run("sh", "-c", "mkdir /run/late && "
                   f"echo nameserver {OTHER_NAMESERVER} >/run/late/stub.conf")
    assert_followed(world)


def test_directory_link_on_the_way_is_switched(world, nameservers):
    """The directory of the target is itself a link, and is pointed elsewhere."""
    etc, resolve_dir = own_run(world)
    other = resolve_dir.with_name("other")
    other.mkdir()
    (other / "stub.conf").write_text(f"nameserver {OTHER_NAMESERVER}\n")
    current = resolve_dir.with_name("current")
    current.symlink_to("resolve")
    replace_by_symlink(etc, "../run/current/stub.conf")
    world.start_tap(*CONFINED)
    assert resolve(world) == OLD
    aside = current.with_name("aside")
    aside.symlink_to("other")
    os.replace(aside, current)
    assert_followed(world)


def test_change_while_the_watch_begins(world, nameservers):
    """What is written between the first look at the file and the watch on it is not missed."""
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "--inject=inotify_init1:delay_enter=200000"]
    world.start_tap(*CONFINED, user=[*world.as_user(), *slow])
    world.set_nameservers(OTHER_NAMESERVER)
    assert_followed(world)
