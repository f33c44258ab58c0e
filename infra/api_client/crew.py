"""Work done by a few at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")


def work_through(items: Iterable[Item], work: Callable[[Item], object], *, at_once: int) -> None:
    """Do `work` for every item, `at_once` of them at a time, taken in order as workers get free.

    The first error, or Ctrl-C, lets what is in hand finish, begins nothing new, and is raised.
    """
    waiting = iter(items)
    taking = threading.Lock()
    errors: list[BaseException] = []
    ended = threading.Event()

    def worker() -> None:
        while not ended.is_set():
            with taking:
                try:
                    item = next(waiting)
                except StopIteration:
                    return
            try:
                work(item)
            except BaseException as error:  # noqa: BLE001  # raised again by the caller's thread
                errors.append(error)
                ended.set()

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():  # an endless join would not hear Ctrl-C
                thread.join(0.2)
    except BaseException:
        ended.set()
        raise
    if errors:
        raise errors[0]
