"""The least that must work: a ping to the gateway."""
import world as w


def test_gateway_answers_ping(world):
    gate = world.start_tap()
    world.guest.run("ping", "-c1", "-W5", w.GATEWAY4)
    assert gate.stop() == 0
