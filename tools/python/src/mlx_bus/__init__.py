"""The bus of the MLX Infrastructure Suite.

    for m in mlx_bus.subscribe("runtime."):
        print(m.topic, m.data)

Everything in messages and replies comes from other programs: it is bounded and checked for its form, and names in it
are data. A value that is not available is absent, never zero.
"""
from . import catalogue
from .catalogue import *  # noqa: F401,F403
from .plain import Call, Subscription, call, subscribe
from .wire import BusError, Keys, Message, run_dir

__all__ = ["BusError", "Call", "Keys", "Message", "Subscription", "call", "catalogue", "run_dir", "subscribe",
           *catalogue.COMMANDS]
