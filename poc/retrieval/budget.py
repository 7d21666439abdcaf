"""A limit on how long a read may be awaited."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T], late: Callable[[], Exception]) -> T:
    """Await `work` in the calling task, and cancel it when it takes longer than `seconds`.

    `asyncio.wait_for` makes a task for each call before Python 3.12, which costs a tenth of a read.

    Raises:
        what `late` makes: it took longer.
    """
    task = asyncio.current_task()
    assert task is not None
    passed = False

    def expire() -> None:
        nonlocal passed
        passed = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await work
    except asyncio.CancelledError:
        if not passed:
            raise
        if hasattr(task, "uncancel") and task.uncancel() > 0:
            raise  # Somebody else wants it cancelled as well.
        raise late() from None
    finally:
        timer.cancel()
