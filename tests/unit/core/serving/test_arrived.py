"""What a connection has received of messages that are not here yet, from the bytes that the kernel counts."""

from convoy.core.serving.connections import Arrived


def test_a_message_that_began_before_the_first_look_hides_nothing_of_the_next() -> None:
    arrived = Arrived(4000, 4000, 0.0, 0.0, "somebody")
    arrived.before += 5000  # this message is here; 4000 of its bytes came before the first look
    arrived.look(5100, 0.0)
    assert arrived.size == 0
    arrived.look(7100, 0.0)
    assert arrived.size == 2000


def test_what_comes_beside_messages_is_left_out_and_no_more_than_that() -> None:
    arrived = Arrived(0, 0, 0.0, 0.0, "somebody")
    arrived.before, arrived.beside = 10_000, 256
    arrived.look(10_100, 0.0)
    assert arrived.size == 0
    arrived.look(60_100, 0.0)
    assert arrived.size == 50_000  # nothing is saved up from before
