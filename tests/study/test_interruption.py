import io
import signal
import threading

import pytest

from dropnorm.study.interruption import SIGNALS, held_interruptions, requests_to_end_as_interruptions


@pytest.fixture
def terminable():
    """SIGTERM and SIGHUP as interruptions, which the command line makes of them."""
    with requests_to_end_as_interruptions():
        yield


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_held_and_told_and_the_second_raised(number, terminable):
    told = []
    with held_interruptions(lambda: told.append(1)) as interrupted:
        assert not interrupted()
        signal.raise_signal(number)
        assert interrupted()
        assert told == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert told == [1]
    assert interrupted()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_requests_to_end_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in SIGNALS]
    with requests_to_end_as_interruptions():
        assert {signal.getsignal(number) for number in SIGNALS} == {signal.default_int_handler}
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows tells of no closed terminal")
def test_under_nohup_a_closed_terminal_ends_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with requests_to_end_as_interruptions(), held_interruptions() as interrupted:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupted()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_without_anything_to_tell_it_is_held_too():
    with held_interruptions() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted()


def test_an_interruption_in_the_midst_of_printing_can_be_told():
    class Interrupting(io.RawIOBase):
        """A stream that is interrupted while it is written to, which its buffer does not let another write into."""

        def writable(self):
            return True

        def write(self, data):
            if not written:
                signal.raise_signal(signal.SIGINT)
            written.append(bytes(data))
            return len(data)

    written = []
    stream = io.TextIOWrapper(io.BufferedWriter(Interrupting()), write_through=True)

    def tell():
        stream.write("told\n")
        stream.flush()

    with held_interruptions(tell) as interrupted:
        stream.write("progress\n")
        stream.flush()
        assert interrupted()
    assert b"".join(written) == b"progress\ntold\n"


def test_handlers_of_others_stay():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with held_interruptions() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_an_error_inside_leaves_the_handlers_as_they_were():
    with pytest.raises(ZeroDivisionError), held_interruptions():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_of_the_main_thread_nothing_is_held():
    held = []

    def work():
        with held_interruptions() as interrupted:
            held.append((interrupted(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert held == [(False, signal.default_int_handler)]
