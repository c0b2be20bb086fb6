"""Interruptions that wait until what is being done is whole."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# A terminal that is closed hangs up; Windows has no such signal.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def requests_to_end_as_interruptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; a SIGHUP that `nohup` ignores stays ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS if number != signal.SIGINT}
    taken = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)


@contextmanager
def held_interruptions(tell: Callable[[], None] | None = None) -> Iterator[Callable[[], bool]]:
    """Hold a first interruption back: the function that it gives says whether there was one. A second one is raised at once.

    Signals are held that would raise KeyboardInterrupt, as Python's own handler of SIGINT does; those with handlers of
    others, and outside of the main thread, stay as they are.

    Args:        tell: called at the first one, to say that it was noticed: in a thread of its own, since what was interrupted
                 may be printing, which cannot be entered twice. It has been called when one asks.
    """
    interrupted = False
    teller = threading.Thread(target=tell) if tell is not None else None

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            signal.default_int_handler(number, frame)
        interrupted = True
        if teller is not None:
            teller.start()

    def asked() -> bool:
        if teller is not None and teller.ident is not None:
            teller.join()
        return interrupted

    here = threading.current_thread() is threading.main_thread()
    held = [number for number in SIGNALS if here and signal.getsignal(number) is signal.default_int_handler]
    for number in held:
        signal.signal(number, hold)
    try:
        yield asked
    finally:
        asked()
        for number in held:
            signal.signal(number, signal.default_int_handler)
