import asyncio

from ccproxy.core.memory import Memory
from ccproxy.net import memory_watch
from ccproxy.net.memory_watch import MemoryWatch


class Largest:
    name = "peer\n1"

    def __init__(self, memory):
        self.memory = memory
        self.closed = False

    def read_on(self):
        raise AssertionError("there is no memory")

    def give_up(self):
        self.closed = True
        self.memory.used = 0


async def test_it_says_so_closes_the_largest_and_ends(kit, until, monkeypatch, caplog):
    monkeypatch.setattr(memory_watch, "INTERVAL", 0.001)
    monkeypatch.setattr("ccproxy.core.memory.PATIENCE", 0.02)
    memory = Memory(10 << 20)
    watch = MemoryWatch(memory, kit().log)
    running = asyncio.create_task(watch.run())
    memory.used = 20 << 20
    one = Largest(memory)
    assert memory.crowded(5 << 20)
    memory.held_back[one] = 5 << 20
    await until(lambda: one.closed and not memory.tight)
    await until(lambda: "free again" in caplog.text or len(caplog.records) >= 2)
    assert caplog.messages[0].startswith("memory is tight used=20 MiB memory=10 MiB; senders")
    assert caplog.messages[1].startswith("closed for memory peer=")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
