"""The milter on Sendmail's libmilter (`transport: libmilter`): one process, one listening address.

libmilter runs in threads of its own. Signals still come to the main thread, where the event loop
takes them; libmilter is stopped by its own call once no message is left.
"""

import asyncio

from milters.settings import MilterSettings
from postward.daemon.configuration import Configuration
from postward.daemon.directories import warn_of_closed_doors
from postward.daemon.log import Log
from postward.daemon.notify import Notifier
from postward.daemon.process import Desk, Reloader, live
from postward.daemon.start import CannotStart
from postward.daemon.units import Listen
from postward.daemon.wiring import open_house
from postward.stage import Door


async def serve(
    configuration: Configuration, settings: MilterSettings, log: Log, key: bytes, *, drain: float
) -> int:
    """Serve until SIGTERM; 0 when every message in flight could finish. Raises CannotStart."""
    try:
        import milter

        from milters.libmilter import LibmilterServer
    except ImportError:
        raise CannotStart("transport: libmilter needs pymilter: install postward[libmilter]") from None
    section = configuration.settings.milter
    if len(section.listen) != 1:
        raise CannotStart("transport: libmilter listens at one address only")
    log.sink.attach(asyncio.get_running_loop())
    notifier = Notifier()
    desk = Desk("milter", configuration, notifier)
    async with open_house(configuration, log, key, Door.MILTER) as house:
        server = LibmilterServer(settings, house)
        try:
            await server.start(_address(section.listen[0]), section.socket_mode)
        except milter.error as error:
            raise CannotStart(f"cannot listen on {section.listen[0]}: {error}") from None
        warn_of_closed_doors(section.listen)
        await live(desk, Reloader(house, configuration, Door.MILTER), notifier)
        finished = await server.drain(drain)
    log.sink.detach()
    return 0 if finished else 1


def _address(listen: Listen) -> str:
    """The address in libmilter's spelling."""
    if listen.path:
        return str(listen)
    return f"{'inet6' if ':' in listen.host else 'inet'}:{listen.port}@{listen.host}"
